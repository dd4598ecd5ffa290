"""Which tiles cover an image."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterator, Sequence
from typing import Any

from napari_clipseg.engine.pixels import Box
from napari_clipseg.errors import SettingError


@dataclasses.dataclass(frozen=True, slots=True)
class TileGrid:
    """Squares of one side in rows and columns that cover an image.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image in pixels.
    side : int
        Side of every tile in pixels of the image.
    tops, lefts : tuple of int
        First row of each row of tiles and first column of each column. The last ones end
        at the image's border; only a tile larger than the image reaches beyond it.
    """

    shape: tuple[int, int]
    side: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Tile:
    """One tile of a plan.

    Parameters
    ----------
    grid : int
        Index of the grid (the zoom) it belongs to.
    row, column : int
        Place in that grid.
    box : Box
        Its pixels (y0, x0, y1, x1), cut at the image's border.
    side : int
        Side of the full square in pixels of the image.
    """

    grid: int
    row: int
    column: int
    box: Box
    side: int


@dataclasses.dataclass(frozen=True, slots=True)
class TilePlan:
    """All tiles of a run, one grid for each zoom, in the order in which they are computed.

    Parameters
    ----------
    grids : tuple of TileGrid
    tiles : tuple of Tile
        From top to bottom, so that rows become final early.
    """

    grids: tuple[TileGrid, ...]
    tiles: tuple[Tile, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.grids[0].shape


def plan_tiles(
    shape: tuple[int, int], tile: int, overlap: int, zooms: Sequence[float] = (1.0,)
) -> TilePlan:
    """Return the tiles that cover an image at every zoom.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image in pixels.
    tile, overlap : int
        Side of a tile and what neighbours share, in pixels at zoom 1.
    zooms : sequence of float
        At zoom z a tile covers ``round(tile / z)`` pixels of the image.

    Raises
    ------
    SettingError
        If the overlap is not smaller than the tile or a zoom is not positive.
    """
    if not 0 <= overlap < tile:
        raise SettingError(f"overlap {overlap} must be at least 0 and less than the tile {tile}")
    if not zooms or any(not 0.1 <= zoom <= 100 for zoom in zooms):
        raise SettingError(f"zoom must lie between 0.1 and 100, not {list(zooms)}")
    grids = tuple(_grid(shape, tile, overlap, zoom) for zoom in zooms)
    tiles = [each for index, grid in enumerate(grids) for each in _tiles(index, grid)]
    return TilePlan(grids, tuple(sorted(tiles, key=lambda each: (each.box[:2], each.grid))))


def as_zooms(zoom: float | Sequence[float]) -> tuple[float, ...]:
    """Return one zoom or several as numbers.

    Raises
    ------
    SettingError
        If one is no number.
    """
    several = isinstance(zoom, Sequence) and not isinstance(zoom, str)
    given: Sequence[Any] = zoom if several else [zoom]  # type: ignore[assignment]
    try:
        return tuple(float(each) for each in given)
    except (TypeError, ValueError) as error:
        raise SettingError(f"the zoom is a number or a list of numbers, not {zoom!r}") from error


def whole_number(name: str, number: int) -> int:
    """Return the number of a setting, or raise :class:`SettingError` where it is none."""
    try:
        return operator.index(number)
    except TypeError as error:
        raise SettingError(f"the {name} is a whole number, not {number!r}") from error


def _grid(shape: tuple[int, int], tile: int, overlap: int, zoom: float) -> TileGrid:
    side = max(round(tile / zoom), 1)
    shared = min(round(overlap / zoom), side - 1)
    return TileGrid(shape, side, _starts(shape[0], side, shared), _starts(shape[1], side, shared))


def _starts(length: int, side: int, overlap: int) -> tuple[int, ...]:
    """Return evenly spread first pixels such that neighbours share at least ``overlap``."""
    if length <= side:
        return (0,)
    count = -(-(length - overlap) // (side - overlap))
    last = length - side
    return tuple(last * index // (count - 1) for index in range(count))


def _tiles(index: int, grid: TileGrid) -> Iterator[Tile]:
    height, width = grid.shape
    for row, top in enumerate(grid.tops):
        for column, left in enumerate(grid.lefts):
            box = (top, left, min(top + grid.side, height), min(left + grid.side, width))
            yield Tile(index, row, column, box, grid.side)
