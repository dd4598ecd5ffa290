"""Self-attention over the weights of torch's own module, by the paths that are fast or needed."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from napari_clipseg.model.linear import linear, takes_onednn

WIDE_HEAD = 32
"""Width from which the products of a single head are large enough to be fast."""


def self_attention(attention: nn.MultiheadAttention, tokens: Tensor) -> Tensor:
    """Return what ``attention`` makes of tokens (B, T, W).

    Notes
    -----
    In evaluation torch's module takes a fused path of its own that writes the attention weights
    of all heads to memory. torch's flash attention does not, but on a CPU it multiplies float32
    with MKL (see :func:`~napari_clipseg.model.linear.linear`) and is slow in bfloat16: heads as
    wide as CLIP's are faster one by one, narrow ones in float32.
    """
    query, key, value = _heads(attention, tokens)
    if takes_onednn(query) and query.shape[-1] >= WIDE_HEAD:
        return _joined(attention, _one_by_one(query, key, value))
    if tokens.device.type == "cpu":
        query, key, value = query.float(), key.float(), value.float()
    dropout = attention.dropout if attention.training else 0.0
    return _joined(attention, F.scaled_dot_product_attention(query, key, value, dropout_p=dropout))


def masked_self_attention(attention: nn.MultiheadAttention, tokens: Tensor, mask: Tensor) -> Tensor:
    """Return :func:`self_attention` whose logits are multiplied by ``mask`` (B, 1, T, T).

    Notes
    -----
    A masked key keeps the weight of a logit of zero: CLIPSeg's authors multiply before the
    softmax, where others add minus infinity.
    """
    query, key, value = _heads(attention, tokens)
    logits = (query / math.sqrt(query.shape[-1])) @ key.transpose(-2, -1)
    return _joined(attention, (logits * mask).softmax(-1) @ value)


def _heads(attention: nn.MultiheadAttention, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return query, key and value (B, heads, T, W / heads)."""
    assert attention.in_proj_weight is not None
    projected = linear(tokens, attention.in_proj_weight, attention.in_proj_bias)
    heads = projected.view(*tokens.shape[:2], 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = heads.unbind(0)
    return query, key, value


def _one_by_one(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return attention (B, heads, T, D); the weights (T, T) of one head stay in the cache."""
    batch, heads, count, width = query.shape
    scaled = (query * (1 / math.sqrt(width))).contiguous()
    keys, values = key.contiguous(), value.transpose(-2, -1).contiguous()
    joined = query.new_empty(batch, count, heads, width)
    for image in range(batch):
        for head in range(heads):
            logits = linear(scaled[image, head], keys[image, head])
            joined[image, :, head] = linear(logits.softmax(-1), values[image, head])
    return joined.transpose(1, 2)


def _joined(attention: nn.MultiheadAttention, heads: Tensor) -> Tensor:
    out = attention.out_proj
    return linear(heads.transpose(1, 2).flatten(2), out.weight, out.bias)
