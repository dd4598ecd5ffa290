"""The loop that others write over transformers' CLIPSeg, written well.

Tiles are batched, the text is encoded once and not again for every tile, padding and
resizing are left out, tiles are blended with the same window. What remains is what the
library's interface asks for: every prompt encodes every tile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit

from napari_clipseg.engine.blending import TileWeights
from napari_clipseg.engine.decoding import read_tile
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.tiling import plan_tiles
from napari_clipseg.model.config import IMAGENET_MEAN, IMAGENET_STD

TILE, OVERLAP = 352, 88


def segment(
    model: Any, conditional: torch.Tensor, image: npt.NDArray[np.uint8], batch: int
) -> npt.NDArray[np.float32]:
    """Return the probability (P, H, W) of conditional vectors (P, E), one prompt at a time."""
    mean, std = (torch.tensor(each)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = Pixels(image)
    plan = plan_tiles(pixels.shape, TILE, OVERLAP)
    weights = TileWeights(plan, "hann")
    sums = np.zeros((len(conditional), *pixels.shape), np.float32)
    for number, vector in enumerate(conditional):
        for first in range(0, len(plan.tiles), batch):
            tiles = plan.tiles[first : first + batch]
            rgb = torch.stack([read_tile(pixels, each, TILE) for each in tiles])
            with torch.inference_mode():
                logits = model(
                    pixel_values=(rgb - mean) / std,
                    conditional_embeddings=vector.expand(len(tiles), -1),
                ).logits
            for tile, values in zip(tiles, logits.reshape(-1, TILE, TILE).numpy(), strict=True):
                y0, x0, y1, x1 = tile.box
                sums[number, y0:y1, x0:x1] += values[: y1 - y0, : x1 - x0] * weights.of(tile)
    return expit(sums)
