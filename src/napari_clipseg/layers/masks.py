"""Which pixels of an image lie under labels or inside shapes, as one sees it on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from napari.utils.transforms import Affine
from skimage.draw import polygon

from napari_clipseg.layers.geometry import (
    Plane,
    axes_on_screen,
    check_there,
    full_resolution,
    hidden_axes,
    plane_at,
    positions,
    spatial,
    spatial_shape,
    to_world,
)
from napari_clipseg.layers.query import QueryImage

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels, Layer, Shapes

Mask: TypeAlias = npt.NDArray[np.bool_]

AREAS = ("rectangle", "ellipse", "polygon")
"""Types of shapes that have an inside."""

BAND_PX = 1 << 22
"""Pixels of the image that are looked at together."""

ELLIPSE_POINTS = 720
"""Corners of an ellipse: at a radius of 10,000 pixels it is 0.1 pixel off."""


def labels_mask(
    viewer: Viewer, layer: Labels, query: QueryImage, wanted: Callable[[Any], Any]
) -> Mask:
    """Return which pixels (H, W) of an image lie under labels.

    The centre of a pixel counts. The labels may be of another size, pixel size, direction or
    unit than the image; they are read box by box, of a pyramid at full resolution.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Labels
        Of the plane that lies on the query image; labels of two axes lie on any.
    query : QueryImage
    wanted : callable
        From an array of labels to an array of bool: those that count.

    Raises
    ------
    UnsupportedLayer
        If the layer is not in the viewer, or has fewer axes than the image on the screen.
    """
    check_there(viewer, layer)
    point = world_point(viewer, query)
    plane = plane_at(viewer, layer, displayed_axes(viewer, query), point)
    mask = np.zeros(query.data.shape[:2], bool)
    if not _reaches(layer, plane):
        return mask
    labels = plane.of(full_resolution(layer))
    to_labels = _between(viewer, query, layer, plane.axes)
    for rows in _bands(mask.shape):
        for part, found in _sample(labels, to_labels, rows, mask.shape[1]):
            mask[part] = wanted(found)
    return mask


def shapes_mask(viewer: Viewer, layer: Shapes, query: QueryImage) -> Mask:
    """Return which pixels (H, W) of an image have their centre inside a shape.

    Rectangles, ellipses and polygons count that are shown with the query image; shapes of two
    axes are shown with any.

    Raises
    ------
    UnsupportedLayer
        If the layer is not in the viewer, or has fewer axes than the image on the screen.
    """
    check_there(viewer, layer)
    axes = axes_on_screen(viewer, layer, displayed_axes(viewer, query))
    to_image = _between(viewer, query, layer, axes).inverse
    mask = np.zeros(query.data.shape[:2], bool)
    for outline in _outlines(viewer, layer, axes, world_point(viewer, query)):
        _fill(mask, np.asarray(to_image(outline)))
    return mask


def shapes_planes(layer: Shapes, axes: tuple[int, int]) -> list[Plane]:
    """Return the planes, across two axes of a Shapes layer, in which shapes with an inside lie."""
    areas = [
        np.rint(np.mean(corners, axis=0))
        for corners, kind in zip(layer.data, layer.shape_type, strict=True)
        if kind in AREAS
    ]
    indices = [[None if a in axes else int(i) for a, i in enumerate(each)] for each in areas]
    return list(dict.fromkeys(Plane(tuple(index), axes) for index in indices))


def world_point(viewer: Viewer, query: QueryImage) -> npt.NDArray[np.float64]:
    """Return the point of the world (viewer.dims.ndim,) at which the query image is shown.

    That of the sliders while they show this plane: what else lies there may have finer steps.
    """
    point = np.array(viewer.dims.point, float)
    hidden = hidden_axes(len(query.plane.index), query.plane.axes)
    where = positions(to_world(viewer, query.place), hidden, point)
    if [query.plane.index[axis] for axis in hidden] == np.rint(where).tolist():
        return point
    return point_of(viewer, query.place, query.plane)


def point_of(viewer: Viewer, place: Mapping[str, Any], plane: Plane) -> npt.NDArray[np.float64]:
    """Return the point of the world (viewer.dims.ndim,) at which a plane is shown.

    Axes that the layer does not have, or that are on the screen, are where the sliders are.
    """
    point = np.array(viewer.dims.point, float)
    hidden = hidden_axes(len(plane.index), plane.axes)
    if hidden:
        there = to_world(viewer, place).inverse.set_slice(hidden)
        index = np.array([plane.index[axis] for axis in hidden], float)
        offset = len(point) - len(plane.index)
        where = np.linalg.solve(there.linear_matrix, index - there.translate)
        point[[axis + offset for axis in hidden]] = where
    return point


def _reaches(layer: Labels, plane: Plane) -> bool:
    sizes = zip(plane.index, spatial_shape(layer), strict=True)
    return all(i is None or 0 <= i < size for i, size in sizes)


def displayed_axes(viewer: Viewer, query: QueryImage) -> tuple[int, int]:
    """Return the axes of the viewer that the query image spans."""
    offset = viewer.dims.ndim - len(query.plane.index)
    down, across = query.plane.axes
    return down + offset, across + offset


def _between(viewer: Viewer, query: QueryImage, layer: Layer, axes: tuple[int, int]) -> Affine:
    """Return the transform from (row, column) of the query image to those of a layer."""
    image = to_world(viewer, query.place).set_slice(query.plane.axes)
    other = to_world(viewer, spatial(layer)).set_slice(axes)
    return other.inverse.compose(image)


def _bands(shape: tuple[int, ...]) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the numbers of a few rows at a time."""
    height, width = shape
    rows = max(BAND_PX // width, 1)
    for y0 in range(0, height, rows):
        yield np.arange(y0, min(y0 + rows, height))


def _sample(
    labels: Any, to_labels: Affine, rows: npt.NDArray[np.intp], width: int
) -> Iterator[tuple[Any, npt.NDArray[Any]]]:
    """Yield where, in rows of the image, labels lie, and the labels there."""
    columns = np.arange(width)
    matrix, shift = np.asarray(to_labels.linear_matrix), np.asarray(to_labels.translate)
    if np.abs(matrix[[0, 1], [1, 0]]).max() * max(rows[-1], width) < 1e-6:
        down = _nearest(rows * matrix[0, 0] + shift[0], labels.shape[0])
        across = _nearest(columns * matrix[1, 1] + shift[1], labels.shape[1])
        inside = np.ix_(rows[down >= 0], columns[across >= 0])
        down, across = np.ix_(down[down >= 0], across[across >= 0])
    else:
        grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
        where = np.asarray(to_labels(grid))
        down = _nearest(where[:, 0], labels.shape[0])
        across = _nearest(where[:, 1], labels.shape[1])
        there = (down >= 0) & (across >= 0)
        inside = tuple(grid[there].T)
        down, across = down[there], across[there]
    if down.size and across.size:
        top, left = down.min(), across.min()
        part = np.asarray(labels[top : down.max() + 1, left : across.max() + 1])
        yield inside, part[down - top, across - left]


def _nearest(where: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.intp]:
    """Return the pixel each position lies in, -1 beyond the first and the last."""
    index = np.floor(where + 0.5).astype(np.intp)
    return np.where((index >= 0) & (index < size), index, -1)


def _outlines(
    viewer: Viewer, layer: Shapes, axes: tuple[int, int], point: npt.NDArray[np.float64]
) -> Iterator[npt.NDArray[np.float64]]:
    """Yield the corners (n, 2) of shapes that are shown at a point, in pixels of their layer."""
    hidden = hidden_axes(layer.ndim, axes)
    where = np.rint(positions(to_world(viewer, spatial(layer)), hidden, point))
    for corners, kind in zip(layer.data, layer.shape_type, strict=True):
        depth = np.rint(np.asarray(corners, float)[:, hidden])
        if kind in AREAS and (depth.min(0) <= where).all() and (where <= depth.max(0)).all():
            outline = np.asarray(corners, float)[:, axes]
            yield _ellipse(outline) if kind == "ellipse" else outline


def _ellipse(box: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the outline of the ellipse in a box, given by its corners (4, 2)."""
    angle = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)[:, np.newaxis]
    first, second = (box[1] - box[0]) / 2, (box[3] - box[0]) / 2
    return np.asarray(box.mean(0) + first * np.cos(angle) + second * np.sin(angle))


def _fill(mask: Mask, corners: npt.NDArray[np.float64]) -> None:
    for rows in _bands(mask.shape):
        band = mask[rows[0] : rows[-1] + 1]
        inside = polygon(corners[:, 0] - rows[0], corners[:, 1], band.shape)
        band[inside] = True
