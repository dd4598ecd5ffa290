"""Errors as a worker may let them out: ours, with a sentence that says what to do next."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from napari_clipseg.engine.pixels import NotFinite
from napari_clipseg.errors import ClipSegError, EngineError, ImageError, OutOfMemory, OutputError

NO_MEMORY = (
    "There is not enough memory for this run: choose a smaller region or fewer prompts at once, "
    "a lower precision, a coarser level of the pyramid, or close other programs."
)
NO_DISK = (
    "The disk is full, so the encoded image could not be kept: free some space, choose a smaller "
    "region, or allow more memory for encoded images so that it need not go to disk."
)

INFINITE = (
    "The image holds infinite pixels. In napari's console, layer.data = "
    "numpy.where(numpy.isfinite(layer.data), layer.data, numpy.nan) makes gaps of them, which are "
    "left out."
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what a run raises into errors of ours.

    None that leaves is a RuntimeError: napari's generator workers keep those to themselves.
    torch is not imported for it: its error for memory is told by what it says.
    """
    try:
        yield
    except (ClipSegError, MemoryError, RuntimeError, OSError) as error:
        translation = _translation(error)
        if translation is error:
            raise
        raise translation from error


def _translation(error: Exception) -> Exception:
    if isinstance(error, OutputError | OSError) and _disk_is_full(error):
        return OutputError(NO_DISK)
    if isinstance(error, NotFinite):  # NaN alone is taken for gaps here
        return ImageError(INFINITE)
    if isinstance(error, ClipSegError):
        return error
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return OutOfMemory(NO_MEMORY)
    return EngineError(str(error)) if isinstance(error, RuntimeError) else error


def _disk_is_full(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, is that of a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__
    return False
