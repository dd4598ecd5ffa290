"""Which pixels of an image hold data, kept so that a prompt asked later knows it too."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from napari_clipseg.engine.pixels import Box, Pixels
from napari_clipseg.engine.tiling import TilePlan

CHUNK_SIDE = 512
"""Side of the squares in which validity is kept; those without a gap take no room."""


class Valid:
    """Which pixels hold data.

    Parameters
    ----------
    array : zarr.Array (H, W) bool
    """

    def __init__(self, array: Any) -> None:
        self._array = array

    def read(self, box: Box) -> npt.NDArray[np.bool_]:
        """Return which pixels (h, w) of a box hold data."""
        y0, x0, y1, x1 = box
        return np.asarray(self._array[y0:y1, x0:x1])

    def save(self, folder: Path) -> None:
        """Keep this in a new folder."""
        array = _create(folder, self._array.shape)
        for first in range(0, self._array.shape[0], CHUNK_SIDE):
            array[first : first + CHUNK_SIDE] = self._array[first : first + CHUNK_SIDE]

    def needed(self, plan: TilePlan) -> TilePlan:
        """Return a plan with only those tiles that hold data.

        Notes
        -----
        The tiles that stay have the same shares as before: a tile that is left out covers no
        pixel of which the result is asked.
        """
        tiles = tuple(tile for tile in plan.tiles if self.read(tile.box).any())
        return dataclasses.replace(plan, tiles=tiles)


def find_valid(pixels: Pixels) -> Valid | None:
    """Return which pixels of an image hold data, None if it has neither nodata nor alpha.

    Notes
    -----
    The image is read once more, by bands of rows; the answer is kept compressed in memory.
    """
    if not pixels.may_leave_out:
        return None
    height, width = pixels.shape
    array = _create(zarr.storage.MemoryStore(), pixels.shape)
    for first in range(0, height, CHUNK_SIDE):
        last = min(first + CHUNK_SIDE, height)
        array[first:last] = pixels.valid((first, 0, last, width))
    return Valid(array)


def open_valid(folder: Path) -> Valid | None:
    """Return what :meth:`Valid.save` left in a folder, None if there is nothing."""
    return Valid(zarr.open_array(folder, mode="r")) if folder.exists() else None


def _create(store: Any, shape: tuple[int, ...]) -> Any:
    chunks = (CHUNK_SIDE, CHUNK_SIDE)
    return zarr.create_array(store, shape=shape, chunks=chunks, dtype=bool, fill_value=True)
