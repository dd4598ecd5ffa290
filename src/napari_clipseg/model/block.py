"""A block of CLIP's vision tower: open_clip's parts, run by faster paths."""

from __future__ import annotations

from typing import Any

import torch
from open_clip.transformer import QuickGELU
from torch import Tensor, nn
from torch.nn import functional as F

from napari_clipseg.model.attention import masked_self_attention, self_attention
from napari_clipseg.model.linear import linear

QUICK_GELU_SLOPE = 1.702
"""QuickGELU(x) is x * sigmoid(1.702 x) (Hendrycks & Gimpel, arXiv 1606.08415, section 2)."""


class VisionBlock(nn.Module):
    """A residual attention block whose names of weights are those of open_clip.

    Parameters
    ----------
    block : open_clip.transformer.ResidualAttentionBlock
        Its parts are taken over.

    Notes
    -----
    Attention does not write its weights to memory, products go through
    :func:`napari_clipseg.model.linear.linear`, and the activation is fused into them. For
    QuickGELU, which no library fuses, ``QuickGELU(x) = swish(s x) / s`` with s = 1.702 is used:
    s goes into what LayerNorm and bias multiply with, 1 / s into the sum of the residual.
    """

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.ln_1, self.attn, self.ls_1 = block.ln_1, block.attn, block.ls_1
        self.ln_2, self.mlp, self.ls_2 = block.ln_2, block.mlp, block.ls_2
        quick = isinstance(block.mlp.gelu, QuickGELU)
        self.activation = "swish" if quick else "gelu"
        self.slope = QUICK_GELU_SLOPE if quick else 1.0

    def forward(self, tokens: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        """Return tokens (B, T, W) after attention and MLP.

        Parameters
        ----------
        tokens : Tensor (B, T, W)
        attn_mask : Tensor (B, 1, T, T), optional
            What attention logits are multiplied by; the name is open_clip's.
        """
        normed = self.ln_1(tokens)
        update = (
            self_attention(self.attn, normed)
            if attn_mask is None
            else masked_self_attention(self.attn, normed, attn_mask)
        )
        tokens = tokens + self.ls_1(update)
        return torch.add(tokens, self.ls_2(self._scaled_mlp(tokens)), alpha=1 / self.slope)

    def _scaled_mlp(self, tokens: Tensor) -> Tensor:
        """Return ``slope`` times what the MLP makes of tokens."""
        norm, first, last, slope = self.ln_2, self.mlp.c_fc, self.mlp.c_proj, self.slope
        normed = F.layer_norm(
            tokens, norm.normalized_shape, norm.weight * slope, norm.bias * slope, norm.eps
        )
        hidden = linear(normed, first.weight, first.bias * slope, self.activation)
        return linear(hidden, last.weight, last.bias * slope)
