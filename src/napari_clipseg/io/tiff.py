"""TIFF, BigTIFF and OME-TIFF: read by box, written tile by tile."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
import zarr

from napari_clipseg.atomic import atomic_path
from napari_clipseg.errors import ImageError
from napari_clipseg.io.picture import (
    CENTIMETRES,
    Picture,
    PixelSize,
    PlaneView,
    Stack,
    chosen_level,
)

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

TILE_SIDE = 256
"""Side of the tiles that are written."""

CLASSIC_BYTES = 1 << 31
"""Files with more pixels than this many bytes become BigTIFF; plain TIFF ends at 4 GiB."""

NODATA_TAG = 42113
"""GDAL_NODATA: the value, as text, that stands for no data."""


def is_tiff(path: Path) -> bool:
    """Return whether a file begins as a TIFF does."""
    with path.open("rb") as file:
        return file.read(4) in TIFF_MAGIC


def is_geotiff(path: Path) -> bool:
    """Return whether a TIFF says where on Earth it lies."""
    with tifffile.TiffFile(path) as tif:
        return bool(tif.pages.first.is_geotiff)


def open_tiff(path: Path, plane: Sequence[int], level: int) -> Picture:
    """Return one plane of a TIFF.

    Raises
    ------
    ImageError
        If the file is cut short, or plane or level is none of its own.
    """
    tif = tifffile.TiffFile(path)
    try:
        _check_whole(path, tif)
        _check_colours(path, tif)
        _check_series(path, tif)
        levels = tif.series[0].levels
        series = levels[chosen_level(path, len(levels), level)]
        stack = Stack(path, _source(path, tif, series), series.axes)
        size, nodata = _pixel_size(tif), _nodata(tif)
        view = _plane_of(tif, stack, plane)
    except BaseException:
        tif.close()
        raise
    if size is not None:
        full = dict(zip(levels[0].axes, levels[0].shape, strict=True))
        size = size.scaled(full["Y"] / view.shape[0], full["X"] / view.shape[1])
    return Picture(view, size, series.axes, nodata=nodata)


class _Contiguous:
    """Uncompressed pixels in one piece.

    Each box is mapped for as long as it takes to copy it: pages of a map that stays count as
    memory of the process.
    """

    def __init__(self, path: Path, series: tifffile.TiffPageSeries, byteorder: str) -> None:
        self.shape: tuple[int, ...] = series.shape
        self.dtype = series.dtype
        self._where: dict[str, Any] = {
            "filename": path,
            "dtype": np.dtype(byteorder + series.dtype.str[1:]),
            "offset": series.dataoffset,
        }

    def __getitem__(self, key: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        pixels = np.memmap(**self._where, mode="r", shape=self.shape)
        return np.array(pixels[key], self.dtype)


class _HeldRows:
    """A plane stored in strips as wide as the image: a strip is decoded once for all its boxes.

    Parameters
    ----------
    view : PlaneView
    height : int
        Rows of a strip.
    """

    def __init__(self, view: PlaneView, height: int) -> None:
        self.shape, self.ndim, self.dtype = view.shape, view.ndim, view.dtype
        self._view, self._height = view, height
        self._first = 0
        self._rows = np.zeros((0, *view.shape[1:]), view.dtype)

    def __getitem__(self, box: tuple[slice, slice]) -> npt.NDArray[Any]:
        start, stop, _ = box[0].indices(self.shape[0])
        if start < self._first or stop > self._first + len(self._rows):
            self._hold(start, stop)
        return self._rows[start - self._first : stop - self._first, box[1]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self._view, dtype)

    def _hold(self, start: int, stop: int) -> None:
        """Hold the strips with these rows, and read those that are not held yet."""
        first, last = start // self._height * self._height, -(-stop // self._height) * self._height
        held = self._rows[max(first - self._first, 0) :] if first >= self._first else self._rows[:0]
        done = first + len(held)
        more = self._view[done : min(last, self.shape[0]), :]
        self._first, self._rows = first, np.concatenate([held, more])


def write_tiff(
    path: Path,
    array: Any,
    pixel_size: PixelSize | None = None,
    *,
    description: str = "",
) -> None:
    """Write an array-like (H, W) as a compressed, tiled OME-TIFF that keeps the pixel size.

    The array is read by bands of rows; a large file becomes a BigTIFF. The size is written
    twice, as OME metadata and as resolution tags, because programs read the one or the other.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    height, width = array.shape
    kind = np.dtype(array.dtype)
    described = {"Description": description} if description else {}
    with atomic_path(path) as unfinished:
        tifffile.imwrite(
            unfinished,
            _tiles(array),
            shape=(height, width),
            dtype=kind,
            tile=(TILE_SIDE, TILE_SIDE),
            ome=True,
            bigtiff=height * width * kind.itemsize > CLASSIC_BYTES,
            photometric="minisblack",
            compression="zlib",
            maxworkers=1,
            metadata={"axes": "YX", **described, **_ome_size(pixel_size)},
            **_resolution(pixel_size),
        )


