"""The support mask: what was painted over the query image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from napari.layers import Labels

from napari_clipseg.engine.prompts import MaskPrompt
from napari_clipseg.errors import PromptError
from napari_clipseg.layers.geometry import (
    Plane,
    frame,
    full_resolution,
    shown_plane,
    spatial,
    spatial_shape,
)
from napari_clipseg.layers.query import QueryImage

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Layer

Points: TypeAlias = npt.NDArray[np.float64]

TOLERANCE_PX = 0.1
"""How far apart two pixel grids may drift over the whole image and still count as one."""


def read_support(viewer: Viewer, layer: Labels, query: QueryImage) -> MaskPrompt:
    """Return the mask prompt that a label layer paints over the query image.

    The pixels of the layer's selected label count. The layer may cover another part of the
    world than the image, but pixels must have the same size and direction.

    Raises
    ------
    PromptError
        If nothing is painted on the plane that is shown, or pixels do not lie on each other.
    UnsupportedLayer
        If the layer does not reach the plane that is shown.
    """
    if layer.selected_label == 0:
        raise PromptError(f"Label 0 of '{layer.name}' is the background: select another label.")
    plane = shown_plane(viewer, layer)
    row, column = _corner(viewer, layer, plane, query)
    mask = _cut(plane.of(full_resolution(layer)), row, column, query.data.shape[:2])
    mask = mask == layer.selected_label
    if not mask.any():
        raise PromptError(
            f"Nothing is painted with label {layer.selected_label} of '{layer.name}' on the "
            "image as it is shown: paint over one example, or select the label that is painted."
        )
    return MaskPrompt(query.data, mask, query.contrast)


def paint_example(image: Image) -> Labels:
    """Return an empty label layer that lies on an image, ready to be painted."""
    layer = Labels(
        np.zeros(spatial_shape(image), np.uint8),
        name=f"{image.name}: example",
        opacity=0.7,
        **spatial(image),
    )
    layer.n_edit_dimensions = 2
    layer.mode = "paint"
    return layer


def _corner(viewer: Viewer, layer: Labels, plane: Plane, query: QueryImage) -> tuple[int, int]:
    """Return the pixel (row, column) of the label plane on which pixel (0, 0) of the image lies."""
    image_origin, image_sides = _grid(viewer, query.layer, query.plane)
    origin, sides = _grid(viewer, layer, plane)
    # in pixels of the label layer: how far the image's last pixel is from where it should be
    drift = np.linalg.solve(sides.T, (image_sides - sides).T * query.data.shape[:2])
    if np.abs(drift).max() > TOLERANCE_PX:
        raise PromptError(
            f"The pixels of '{layer.name}' have another size or direction than those of "
            f"'{query.layer.name}': press 'Paint an example' for a layer that fits."
        )
    row, column = np.linalg.solve(sides.T, image_origin - origin)
    return round(row), round(column)


def _grid(viewer: Viewer, layer: Layer, plane: Plane) -> tuple[Points, Points]:
    """Return where pixel (0, 0) of a plane lies on the screen's axes (2,), and its sides (2, 2)."""
    points = np.tile([float(i or 0) for i in plane.index], (3, 1))
    points[[1, 2], plane.axes] += 1
    origin, down, across = frame(viewer, layer, points)[:, plane.axes]
    return origin, np.stack([down - origin, across - origin])


def _cut(labels: Any, row: int, column: int, shape: tuple[int, int]) -> npt.NDArray[Any]:
    """Return the part (H, W) of a label plane that begins at a pixel; 0 beyond the plane."""
    cut = np.zeros(shape, labels.dtype)
    top, left = max(row, 0), max(column, 0)
    bottom, right = min(row + shape[0], labels.shape[0]), min(column + shape[1], labels.shape[1])
    if top < bottom and left < right:
        part = np.asarray(labels[top:bottom, left:right])
        cut[top - row : bottom - row, left - column : right - column] = part
    return cut
