"""Probability and labels of one prompt as files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_clipseg.io.geotiff import write_geotiff
from napari_clipseg.io.ome_zarr import Pyramid, write_labels, write_pyramid
from napari_clipseg.io.picture import Picture
from napari_clipseg.io.rows import Stored
from napari_clipseg.io.tiff import write_tiff

SCALED = "probability = value / 255"
"""Said in every file whose probability is stored as uint8."""


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What was found, on the grid of a picture.

    Parameters
    ----------
    probability : Stored (H, W)
    labels : array-like (H, W) int32
    picture : Picture
        Gives pixel size and place on Earth.
    """

    probability: Stored
    labels: Any
    picture: Picture


def write_tiffs(result: Result, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.probability.tif`` and ``<stem>.labels.tif``, GeoTIFF if the image was one."""
    files = [folder / name for name in tiff_names(stem)]
    scaled = result.probability.dtype == np.uint8
    geo, size = result.picture.geo, result.picture.pixel_size
    if geo is not None:
        write_geotiff(files[0], result.probability, geo, value_scale=1 / 255 if scaled else 1.0)
        write_geotiff(files[1], result.labels, geo)
    else:
        write_tiff(files[0], result.probability, size, description=SCALED if scaled else "")
        write_tiff(files[1], result.labels, size)
    return files


def write_zarr(result: Result, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.ome.zarr``: the probability, and the labels under ``labels/objects``."""
    path = folder / zarr_names(stem)[0]
    group = zarr.open_group(path, mode="w-", zarr_format=3)
    geo, size = result.picture.geo, result.picture.pixel_size
    about: dict[str, Any] = {} if geo is None else {"crs": geo.crs, "affine": list(geo.affine)}
    if result.probability.dtype == np.uint8:
        about["values"] = SCALED
    write_pyramid(group, result.probability, Pyramid(stem, size, "mean"), {"napari-clipseg": about})
    write_labels(group, result.labels, Pyramid("objects", size, "nearest"))
    return [path]


def tiff_names(stem: str) -> list[str]:
    """Return the names of the files of one result: probability and labels."""
    return [f"{stem}.probability.tif", f"{stem}.labels.tif"]


def zarr_names(stem: str) -> list[str]:
    """Return the name of the folder of one result."""
    return [f"{stem}.ome.zarr"]


@dataclasses.dataclass(frozen=True, slots=True)
class Format:
    """How results are written, and the names they get."""

    write: Callable[[Result, Path, str], list[Path]]
    names: Callable[[str], list[str]]


FORMATS = {"tiff": Format(write_tiffs, tiff_names), "zarr": Format(write_zarr, zarr_names)}
