"""Tiles joined without seams: windows that sum to one, and the accumulator of logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.pixels import Box
from napari_clipseg.engine.tiling import Tile, TilePlan
from napari_clipseg.errors import UnknownName


def uniform(side: int) -> npt.NDArray[np.float64]:
    """Return equal weights: plain averaging where tiles overlap."""
    return np.ones(side)


def linear(side: int) -> npt.NDArray[np.float64]:
    """Return weights that fall linearly from the middle to the border."""
    return 1 - np.abs((np.arange(side) + 0.5) * 2 / side - 1) + 1e-6


def hann(side: int) -> npt.NDArray[np.float64]:
    """Return the raised cosine, which is smooth in the middle and at the border."""
    weights: npt.NDArray[np.float64] = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
    return weights


PIECE_ROWS = 64
"""Rows that are handed out together."""


class TileWeights:
    """The share every tile has in every pixel it covers; shares sum to one.

    Parameters
    ----------
    plan : TilePlan
    window : str
        A name in :data:`BLENDINGS`.

    Raises
    ------
    UnknownName
        If there is no such window.

    Notes
    -----
    Tiles form a grid and the window is a product of one function for each axis, so the sum
    of all windows at a pixel is one too: it is enough to divide along each axis.
    """

    def __init__(self, plan: TilePlan, window: str) -> None:
        if window not in BLENDINGS:
            raise UnknownName(f"window {window!r} is unknown; there are {', '.join(BLENDINGS)}")
        function, share = BLENDINGS[window], 1 / len(plan.grids)
        height, width = plan.shape
        self._rows = [_shares(g.tops, g.side, height, function) * share for g in plan.grids]
        self._columns = [_shares(g.lefts, g.side, width, function) for g in plan.grids]

    def of(self, tile: Tile) -> npt.NDArray[np.float32]:
        """Return the shares (h, w) float32 of a tile within its box."""
        y0, x0, y1, x1 = tile.box
        rows = self._rows[tile.grid][tile.row, : y1 - y0]
        columns = self._columns[tile.grid][tile.column, : x1 - x0]
        return (rows[:, None] * columns).astype(np.float32)


def _shares(
    starts: tuple[int, ...],
    side: int,
    length: int,
    window: Callable[[int], npt.NDArray[np.float64]],
) -> npt.NDArray[np.float64]:
    """Return (len(starts), side): each tile's share along one axis."""
    weights = window(side)
    total = np.zeros(max(length, side))
    for start in starts:
        total[start : start + side] += weights
    return np.stack([weights / total[start : start + side] for start in starts])


class RowAccumulator:
    """Weighted sum of tiles that holds only the rows which are not final yet.

    Parameters
    ----------
    layers : int
        Number of maps that are summed side by side (one for each prompt).
    width : int
        Width of the image in pixels.
    """

    def __init__(self, layers: int, width: int) -> None:
        self._first = 0
        self._shape = (layers, PIECE_ROWS, width)
        # pieces, not one array: rows that come and go move no others in memory
        self._pieces: dict[int, npt.NDArray[np.float32]] = {}

    def add(self, box: Box, values: npt.NDArray[np.float32]) -> None:
        """Add values (layers, h, w) at a box (y0, x0, y1, x1) below the rows handed out."""
        y0, x0, y1, x1 = box
        for start, stop in _pieces(y0, y1):
            rows = self._piece(start)[:, start % PIECE_ROWS : (stop - 1) % PIECE_ROWS + 1]
            rows[:, :, x0:x1] += values[:, start - y0 : stop - y0]

    def finish(self, end: int) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Hand out the rows before ``end`` in pieces: first index and (layers, rows, width)."""
        for start, stop in _pieces(self._first, end):
            piece = self._piece(start)
            yield start, piece[:, start % PIECE_ROWS : (stop - 1) % PIECE_ROWS + 1]
            if stop % PIECE_ROWS == 0:
                del self._pieces[start // PIECE_ROWS]
        self._first = max(self._first, end)

    def _piece(self, row: int) -> npt.NDArray[np.float32]:
        """Return the piece (layers, PIECE_ROWS, width) that holds a row."""
        number = row // PIECE_ROWS
        if number not in self._pieces:
            self._pieces[number] = np.zeros(self._shape, np.float32)
        return self._pieces[number]


def _pieces(first: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield spans of rows that together are ``first`` to ``end`` and lie in one piece each."""
    while first < end:
        stop = min((first // PIECE_ROWS + 1) * PIECE_ROWS, end)
        yield first, stop
        first = stop


BLENDINGS: dict[str, Callable[[int], npt.NDArray[np.float64]]] = {
    "hann": hann,
    "linear": linear,
    "uniform": uniform,
}
