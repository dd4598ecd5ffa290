"""Picture and mask files of data sets as arrays: what is in doubt is refused by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.errors import ClipSegError, ImageError
from napari_clipseg.train.layout import mask_file


def read_rgb(file: Path) -> NDArray[np.uint8]:
    """Return a picture as RGB uint8 (H, W, 3), grey repeated.

    Of more than 8 bits, what the engine's automatic contrast window shows of it.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    with _opened(file) as picture:
        if picture.mode.startswith(("I", "F")):
            return eight_bits(Pixels(np.asarray(picture)))
        return np.asarray(picture.convert("RGB"))


def eight_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """Return all of an image as its contrast window shows it, RGB uint8 (H, W, 3)."""
    rgb: NDArray[np.uint8] = np.round(pixels.read((0, 0, *pixels.shape)) * 255).astype(np.uint8)
    return rgb


def read_masks(
    folder: Path, picture: str, concepts: Iterable[str], shape: tuple[int, ...]
) -> dict[str, NDArray[np.bool_]]:
    """Return the masks (H, W) of a picture, of the concepts that have a mask file.

    Parameters
    ----------
    folder : Path
        Of the data set.
    picture : str
        File name of the picture.
    concepts : iterable of str
    shape : (int, int)
        Height and width of the picture, and so of every mask.

    Raises
    ------
    ImageError
        If a mask cannot be read, has another size, or does not tell inside from outside.
    """
    files = {concept: mask_file(folder, concept, picture) for concept in concepts}
    return {concept: read_mask(file, shape) for concept, file in files.items() if file.is_file()}


def read_mask(file: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the pixels (H, W) that a mask file holds inside.

    Black is outside, one other value or colour is inside: 255, 1 or any.

    Parameters
    ----------
    file : Path
    shape : (int, int)
        Height and width that it has to have.

    Raises
    ------
    ImageError
        If it cannot be read, has another size, has transparent pixels, or more than one value
        that is not black.
    """
    with _opened(file) as picture:
        found = (picture.height, picture.width)
        if found != tuple(shape):
            raise ImageError(
                f"the mask has {found[0]} x {found[1]} pixels, its picture "
                f"{shape[0]} x {shape[1]}; they must be equal"
            )
        plain = picture.mode == "L" or picture.mode.startswith(("1", "I", "F"))
        values = np.asarray(picture) if plain else _as_numbers(np.asarray(picture.convert("RGBA")))
        inside: NDArray[np.bool_] = values != 0
        if not (values[inside] == values.max()).all():
            raise ImageError(
                f"the mask holds more than two values ({_few(values)}), so what is inside is in "
                "doubt; write 0 outside the concept and 255 inside, numbered objects too"
            )
        return inside


def _as_numbers(rgba: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return one number for each colour, 0 for black."""
    if (rgba[..., 3] != 255).any():
        raise ImageError(
            "the mask has transparent pixels, so what is outside is in doubt; "
            "save it without transparency, 0 outside the concept and 255 inside"
        )
    return rgba[..., :3].astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)


def _few(values: NDArray[np.generic]) -> str:
    found = np.unique(values)
    return ", ".join(f"{each:g}" for each in found[:4]) + (" ..." if len(found) > 4 else "")


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    """Open a file that Pillow reads; whatever it says names the file."""
    try:
        with Image.open(file) as picture:
            yield picture
    except ClipSegError as error:
        raise ImageError(f"{file}: {error}") from error
    except Exception as error:  # decoders raise whatever they like on damaged files
        raise ImageError(f"{file} cannot be read as a picture: {error}") from error
