"""Files that are either written whole or not there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from napari_clipseg.errors import OutputError


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` that takes its place when the block ends without an error.

    Parameters
    ----------
    path : Path
        The file to be. One that is there keeps its content until the new one is complete.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        # a read-only folder says no here again, which would hide why the block failed
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def writable_folder(path: Path) -> Path:
    """Return the folder, made if it was missing, after a test that files can be written there.

    Raises
    ------
    OutputError
        If it is no folder or cannot be written to.
    """
    probe = path / f".writable.{os.getpid()}.part"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"the output folder {path} cannot be written to: {error.strerror or error}"
        ) from error
    return path
