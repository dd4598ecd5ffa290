"""Arrays on disk that a run fills row by row, and views that convert what is read from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from napari_clipseg.errors import OutputError

CHUNK_ROWS, CHUNK_COLUMNS = 64, 4096
"""Shape of the chunks of an array that is filled by rows."""

PROBABILITY_TYPES = ("float32", "float16", "uint8")
"""Types in which probability can be written; uint8 is 255 times the probability, rounded."""


class WholeChunks:
    """An array on disk that takes rows from top to bottom and writes each chunk once.

    Parameters
    ----------
    folder : Path
        To be made.
    shape : tuple of int
        (..., H, W).
    dtype : str

    Attributes
    ----------
    array : zarr.Array
        What was written; complete when the last row was.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: str) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        chunks = (
            *(1 for _ in shape[:-2]),
            min(CHUNK_ROWS, shape[-2]),
            min(CHUNK_COLUMNS, shape[-1]),
        )
        self.array: Any = zarr.create_array(
            folder, shape=shape, chunks=chunks, dtype=dtype, compressors=None
        )
        self._waiting = np.zeros((*shape[:-2], CHUNK_ROWS, shape[-1]), dtype)
        self._next = 0

    def __setitem__(self, key: Any, values: npt.NDArray[Any]) -> None:
        rows = key[-1] if isinstance(key, tuple) else key
        first = rows.start
        if first != self._next:
            raise ValueError(f"row {self._next} comes next, not {first}")
        while first < min(rows.stop, self.shape[-2]):
            place = first % CHUNK_ROWS
            count = min(CHUNK_ROWS - place, rows.stop - first)
            taken = first - rows.start
            self._waiting[..., place : place + count, :] = values[..., taken : taken + count, :]
            first += count
            if first % CHUNK_ROWS == 0 or first == self.shape[-2]:
                self._write(first)
        self._next = first

    def _write(self, end: int) -> None:
        start = (end - 1) // CHUNK_ROWS * CHUNK_ROWS
        try:
            self.array[..., start:end, :] = self._waiting[..., : end - start, :]
        except OSError as error:
            raise OutputError(
                f"the result cannot be written to {self.array.store}: {error.strerror or error}"
            ) from error


class Stored:
    """A probability array-like (H, W) seen in the type in which it is written.

    Parameters
    ----------
    array : array-like (H, W) float32
    kind : str
        One of :data:`PROBABILITY_TYPES`.
    """

    def __init__(self, array: Any, kind: str) -> None:
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype = np.dtype(kind)
        self._array = array

    def __getitem__(self, box: tuple[slice, slice]) -> npt.NDArray[Any]:
        values = np.asarray(self._array[box])
        return np.asarray(np.round(values * 255) if self.dtype == np.uint8 else values, self.dtype)
