"""Arrays of zeros that take memory only where they are written to, however large they are."""

from __future__ import annotations

import math
import mmap
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from napari_clipseg.errors import OutOfMemory

_NO_RESERVE = 0x4000
"""MAP_NORESERVE of Linux, <linux/mman.h>; the module mmap names it from Python 3.13 on."""

_GB = 1e9


def zeros(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return zeros (shape) that may be far larger than the memory.

    A result has the shape of a whole stack, though often one plane of it is filled. It has to
    be a numpy array: napari shows a plane of one without a copy, while of a zarr array of
    20,000 x 20,000 pixels each refresh takes seconds.

    Raises
    ------
    OutOfMemory
        If the system has no addresses for so many bytes, or promises no more than it has.
    """
    try:
        return np.zeros(shape, dtype)
    except MemoryError as refusal:
        try:
            return _unreserved(shape, np.dtype(dtype))
        except (OSError, OverflowError, MemoryError):
            raise OutOfMemory(
                f"There is no memory for a result of the shape {tuple(shape)}: "
                "crop the image, or take the planes you need as a layer of their own."
            ) from refusal


def check_room(needed: int) -> None:
    """Make sure that zeros can be written to: systems kill a program that writes too much.

    Parameters
    ----------
    needed : int
        Bytes.

    Raises
    ------
    OutOfMemory
        If less is available.
    """
    available = psutil.virtual_memory().available
    if needed > available:
        raise OutOfMemory(
            f"A plane of results needs {needed / _GB:.1f} GB, of which only "
            f"{available / _GB:.1f} GB are free: remove layers, take fewer prompts or planes, "
            "or crop the image."
        )


def _unreserved(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return zeros for which Linux promises no memory: by itself it refuses what is too much."""
    if sys.platform != "linux":
        raise MemoryError
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
    memory = mmap.mmap(-1, math.prod(shape) * dtype.itemsize, flags=flags)
    return np.frombuffer(memory, dtype).reshape(shape)
