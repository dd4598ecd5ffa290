"""Which images a command line means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path

from napari_clipseg.errors import ImageError, OutputError
from napari_clipseg.io.ome_zarr import is_zarr

SUFFIXES = {".tif", ".tiff", ".btf", ".png", ".jpg", ".jpeg", ".zarr"}
"""Names of images in a folder."""


def find_images(given: Sequence[Path], output: Path) -> list[Path]:
    """Return the images that files, folders and patterns stand for, each once.

    Raises
    ------
    FileNotFoundError
        If a file is not there or a pattern matches nothing.
    ImageError
        If a folder holds no image.
    OutputError
        If the results would go into a folder of images.
    """
    once: dict[Path, Path] = {}
    for each in given:
        for path in _found(each, output):
            once.setdefault(path.absolute(), path)
    return list(once.values())


def _found(given: Path, output: Path) -> Iterator[Path]:
    if given.is_dir() and not is_zarr(given):
        yield from _inside(given, output)
    elif given.exists():
        yield given
    elif matches := sorted(glob(str(given), recursive=True)):
        yield from map(Path, matches)
    elif has_magic(str(given)):
        raise FileNotFoundError(f"no file matches the pattern {given}; check the folder")
    else:
        raise FileNotFoundError(f"there is no file {given}; check the name and the folder")


def _inside(folder: Path, output: Path) -> list[Path]:
    if output.resolve() == folder.resolve():
        raise OutputError(f"{output} holds the images; choose another folder for the results")
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not images:
        endings = ", ".join(sorted(SUFFIXES))
        raise ImageError(f"the folder {folder} holds no image, which ends in one of {endings}")
    return images
