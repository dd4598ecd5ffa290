"""One door for all image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import numpy.typing as npt
from imageio.core.request import InitializationError

from napari_clipseg.errors import ImageError, SettingError
from napari_clipseg.io.geotiff import open_geotiff
from napari_clipseg.io.ome_zarr import is_zarr, open_zarr
from napari_clipseg.io.picture import Picture, Stack, chosen_level
from napari_clipseg.io.tiff import is_geotiff, is_tiff, open_tiff

READABLE = "TIFF, zarr, PNG, JPEG, GIF, BMP, WebP or another that Pillow reads"
"""Formats, for people; which of them a file has is told by its content."""


def open_image(path: Path, plane: Sequence[int] = (), level: int = 0) -> Picture:
    """Return one plane of an image file, of which nothing but the header is read yet.

    Parameters
    ----------
    path : Path
        TIFF (plain, Big, ImageJ, OME, Geo), a zarr array or OME-Zarr, PNG, JPEG or what else
        Pillow reads; the last are read whole.
    plane : sequence of int
        One index for each axis of the file before height and width; none where there is only
        one plane. Without an index for the channels (axis C), all of them are the last axis.
    level : int
        Of a pyramid, 0 is the finest.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageError
        If it cannot be read as an image, is cut short, or has no such plane or level.
    SettingError
        If it is a GeoTIFF and rasterio is not installed.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        if path.is_dir():
            return _open_folder(path, plane, level)
        return _open_file(path, plane, level)
    except (ImageError, SettingError):
        raise
    except Exception as error:  # decoders raise whatever they like on damaged files
        raise ImageError(f"{path} cannot be read as an image: {error}") from error


def _open_folder(path: Path, plane: Sequence[int], level: int) -> Picture:
    if not is_zarr(path):
        raise ImageError(f"{path} is a folder and no zarr; give a file in it")
    return open_zarr(path, plane, level)


def _open_file(path: Path, plane: Sequence[int], level: int) -> Picture:
    if not path.stat().st_size:
        raise ImageError(f"{path} cannot be read as an image: the file is empty; copy it again")
    if not is_tiff(path):
        return _open_whole(path, plane, level)
    opening = open_geotiff if is_geotiff(path) else open_tiff
    return opening(path, plane, level)


def _open_whole(path: Path, plane: Sequence[int], level: int) -> Picture:
    chosen_level(path, 1, level)
    data, axes = _read_whole(path)
    return Picture(Stack(path, data, axes).plane(plane), axes=axes)


def _read_whole(path: Path) -> tuple[npt.NDArray[Any], str]:
    """Return the pixels of a file that Pillow reads, and their axes; a GIF is always a stack."""
    try:
        with imageio.imopen(path, "r", plugin="pillow") as file:
            mode, stacked = file.metadata()["mode"], _is_stack(path, file)
            which: Any = ... if stacked else 0
            data = np.asarray(file.read(index=which))
    except OSError as error:
        if isinstance(error.__cause__, InitializationError):
            raise ImageError(
                f"{path} cannot be read as an image: it has none of the known formats "
                f"({READABLE}); save or export it as TIFF"
            ) from error
        raise
    if mode in ("CMYK", "YCCK", "LAB", "HSV"):
        raise ImageError(
            f"the colours of {path} are stored as {mode}; save it as grey or RGB first"
        )
    frames, colour = "Q" if stacked else "", data.ndim == (4 if stacked else 3)
    if colour and data.shape[-1] == 2:
        # PNG knows grey with alpha, which no other format does: the alpha goes
        return data[..., 0], f"{frames}YX"
    return data, f"{frames}YXS" if colour else f"{frames}YX"


def _is_stack(path: Path, file: Any) -> bool:
    """Return whether the frames of a file that imageio has opened are planes.

    Those of a WebP are, which imageio takes for versions of one picture, as in a camera's JPEG.
    """
    if file.properties().is_batch:
        return True
    with path.open("rb") as head:
        is_webp = head.read(12)[8:] == b"WEBP"
    return is_webp and file.properties(index=...).n_images > 1
