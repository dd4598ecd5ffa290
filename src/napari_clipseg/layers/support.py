"""The painted example: what was painted or drawn over an image."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import zarr
from napari.layers import Labels, Shapes

from napari_clipseg.engine.prompts import MaskPrompt
from napari_clipseg.errors import OutOfMemory, PromptError
from napari_clipseg.layers.empty import zeros
from napari_clipseg.layers.geometry import (
    Plane,
    full_resolution,
    plane_at,
    spatial,
    spatial_shape,
)
from napari_clipseg.layers.levels import grid_of
from napari_clipseg.layers.masks import (
    Mask,
    displayed_axes,
    labels_mask,
    point_of,
    shapes_mask,
    shapes_planes,
    world_point,
)
from napari_clipseg.layers.planes import steps_between
from napari_clipseg.layers.query import QueryImage, read_query

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

CHUNK_PX = 512
"""Side of the chunks of an example that is too large for memory."""

SEARCH_BYTES = 1 << 33
"""So many bytes of labels in memory are searched for an example that is not on the plane of the
image. A person waits for it: it takes less than a second."""

SEARCH_LAZY_BYTES = 1 << 26
"""The same for labels that are on disk, or computed when they are read."""

BAND_BYTES = 1 << 20
"""So much is compared at once: it stays in the processor's cache."""


def read_support(
    viewer: Viewer,
    layer: Labels | Shapes,
    query: QueryImage,
    *,
    value: int | None = None,
    image: QueryImage | None = None,
) -> MaskPrompt:
    """Return the mask prompt that a layer paints over an image.

    What lies on the plane of the image counts; if that is nothing, the nearest plane on which
    there is something becomes the support image. Pixels need not lie on each other.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : Labels or Shapes
        What was painted, or drawn as rectangles, ellipses and polygons.
    query : QueryImage
        The image that is segmented.
    value : int, optional
        The label that counts; of a Labels layer the selected one if there is none.
    image : QueryImage, optional
        The image that was painted on; the query image if there is none.

    Raises
    ------
    PromptError
        If nothing is painted on the image, or all of it.
    UnsupportedLayer
        If the layer is gone, or has no area on the screen.
    """
    label = None if isinstance(layer, Shapes) else _label(layer, value)
    asked = query if image is None else image
    for support in _outward(viewer, layer, asked, label):
        mask = _mask(viewer, layer, support, label)
        if mask.any():
            # a picture stitched of floating-point numbers has NaN where nothing was measured
            gaps = math.nan if np.dtype(support.data.dtype).kind == "f" else None
            return MaskPrompt(support.data, mask, support.contrast, nodata=gaps)
    where = f"'{layer.name}' on '{asked.layer.name}' as it is shown, or near"
    if label is None:
        raise PromptError(f"No rectangle, ellipse or polygon is in {where}: draw one example.")
    raise PromptError(
        f"Nothing is painted with label {label} of {where}: paint over one example, or select "
        "the label that is painted."
    )


def _label(layer: Labels, value: int | None) -> int:
    label = int(layer.selected_label if value is None else value)
    if label == 0:
        raise PromptError(f"Label 0 of '{layer.name}' is the background: select another label.")
    return label


def _mask(viewer: Viewer, layer: Labels | Shapes, image: QueryImage, label: int | None) -> Mask:
    if label is None:
        return shapes_mask(viewer, layer, image)
    return labels_mask(viewer, layer, image, partial(np.equal, label))


def _outward(
    viewer: Viewer, layer: Labels | Shapes, image: QueryImage, label: int | None
) -> Iterator[QueryImage]:
    """Yield an image, then those of its planes that lie on planes of the layer with an example."""
    yield image
    settings, displayed = image.settings, displayed_axes(viewer, image)
    grid = grid_of(image.layer, settings.level, settings.channel_axis)
    for plane in _painted_planes(viewer, layer, image, label):
        point = point_of(viewer, spatial(layer), plane)
        there = grid.plane(plane_at(viewer, image.layer, displayed, point))
        yield read_query(viewer, image.layer, settings, there)


def _painted_planes(
    viewer: Viewer, layer: Labels | Shapes, image: QueryImage, label: int | None
) -> Iterator[Plane]:
    """Yield the planes of a layer that hold an example, outward from the one on an image.

    The plane on the image itself, which was looked at before, is left out of painted layers.
    """
    here = plane_at(viewer, layer, displayed_axes(viewer, image), world_point(viewer, image))

    def steps(plane: Plane) -> int:
        return steps_between(plane.index, here.index)

    if label is None:
        yield from sorted(shapes_planes(layer, here.axes), key=steps)
        return
    sizes = zip(here.index, spatial_shape(layer), strict=True)
    ranges = [[None] if i is None else range(size) for i, size in sizes]
    everywhere = (Plane(index, here.axes) for index in itertools.product(*ranges))
    planes = sorted((plane for plane in everywhere if plane != here), key=steps)
    data = full_resolution(layer)
    pixels = math.prod(spatial_shape(layer)[axis] for axis in here.axes)
    most = _search_bytes(data) // (pixels * data.dtype.itemsize)
    for plane in planes[:most]:
        if _is_painted(plane.of(data), label):
            yield plane
    if len(planes) > most:
        raise PromptError(
            f"Nothing is painted with label {label} of '{layer.name}' on the plane that is shown, "
            f"nor on the {most} nearest to it; to look at all would take too long: go to the "
            "plane of the example."
        )


def _search_bytes(data: Any) -> int:
    """Return how much of the data of a label layer may be searched."""
    in_memory = isinstance(data, np.ndarray) and not isinstance(data, np.memmap)
    return SEARCH_BYTES if in_memory else SEARCH_LAZY_BYTES


def _is_painted(plane: Any, label: int) -> bool:
    """Return whether a plane (H, W) has a label.

    One that is not in memory is read at once: its chunks are seldom as flat as a band.
    """
    labels = np.asarray(plane[:, :])
    rows = max(BAND_BYTES // (labels.shape[1] * labels.itemsize), 1)
    bands = (labels[y0 : y0 + rows] for y0 in range(0, len(labels), rows))
    return any((band == label).any() for band in bands)


def paint_example(image: Image) -> Labels:
    """Return an empty label layer (uint8) that lies on an image, ready to be painted."""
    layer = Labels(
        _empty(spatial_shape(image)),
        name=f"{image.name}: example",
        opacity=0.7,
        **spatial(image),
    )
    layer.n_edit_dimensions = 2
    layer.mode = "paint"
    return layer


def _empty(shape: tuple[int, ...]) -> npt.NDArray[np.uint8] | Any:
    """Return zeros that take memory only where they are painted.

    Where the system refuses such an array, chunks do as well: nothing but napari writes to it.
    """
    try:
        return zeros(shape, np.uint8)
    except OutOfMemory:
        chunks = (*(1 for _ in shape[:-2]), CHUNK_PX, CHUNK_PX)
        return zarr.create_array({}, shape=shape, chunks=chunks, dtype=np.uint8, fill_value=0)
