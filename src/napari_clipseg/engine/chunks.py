"""The chunks of a stored image that were read last, kept for the tiles beside and below."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

HELD_BYTES = 32 << 20
"""Decoded pixels that are kept. A row of 512 px chunks of an RGB image 20 000 px wide fits; in a
wider one a chunk is read for every row of tiles that touches it, 1 % of what these cost."""

Edges: TypeAlias = npt.NDArray[np.int64]
"""Rising first pixels of the chunks along one axis, and the length of the axis."""


def held(image: Any, budget: int = HELD_BYTES) -> Any:
    """Return an image (H, W) or (H, W, C) that reads each of its chunks seldom.

    Parameters
    ----------
    image : array-like
        With ``chunks`` as zarr, h5py or dask have them, else it is returned as it is.
    budget : int
        Bytes that are kept. An image whose single chunks are larger is returned as it is.
    """
    chunks = getattr(image, "chunks", None)
    if not chunks or image.ndim not in (2, 3):
        return image
    rows, columns = (
        _edges(size, each) for size, each in zip(image.shape[:2], chunks, strict=False)
    )
    if min(len(rows), len(columns)) < 2:
        return image
    depth = int(np.prod(image.shape[2:])) * np.dtype(image.dtype).itemsize
    largest = int(np.diff(rows).max() * np.diff(columns).max()) * depth
    return image if largest > budget else HeldChunks(image, (rows, columns), budget)


class HeldChunks:
    """An image in chunks, read by boxes of rows and columns; safe in several threads.

    Parameters
    ----------
    image : array-like (H, W) or (H, W, C)
    edges : (Edges, Edges)
        Of rows and of columns.
    budget : int
        Bytes of decoded chunks that are kept; the least recently used go first.
    """

    def __init__(self, image: Any, edges: tuple[Edges, Edges], budget: int) -> None:
        self.shape: tuple[int, ...] = tuple(image.shape)
        self.ndim, self.dtype = image.ndim, np.dtype(image.dtype)
        self._image, self._edges, self._budget = image, edges, budget
        self._chunks: OrderedDict[tuple[int, int], npt.NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __getitem__(self, box: tuple[slice, slice]) -> npt.NDArray[Any]:
        """Return the pixels (h, w) or (h, w, C) of a box of rows and columns, a copy."""
        spans = [each.indices(size)[:2] for each, size in zip(box, self.shape[:2], strict=True)]
        (y0, y1), (x0, x1) = spans
        pixels = np.empty((max(y1 - y0, 0), max(x1 - x0, 0), *self.shape[2:]), self.dtype)
        touched = [_touched(edges, *span) for edges, span in zip(self._edges, spans, strict=True)]
        for place in itertools.product(*touched):
            (top, bottom), (left, right) = (
                (max(edges[n], first), min(edges[n + 1], last))
                for edges, n, (first, last) in zip(self._edges, place, spans, strict=True)
            )
            chunk, (row, column) = self._chunk(place), self._origin(place)
            pixels[top - y0 : bottom - y0, left - x0 : right - x0] = chunk[
                top - row : bottom - row, left - column : right - column
            ]
        return pixels

    def _origin(self, place: Sequence[int]) -> tuple[int, int]:
        return int(self._edges[0][place[0]]), int(self._edges[1][place[1]])

    def _chunk(self, place: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return a chunk, held or read."""
        row, column = place
        with self._lock:
            if (row, column) in self._chunks:
                self._chunks.move_to_end((row, column))
                return self._chunks[row, column]
            (top, left), (bottom, right) = self._origin(place), self._origin((row + 1, column + 1))
            chunk = np.asarray(self._image[top:bottom, left:right])
            self._chunks[row, column] = chunk
            self._bytes += chunk.nbytes
            while self._bytes > self._budget:
                self._bytes -= self._chunks.popitem(last=False)[1].nbytes
            return chunk


def _edges(length: int, chunks: int | Sequence[int]) -> Edges:
    """Return the edges of chunks of one size, as zarr has them, or of sizes, as dask has them."""
    if isinstance(chunks, Sequence):
        return np.cumsum([0, *chunks], dtype=np.int64)
    starts = np.arange(0, length, chunks, dtype=np.int64)
    return np.append(starts, length)


def _touched(edges: Edges, first: int, last: int) -> range:
    """Return the numbers of the chunks with the pixels from ``first`` to before ``last``."""
    if last <= first:
        return range(0)
    begin, end = np.searchsorted(edges, [first, last - 1], side="right") - 1
    return range(int(begin), int(end) + 1)
