"""By what a file, or a folder that is one image, can be told to be unchanged; its size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def identity(path: Path) -> dict[str, Any]:
    """Return path, bytes and time of the last change of a file or of all files in a folder."""
    stats = list(_stats(path))
    return {
        "path": str(path.resolve()),
        "bytes": sum(each.st_size for each in stats),
        "modified_ns": max((each.st_mtime_ns for each in stats), default=0),
    }


def size_on_disk(path: Path) -> int:
    """Return the bytes of a file or of all files in a folder."""
    return sum(each.st_size for each in _stats(path))


def readable_size(size: float) -> str:
    """Return bytes for people, in at least two digits: "0.3 MB", "603 MB", "1.4 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.{0 if size >= 1e7 else 1}f} MB"


def _stats(path: Path) -> Iterator[os.stat_result]:
    if not path.is_dir():
        yield path.stat()
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder, name).stat() for name in names)
