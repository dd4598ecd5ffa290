"""Any part of an image encoded or decoded on its own, with the result of the whole run.

Parts are made of the same batches of tiles as :meth:`Segmenter.run` computes, added in the same
order: put together they equal its result bit for bit, wherever and whenever each was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import Prompt
from napari_clipseg.engine.region import Region
from napari_clipseg.engine.segmenter import Segmenter

Span = tuple[int, int]
"""First and past the last."""


class ImageParts:
    """An image that is encoded and decoded in parts, through features on disk.

    Parameters
    ----------
    segmenter : Segmenter
    pixels : Pixels
        The image, read as when the folder was made.
    folder : Path
        Features that this segmenter began to make of this image.

    Raises
    ------
    FeaturesInvalid
        If the folder holds none, or those of another model or other tiles.
    """

    def __init__(self, segmenter: Segmenter, pixels: Pixels, folder: Path) -> None:
        self._features = segmenter.open_features(folder).with_pixels(pixels)

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return self._features.tiles

    def encode(self, tiles: Span) -> None:
        """Encode and keep those of some tiles, in whole batches, that are not stored yet."""
        for _ in self._features.encoded(range(*tiles)):
            pass

    def decode(self, prompts: Sequence[Prompt], rows: Span) -> npt.NDArray[np.float32]:
        """Return the probability (P, rows, W) of some rows; missing tiles are encoded."""
        tiled = self._features.tiled
        height, width = self._features.shape
        region = Region((rows[0], 0, rows[1], width))
        out = RowsWanted((len(prompts), height, width), rows)
        touching = {tile // tiled.batch for tile in tiled.touching(region)}
        # whole batches, as the run of the whole image computes them
        tiles = [tile for tile in range(self.tiles) if tile // tiled.batch in touching]
        for _ in tiled.decode(self._features.encoded(tiles), prompts, out, region):
            pass
        return out.values


class RowsWanted:
    """Takes all rows of a result and keeps those that are wanted.

    Parameters
    ----------
    shape : (int, int, int)
        (P, H, W) of all rows.
    wanted : (int, int)

    Attributes
    ----------
    values : ndarray (P, rows, W) float32
    """

    def __init__(self, shape: tuple[int, int, int], wanted: Span) -> None:
        self.shape = shape
        self._start, self._end = wanted
        self.values = np.zeros((shape[0], self._end - self._start, shape[2]), np.float32)

    def __setitem__(self, key: tuple[Any, slice], values: npt.NDArray[np.float32]) -> None:
        first = key[1].start
        start, end = max(first, self._start), min(first + values.shape[1], self._end)
        if start < end:
            part = values[:, start - first : end - first]
            self.values[:, start - self._start : end - self._start] = part
