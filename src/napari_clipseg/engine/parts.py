"""Any part of an image encoded or decoded on its own, with the result of the whole run.

Parts are made of the same batches of tiles as :meth:`Segmenter.run` computes, added in the same
order: put together they equal its result bit for bit, wherever and whenever each was made.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_clipseg.engine.decoding import EncodedBatch, TiledNetwork
from napari_clipseg.engine.features import Features
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import Prompt
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.engine.store import DiskStore, FeatureStore
from napari_clipseg.engine.tiling import Tile, TileGrid, TilePlan

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
        self._tiled: TiledNetwork = segmenter.open_features(folder)._tiled
        self._pixels = pixels
        self._store = DiskStore(folder)

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self._tiled.plan.tiles)

    def encode(self, tiles: Span) -> None:
        """Encode and keep those of some tiles, in whole batches, that are not stored yet."""
        for _ in self._encoded(tiles):
            pass

    def decode(self, prompts: Sequence[Prompt], rows: Span) -> npt.NDArray[np.float32]:
        """Return the probability (P, rows, W) of some rows; missing tiles are encoded."""
        band = band_of(self._tiled.plan, rows, self._tiled.batch)
        height, width = band.plan.shape
        out = RowsWanted((len(prompts), height, width), (rows[0] - band.top, rows[1] - band.top))
        # validity lies on the rows of the whole image, so it is applied to what is wanted
        tiled = dataclasses.replace(self._tiled, plan=band.plan, valid=None)
        batches = self._encoded((band.first, band.first + len(band.plan.tiles)))
        for _ in tiled.decode(batches, prompts, out):
            pass
        if self._tiled.valid is not None:
            out.values *= self._tiled.valid.read((rows[0], 0, rows[1], width))
        return out.values

    def _encoded(self, tiles: Span) -> Generator[EncodedBatch]:
        plan = self._tiled.plan
        part = TilePlan(plan.grids, plan.tiles[slice(*tiles)])
        tiled = dataclasses.replace(self._tiled, plan=part)
        features = Features(tiled, self._pixels.contrast, StorePart(self._store, tiles[0]))
        return features.encoding(self._pixels)


class StorePart:
    """The activations of a store from some tile on.

    Parameters
    ----------
    store : FeatureStore
    first : int
        Number in the store of the tile that is number 0 here.
    """

    def __init__(self, store: FeatureStore, first: int) -> None:
        self._store, self._first = store, first

    @property
    def nbytes(self) -> int:
        """Bytes that all tiles of the store take."""
        return self._store.nbytes

    def write(self, first: int, reduced: Tensor) -> None:
        """Keep tiles (B, L, 1 + N, D) from number ``first`` on."""
        self._store.write(self._first + first, reduced)

    def read(self, first: int, count: int) -> Tensor | None:
        """Return tiles (count, L, 1 + N, D), None if not all of them are there and sound."""
        return self._store.read(self._first + first, count)


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


@dataclasses.dataclass(frozen=True, slots=True)
class Band:
    """Tiles of some rows of an image, as the plan of an image of its own.

    Parameters
    ----------
    first : int
        Number of the first tile in the plan of the whole image.
    top : int
        Row of the whole image that is row 0 here.
    plan : TilePlan
    """

    first: int
    top: int
    plan: TilePlan


def band_of(plan: TilePlan, rows: Span, batch: int) -> Band:
    """Return the tiles, in whole batches, that give rows their result.

    Parameters
    ----------
    plan : TilePlan
        Of the whole image.
    rows : (int, int)
        First and past the last.
    batch : int
        Tiles of a batch, counted from the first of the image.

    Notes
    -----
    All tiles that touch the rows are in the band, so that their shares there are the same as
    in the whole image; what the band holds of other rows is not.
    """
    side = max(grid.side for grid in plan.grids)
    first = bisect_right(plan.tiles, rows[0] - side, key=_top) // batch * batch
    last = -(-bisect_left(plan.tiles, rows[1], key=_top) // batch) * batch
    tiles = plan.tiles[first:last]
    kept = [_tile_rows(plan, number, rows, tiles) for number in range(len(plan.grids))]
    extents = [
        (grid.tops[row], min(grid.tops[row] + grid.side, plan.shape[0]))
        for grid, numbers in zip(plan.grids, kept, strict=True)
        for row in numbers
    ]
    top, end = min(start for start, _ in extents), max(end for _, end in extents)
    grids = tuple(
        _cut(grid, numbers, (top, end)) for grid, numbers in zip(plan.grids, kept, strict=True)
    )
    moved = tuple(_moved(tile, kept[tile.grid].index(tile.row), top) for tile in tiles)
    return Band(first, top, TilePlan(grids, moved))


def _tile_rows(plan: TilePlan, number: int, rows: Span, tiles: Sequence[Tile]) -> list[int]:
    """Return the rows of tiles of a grid that touch some rows or are in the band anyway."""
    grid = plan.grids[number]
    touching = {
        row for row, top in enumerate(grid.tops) if top < rows[1] and top + grid.side > rows[0]
    }
    return sorted(touching | {tile.row for tile in tiles if tile.grid == number})


def _cut(grid: TileGrid, numbers: Sequence[int], rows: Span) -> TileGrid:
    shape = (rows[1] - rows[0], grid.shape[1])
    return TileGrid(shape, grid.side, tuple(grid.tops[n] - rows[0] for n in numbers), grid.lefts)


def _moved(tile: Tile, row: int, top: int) -> Tile:
    y0, x0, y1, x1 = tile.box
    return dataclasses.replace(tile, row=row, box=(y0 - top, x0, y1 - top, x1))


def _top(tile: Tile) -> int:
    return tile.box[0]


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute with so many threads of torch: on CPUs another number may round otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
