"""Files that are either written whole or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from napari_clipseg.errors import ClipSegError, OutputError


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


@contextlib.contextmanager
def working_folder(path: Path) -> Iterator[Path]:
    """Make an empty folder for as long as the block lasts; what a killed run left there goes.

    Raises
    ------
    OutputError
        If something in it cannot be written.
    """
    try:
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        yield path
    except ClipSegError:
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(path, ignore_errors=True)


def replace(old: Path, new: Path) -> None:
    """Put a finished file or folder in the place of another, if there is one."""
    if old.is_dir():
        retired = new.with_name(f".{new.name}.old")
        shutil.rmtree(retired, ignore_errors=True)
        if new.exists():
            new.rename(retired)
        old.rename(new)
        shutil.rmtree(retired, ignore_errors=True)
    else:
        old.replace(new)


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
            f"the folder {path} cannot be written to: {error.strerror or error}"
        ) from error
    return path
