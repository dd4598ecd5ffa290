"""Self-attention over the weights of torch's own module, by the paths that are fast or needed."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F


def self_attention(attention: nn.MultiheadAttention, tokens: Tensor) -> Tensor:
    """Return what ``attention`` makes of tokens (B, T, W).

    Notes
    -----
    In evaluation torch's module takes a fused path of its own that writes all attention
    weights to memory: for the decoder's narrow heads 1.6 times slower than this.
    """
    query, key, value = _heads(attention, tokens)
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
    projected = F.linear(tokens, attention.in_proj_weight, attention.in_proj_bias)
    heads = projected.view(*tokens.shape[:2], 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = heads.unbind(0)
    return query, key, value


def _joined(attention: nn.MultiheadAttention, heads: Tensor) -> Tensor:
    joined: Tensor = attention.out_proj(heads.transpose(1, 2).flatten(2))
    return joined
