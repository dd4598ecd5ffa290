"""Zarr arrays and OME-Zarr (0.4 and 0.5): read by box, written by band with a pyramid.

References
----------
https://ngff.openmicroscopy.org/0.5/
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from napari_clipseg.errors import ImageError
from napari_clipseg.io.picture import Picture, PixelSize, Stack, chosen_level

CHUNK_SIDE = 512
"""Side of the chunks that are written, and of the smallest level of a pyramid at most."""

PIECE_COLUMNS = 4 * CHUNK_SIDE
"""Columns that are held together, so that memory does not grow with the width."""

UNITS: Mapping[str, str] = {
    "nm": "nanometer",
    "µm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "in": "inch",
    "m": "meter",
}
"""Names of units in OME-Zarr by symbol."""


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a zarr array or group."""
    return any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def open_zarr(path: Path, plane: Sequence[int], level: int) -> Picture:
    """Return one plane of a zarr array or an OME-Zarr image.

    Raises
    ------
    ImageError
        If it is a group without an image, or there is no such plane or level.
    """
    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        chosen_level(path, 1, level)
        axes = _plain_axes(node.shape)
        return Picture(Stack(path, node, axes).plane(plane), axes=axes)
    image = _multiscales(path, node)
    datasets = image["datasets"]
    dataset = datasets[chosen_level(path, len(datasets), level)]
    array: Any = node[dataset["path"]]
    names = [each["name"] if isinstance(each, Mapping) else each for each in image["axes"]]
    axes = "".join(names).upper()
    if len(axes) != array.ndim or not {"Y", "X"} <= set(axes):
        raise ImageError(f"{path} names its axes {names}, which do not fit an image")
    view = Stack(path, array, axes).plane(plane)
    return Picture(view, _pixel_size(image, dataset, axes), axes)


def _plain_axes(shape: tuple[int, ...]) -> str:
    """Return axes of an array that does not name them."""
    colour = len(shape) > 2 and shape[-1] in (3, 4)
    return "Q" * (len(shape) - 2 - colour) + ("YXS" if colour else "YX")


def _multiscales(path: Path, group: zarr.Group) -> dict[str, Any]:
    ome: Any = group.attrs.get("ome", group.attrs)
    images = ome.get("multiscales")
    if not images:
        inside = ", ".join(sorted(group.keys())) or "nothing"
        raise ImageError(f"{path} is a zarr group without an image; it holds {inside}: give one")
    return dict(images[0])


def _pixel_size(
    image: Mapping[str, Any], dataset: Mapping[str, Any], axes: str
) -> PixelSize | None:
    scale = np.ones(len(axes))
    found = False
    for owner in (image, dataset):
        for each in owner.get("coordinateTransformations", ()):
            if each["type"] == "scale":
                scale, found = scale * each["scale"], True
    y, x = axes.index("Y"), axes.index("X")
    last = image["axes"][x]
    unit = last.get("unit", "") if isinstance(last, Mapping) else ""
    return PixelSize.checked(float(scale[y]), float(scale[x]), unit) if found else None


@dataclasses.dataclass(frozen=True, slots=True)
class Pyramid:
    """How an image of one axis order YX becomes a pyramid.

    Parameters
    ----------
    name : str
    pixel_size : PixelSize, optional
    method : {"mean", "nearest"}
        How 2 x 2 pixels become one: "nearest" for labels, whose mean says nothing.
    """

    name: str
    pixel_size: PixelSize | None
    method: str


def write_pyramid(
    group: zarr.Group, array: Any, pyramid: Pyramid, extra: Mapping[str, Any]
) -> None:
    """Write an array-like (H, W) as an OME-Zarr 0.5 image with a pyramid.

    Parameters
    ----------
    group : zarr.Group
        Empty, of zarr format 3.
    array : array-like (H, W)
        Read by boxes of whole chunks; every chunk is written once.
    pyramid : Pyramid
    extra : dict
        Further attributes of the group, as JSON values.
    """
    count, finer = 0, array
    while True:
        finer = _write_level(group, str(count), _Halved(finer, pyramid.method) if count else finer)
        count += 1
        if max(finer.shape) <= CHUNK_SIDE:
            break
    group.attrs.update({**extra, "ome": _ome(pyramid, count)})


def write_labels(group: zarr.Group, array: Any, pyramid: Pyramid) -> None:
    """Write labels (H, W) int32 into an OME-Zarr image, under ``labels/<name>``."""
    labels = group.create_group("labels")
    labels.attrs["ome"] = {"version": "0.5", "labels": [pyramid.name]}
    image = labels.create_group(pyramid.name)
    write_pyramid(image, array, pyramid, {})
    source = {"source": {"image": "../../"}}
    image.attrs["ome"] = {**_ome_of(image), "image-label": source}


def _ome_of(group: zarr.Group) -> dict[str, Any]:
    ome: Any = group.attrs["ome"]
    return dict(ome)


def _write_level(group: zarr.Group, name: str, array: Any) -> zarr.Array[Any]:
    level = group.create_array(
        name,
        shape=array.shape,
        chunks=(min(CHUNK_SIDE, array.shape[0]), min(CHUNK_SIDE, array.shape[1])),
        dtype=array.dtype,
        dimension_names=["y", "x"],
    )
    for y in range(0, array.shape[0], CHUNK_SIDE):
        for x in range(0, array.shape[1], PIECE_COLUMNS):
            piece = slice(y, y + CHUNK_SIDE), slice(x, x + PIECE_COLUMNS)
            level[piece] = array[piece]
    return level


class _Halved:
    """An array (H, W) at half its size, an odd last row or column by itself."""

    def __init__(self, array: Any, method: str) -> None:
        self.shape = tuple(-(-size // 2) for size in array.shape)
        self.dtype = array.dtype
        self._array, self._method = array, method

    def __getitem__(self, box: tuple[slice, slice]) -> npt.NDArray[Any]:
        rows, columns = (slice(2 * each.start, 2 * each.stop) for each in box)
        fine = np.asarray(self._array[rows, columns])
        if self._method == "nearest":
            return fine[::2, ::2]
        height, width = fine.shape
        if height % 2 or width % 2:
            fine = np.pad(fine, ((0, height % 2), (0, width % 2)), mode="edge")
        mean = fine[::2, ::2].astype(np.float32)
        for y, x in ((1, 0), (0, 1), (1, 1)):
            mean += fine[y::2, x::2]
        mean /= 4
        return np.asarray(np.round(mean) if self.dtype.kind in "ui" else mean, self.dtype)


def _ome(pyramid: Pyramid, levels: int) -> dict[str, Any]:
    size = pyramid.pixel_size
    unit = {} if size is None else {"unit": UNITS[size.unit]}
    axes = [{"name": name, "type": "space", **unit} for name in "yx"]
    datasets = [_dataset(level, size or PixelSize(1, 1, "m")) for level in range(levels)]
    image = {"name": pyramid.name, "axes": axes, "datasets": datasets, "type": pyramid.method}
    return {"version": "0.5", "multiscales": [image]}


def _dataset(level: int, size: PixelSize) -> dict[str, Any]:
    factor = 2.0**level
    # the middle of the first pixel lies where that of its finer ones lies
    shift = (factor - 1) / 2
    transformations = [
        {"type": "scale", "scale": [size.y * factor, size.x * factor]},
        {"type": "translation", "translation": [size.y * shift, size.x * shift]},
    ]
    return {"path": str(level), "coordinateTransformations": transformations}
