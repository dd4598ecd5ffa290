"""GeoTIFF, through rasterio, which comes with the extra ``geo``."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clipseg.atomic import atomic_path
from napari_clipseg.errors import SettingError
from napari_clipseg.io.picture import Geo, Picture, PixelSize, Stack, chosen_level

CACHE_BYTES = 64 << 20
"""Decoded pixels that GDAL may keep; by default it takes 5 % of all memory."""

BAND_ROWS = 256
"""Rows, and side of the tiles, that are written together."""


def open_geotiff(path: Path, plane: Sequence[int], level: int) -> Picture:
    """Return a GeoTIFF with its place on Earth; its bands are the last axis.

    Raises
    ------
    SettingError
        If rasterio is not installed.
    ImageError
        If there is no such level, or a plane is asked for.
    """
    rasterio = _rasterio()
    with rasterio.open(path) as finest:
        count = 1 + len(finest.overviews(1))
        chosen_level(path, count, level)
    dataset = rasterio.open(path, **({"overview_level": level - 1} if level else {}))
    bands = _Bands(rasterio, dataset)
    weakref.finalize(bands, dataset.close)
    axes = "YXS" if dataset.count > 1 else "YX"
    affine = tuple(dataset.transform)[:6]
    geo = None if dataset.crs is None else Geo(dataset.crs.to_wkt(), affine)
    metres = dataset.crs is not None and dataset.crs.linear_units in ("metre", "meter")
    size = PixelSize(abs(affine[4]), abs(affine[0]), "m") if metres else None
    return Picture(Stack(path, bands, axes).plane(plane), size, axes, geo, dataset.nodata)


class _Bands:
    """A dataset as an array (H, W) or (H, W, bands) that is read by window."""

    def __init__(self, rasterio: Any, dataset: Any) -> None:
        self._rasterio, self._dataset = rasterio, dataset
        bands = () if dataset.count == 1 else (dataset.count,)
        self.shape: tuple[int, ...] = (dataset.height, dataset.width, *bands)
        self.dtype = np.dtype(np.result_type(*dataset.dtypes))

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        (y0, y1, _), (x0, x1, _) = (
            each.indices(size) for each, size in zip(key[:2], self.shape[:2], strict=True)
        )
        with self._rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
            values = self._dataset.read(window=((y0, y1), (x0, x1)))
        return values[0] if len(self.shape) == 2 else np.moveaxis(values, 0, -1)


def write_geotiff(path: Path, array: Any, geo: Geo, *, value_scale: float = 1.0) -> None:
    """Write an array-like (H, W) as a compressed, tiled GeoTIFF at a place on Earth.

    Parameters
    ----------
    path : Path
    array : array-like (H, W)
        Read by bands of rows; a large file becomes a BigTIFF.
    geo : Geo
    value_scale : float
        What a stored value is multiplied with to give what it means.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    rasterio = _rasterio()
    height, width = array.shape
    with (
        atomic_path(path) as unfinished,
        rasterio.open(
            unfinished,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=1,
            dtype=str(array.dtype),
            crs=rasterio.crs.CRS.from_wkt(geo.crs),
            transform=rasterio.Affine(*geo.affine),
            tiled=True,
            blockxsize=BAND_ROWS,
            blockysize=BAND_ROWS,
            compress="deflate",
            bigtiff="if_safer",
        ) as dataset,
    ):
        if value_scale != 1:
            dataset.scales = (value_scale,)
        for first, band in _bands(array):
            dataset.write(band, 1, window=((first, first + len(band)), (0, width)))


def _bands(array: Any) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    for first in range(0, array.shape[0], BAND_ROWS):
        yield first, np.asarray(array[first : first + BAND_ROWS, :])


def _rasterio() -> Any:
    """Return rasterio; it is imported when the first GeoTIFF comes, not before."""
    try:
        return import_module("rasterio")
    except ImportError as error:
        raise SettingError(
            "georeferenced images need rasterio: pip install napari-clipseg[geo]"
        ) from error