def _tiles(array: Any) -> Iterator[npt.NDArray[Any]]:
    height, width = array.shape
    for y in range(0, height, TILE_SIDE):
        band = np.asarray(array[y : y + TILE_SIDE, :])
        for x in range(0, width, TILE_SIDE):
            yield np.ascontiguousarray(band[:, x : x + TILE_SIDE])


def _plane_of(tif: tifffile.TiffFile, stack: Stack, plane: Sequence[int]) -> Any:
    """Return a plane of a stack, as array-like that closes the file with its end."""
    view = stack.plane(plane)
    weakref.finalize(view, tif.close)
    if isinstance(stack.source, _Contiguous):
        return view
    chunks = dict(zip(stack.axes, stack.source.chunks, strict=True))
    return view if chunks["X"] < view.shape[1] else _HeldRows(view, chunks["Y"])


def _source(path: Path, tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Any:
    if series.dataoffset is not None:
        return _Contiguous(path, series, tif.byteorder)
    return zarr.open_array(series.aszarr(maxworkers=1), mode="r")


def _check_whole(path: Path, tif: tifffile.TiffFile) -> None:
    """Refuse a file that ends before its pixels do."""
    size = path.stat().st_size
    for page in tif.pages:
        ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
        end = max(ends, default=0)
        if end > size:
            raise ImageError(
                f"{path} is cut short: it has {size} bytes and should have at least {end}; "
                "copy it again"
            )


_OTHER_COLOURS = (
    tifffile.PHOTOMETRIC.PALETTE,
    tifffile.PHOTOMETRIC.SEPARATED,
    tifffile.PHOTOMETRIC.CIELAB,
    tifffile.PHOTOMETRIC.ICCLAB,
    tifffile.PHOTOMETRIC.ITULAB,
)
"""Ways to store colours whose numbers are no red, green and blue."""


def _check_colours(path: Path, tif: tifffile.TiffFile) -> None:
    """Refuse colours that are not stored as they are shown."""
    photometric = tifffile.PHOTOMETRIC(tif.pages.first.photometric)
    if photometric in _OTHER_COLOURS:
        raise ImageError(
            f"the colours of {path} are stored as {photometric.name.lower()}; "
            "save it as grey or RGB first"
        )
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE and not _is_boolean(tif):
        raise ImageError(
            f"in {path} the value 0 is white, so that it would be read as a negative; "
            "save it with 0 as black first, e.g. with Image > Type in Fiji"
        )


def _is_boolean(tif: tifffile.TiffFile) -> bool:
    """Return whether a file holds False and True as tifffile writes them.

    It says of all files of one bit that 0 is white, but means the values: it reads True as True
    again. In a file of one bit by another program, such as a scanned page, 0 does mean white.
    """
    page = tif.pages.first
    return int(page.bitspersample) == 1 and str(page.software).startswith("tifffile")


def _check_series(path: Path, tif: tifffile.TiffFile) -> None:
    """Refuse a file of several images of which none is the main one, as a slide's first is."""
    shapes = [each.shape for each in tif.series]
    if any(math.prod(each) >= math.prod(shapes[0]) for each in shapes[1:]):
        told = ", ".join(" x ".join(map(str, each)) for each in shapes)
        raise ImageError(
            f"{path} holds {len(shapes)} images ({told}); save the one that is meant as a file"
        )


def _nodata(tif: tifffile.TiffFile) -> float | None:
    tag = tif.pages.first.tags.get(NODATA_TAG)
    return None if tag is None else float(str(tag.value).strip("\0 "))


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
    x, y = (
        PixelSize.checked(size, size, pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        for axis, size in (("X", pixels.get("PhysicalSizeX")), ("Y", pixels.get("PhysicalSizeY")))
    )
    if x is None or y is None:
        return None
    factor = 1.0 if x.unit == y.unit else CENTIMETRES[y.unit] / CENTIMETRES[x.unit]
    return PixelSize(y.y * factor, x.x, x.unit)


def _imagej_pixel_size(tif: tifffile.TiffFile) -> PixelSize | None:
    if not tif.is_imagej or tif.imagej_metadata is None:
        return None
    x, y = tif.pages.first.get_resolution()
    unit = str(tif.imagej_metadata.get("unit", ""))
    return PixelSize.checked(1 / y if y else None, 1 / x if x else None, unit)


def _tag_pixel_size(tif: tifffile.TiffFile) -> PixelSize | None:
    page = tif.pages.first
    x, y = page.get_resolution()
    unit = {2: "in", 3: "cm", 4: "mm", 5: "µm"}.get(int(page.resolutionunit))
    if unit is None or not x or not y or (unit == "in" and x == y == 1):  # 1 per inch: a default
        return None
    return PixelSize.checked(1 / y, 1 / x, unit)
