"""glibc's allocator in a process that does nothing but a run: memory that is free goes back.

Left alone, glibc gives every thread an arena of its own and keeps most of what was freed, which
for a run over a large image was up to 190 MB. Elsewhere than with glibc nothing is done.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_clipseg.engine.decoding import TileDone

M_ARENA_MAX = -8
"""What mallopt calls the number of arenas (malloc.h)."""

ARENAS = 2
"""One for the thread that computes, one for those that read and write."""


def share_arenas() -> None:
    """Let all threads share a few arenas; before the first thread starts, else it has its own."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give free memory back to the system: milliseconds."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def giving_back(steps: Iterable[TileDone]) -> Iterator[TileDone]:
    """Yield the steps of a run and give free memory back after each row of tiles and at the end."""
    for step in steps:
        yield step
        if step.rows[0] < step.rows[1]:
            give_back()
    give_back()


@cache
def _glibc() -> Any | None:
    """Return the C library if it is one with these two functions."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
