"""Images from TIFF, PNG and JPEG files, and results as TIFF with the same pixel size."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import numpy.typing as npt
import tifffile

from napari_clipseg.errors import ImageError
from napari_clipseg.io.atomic import atomic_path

CENTIMETRES: Mapping[str, float] = {
    "nm": 1e-7,
    "µm": 1e-4,
    "mm": 0.1,
    "cm": 1.0,
    "in": 2.54,
    "m": 100.0,
}
"""Units of length a pixel size may have (symbols as in OME), each in centimetres."""

UNIT_NAMES: Mapping[str, str] = {
    "\\u00B5m": "µm",
    "\u03bcm": "µm",
    "um": "µm",
    "micron": "µm",
    "microns": "µm",
    "inch": "in",
}
"""Other spellings of units in ImageJ's files; the second has a Greek mu for the micro sign."""

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclasses.dataclass(frozen=True, slots=True)
class PixelSize:
    """Height and width of a pixel in a unit of :data:`CENTIMETRES`."""

    y: float
    x: float
    unit: str


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """One plane of an image file.

    Parameters
    ----------
    data : ndarray (H, W) or (H, W, 3 or 4)
        Pixels as they are stored.
    pixel_size : PixelSize, optional
        None where the file does not tell.
    """

    data: npt.NDArray[Any]
    pixel_size: PixelSize | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.data.shape[0], self.data.shape[1]


def read_picture(path: Path, plane: Sequence[int] = ()) -> Picture:
    """Return one plane of an image file.

    Parameters
    ----------
    path : Path
        TIFF (plain, ImageJ, OME), PNG, JPEG or what else Pillow reads.
    plane : sequence of int
        One index for each axis of the file before height and width; none for a 2-D image.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageError
        If it cannot be read as an image, or ``plane`` is not one of its planes.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    with path.open("rb") as file:
        is_tiff = file.read(4) in TIFF_MAGIC
    try:
        return _read_tiff(path, plane) if is_tiff else _read_other(path, plane)
    except ImageError:
        raise
    except Exception as error:  # decoders raise whatever they like on damaged files
        raise ImageError(f"{path} cannot be read as an image: {error}") from error


def write_tiff(path: Path, array: npt.NDArray[Any], pixel_size: PixelSize | None = None) -> None:
    """Write an array (H, W) as a compressed OME-TIFF that keeps the pixel size.

    The size is written twice, as OME metadata and as resolution tags, because programs read
    the one or the other.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_path(path) as unfinished:
        tifffile.imwrite(
            unfinished,
            array,
            ome=True,
            photometric="minisblack",
            compression="zlib",
            metadata={"axes": "YX", **_ome_size(pixel_size)},
            **_resolution(pixel_size),
        )


def _ome_size(size: PixelSize | None) -> dict[str, Any]:
    if size is None:
        return {}
    return {
        "PhysicalSizeX": size.x,
        "PhysicalSizeXUnit": size.unit,
        "PhysicalSizeY": size.y,
        "PhysicalSizeYUnit": size.unit,
    }


def _resolution(size: PixelSize | None) -> dict[str, Any]:
    if size is None:
        return {}
    factor = CENTIMETRES[size.unit]
    return {
        "resolution": (1 / (size.x * factor), 1 / (size.y * factor)),
        "resolutionunit": "CENTIMETER",
    }


def _read_other(path: Path, plane: Sequence[int]) -> Picture:
    data = imageio.imread(path, plugin="pillow")
    axes = "YXS" if data.ndim == 3 and data.shape[-1] in (2, 3, 4) else "Q" * (data.ndim - 2) + "YX"
    data = _take_plane(data, axes, plane, path)
    # PNG knows grey with alpha, which no other format does: the alpha goes
    return Picture(data[..., 0] if data.ndim == 3 and data.shape[-1] == 2 else data)


def _read_tiff(path: Path, plane: Sequence[int]) -> Picture:
    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        # a stack may be larger than memory, and only one plane of it is wanted
        stack = series.asarray(out="memmap")
        return Picture(_take_plane(stack, series.axes, plane, path), _pixel_size(tif))


def _take_plane(
    data: npt.NDArray[Any], axes: str, plane: Sequence[int], path: Path
) -> npt.NDArray[Any]:
    """Return (H, W) or (H, W, S) of an array with named axes."""
    leading = [axis for axis in axes if axis not in "YXS"]
    shown = [axis for axis in "YXS" if axis in axes]
    data = np.transpose(data, [axes.index(axis) for axis in (*leading, *shown)])
    counts = data.shape[: len(leading)]
    if len(plane) != len(leading) or not all(
        0 <= index < count for index, count in zip(plane, counts, strict=True)
    ):
        raise ImageError(f"{path}: {_plane_advice(leading, counts, plane)}")
    return np.array(data[tuple(plane)])


def _plane_advice(axes: Sequence[str], counts: Sequence[int], plane: Sequence[int]) -> str:
    if not axes:
        return "the image is a single plane, so no plane can be chosen"
    sizes = " x ".join(f"{axis}={count}" for axis, count in zip(axes, counts, strict=True))
    example = ",".join(["0"] * len(axes))
    given = f", not {','.join(map(str, plane))}" if plane else ""
    return f"the image is a stack of {sizes} planes; choose one, e.g. plane {example}{given}"


def _pixel_size(tif: tifffile.TiffFile) -> PixelSize | None:
    """Return the pixel size from the first of OME, ImageJ and plain tags that tells it."""
    for read in (_ome_pixel_size, _imagej_pixel_size, _tag_pixel_size):
        size = read(tif)
        if size is not None:
            return size
    return None


def _ome_pixel_size(tif: tifffile.TiffFile) -> PixelSize | None:
    if not tif.is_ome or tif.ome_metadata is None:
        return None
    image = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
    # the OME schema says µm where no unit is given
    unit = pixels.get("PhysicalSizeXUnit", "µm")
    return _checked_size(pixels.get("PhysicalSizeY"), pixels.get("PhysicalSizeX"), unit)


def _imagej_pixel_size(tif: tifffile.TiffFile) -> PixelSize | None:
    if not tif.is_imagej or tif.imagej_metadata is None:
        return None
    x, y = tif.pages.first.get_resolution()
    return _checked_size(
        1 / y if y else None, 1 / x if x else None, str(tif.imagej_metadata.get("unit", ""))
    )


def _tag_pixel_size(tif: tifffile.TiffFile) -> PixelSize | None:
    page = tif.pages.first
    x, y = page.get_resolution()
    unit = {2: "in", 3: "cm", 4: "mm", 5: "µm"}.get(int(page.resolutionunit))
    if unit is None or not x or not y or (unit == "in" and x == y == 1):  # 1 per inch: a default
        return None
    return _checked_size(1 / y, 1 / x, unit)


def _checked_size(y: float | None, x: float | None, unit: str) -> PixelSize | None:
    name = UNIT_NAMES.get(unit, unit)
    if y is None or x is None or name not in CENTIMETRES:
        return None
    return PixelSize(y, x, name) if math.isfinite(x * y) and x > 0 and y > 0 else None
