"""Pointing at an object inside CLIP: its attention masked, the picture left as it is.

A new mask is an entry of :data:`ATTENTION_MASKS` at the bottom.

References
----------
Lüddecke & Ecker 2022, arXiv 2112.10003, table 2, and ``forward_multihead_attention`` in the
authors' code: logits are multiplied by the mask before the softmax.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_clipseg.model.attention import masked_self_attention
from napari_clipseg.model.clipseg import CLIPSeg

CLASS_TOKEN, PATCHES = slice(0, 1), slice(1, None)


@dataclasses.dataclass(frozen=True, slots=True)
class AttentionMask:
    """Which tokens see only the object, and in which blocks.

    Parameters
    ----------
    blocks : slice
        Of all blocks of the tower.
    tokens : slice
        Of the class token and the patches: those that see no patch outside the object.
    """

    blocks: slice
    tokens: slice

    def of(self, mask: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return what logits (B, 1, T, T) are multiplied by, of object masks (B, H, W)."""
        seen = F.interpolate(mask[:, None].float(), size=grid, mode="nearest").flatten(1)
        full = seen.new_ones(len(seen), seen.shape[1] + 1, seen.shape[1] + 1)
        full[:, self.tokens, 1:] = seen[:, None]
        return full[:, None]


def masked_image_vectors(
    model: CLIPSeg, pixel_values: Tensor, mask: Tensor, attention: AttentionMask
) -> Tensor:
    """Return CLIP's image vectors under an attention mask.

    Parameters
    ----------
    model : CLIPSeg
    pixel_values : Tensor (B, 3, H, W)
        Normalised pixels.
    mask : Tensor (B, H, W)
        The object.
    attention : AttentionMask

    Returns
    -------
    Tensor (B, E)
        Not normalised.
    """
    visual = model.encoder.clip.visual
    bias = attention.of(mask, model.encoder.grid(pixel_values))
    tokens = model.encoder._embed(pixel_values)
    blocks = visual.transformer.resblocks
    masked = range(len(blocks))[attention.blocks]
    for index, block in enumerate(blocks):
        if index in masked:
            tokens = tokens + masked_self_attention(block.attn, block.ln_1(tokens), bias)
            tokens = tokens + block.mlp(block.ln_2(tokens))
        else:
            tokens = block(tokens)
    vectors: Tensor = visual._pool(tokens)[0] @ visual.proj
    return vectors


def object_mask(mask: Tensor, side: int) -> Tensor:
    """Return an object mask (H, W) resized to a square (1, side, side) by nearest neighbours."""
    return F.interpolate(mask[None, None].to(torch.float32), size=(side, side), mode="nearest")[0]


ATTENTION_MASKS: dict[str, AttentionMask] = {
    "class token masked in the last block": AttentionMask(slice(-1, None), CLASS_TOKEN),
    "class token masked in all blocks": AttentionMask(slice(None), CLASS_TOKEN),
    "all patches masked in all blocks": AttentionMask(slice(None), PATCHES),
}
"""Name -> attention mask, in the paper's order."""
