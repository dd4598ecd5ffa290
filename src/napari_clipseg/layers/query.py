"""The query image: the plane of an image layer that the viewer shows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from napari.layers import Image

from napari_clipseg.engine.pixels import Contrast
from napari_clipseg.errors import UnsupportedLayer
from napari_clipseg.layers.geometry import Plane, full_resolution, shown_plane

if TYPE_CHECKING:
    from napari import Viewer

AS_DISPLAYED = "as displayed"
"""Contrast choice: black and white are where the layer shows them."""

AUTOMATIC = "auto"
"""Contrast choice: the engine measures the plane."""


@dataclasses.dataclass(frozen=True, slots=True)
class QueryImage:
    """What is to be segmented, taken from a layer once and for all.

    Parameters
    ----------
    layer : napari.layers.Image
        Where it comes from; only the GUI thread may touch it.
    data : array-like (H, W) or (H, W, C)
        The plane, not read yet.
    plane : Plane
        Which plane of the layer it is.
    contrast : "auto" or (float, float)
        The values that the model sees as black and white.
    """

    layer: Image
    data: Any
    plane: Plane
    contrast: Contrast


def read_query(viewer: Viewer, layer: Image | None, contrast: str = AS_DISPLAYED) -> QueryImage:
    """Return the plane of an image layer that the viewer shows.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Image
        Grey, RGB or RGBA, of any number of dimensions, in memory or not, pyramid or not.
    contrast : {"as displayed", "auto"}
        Colour images are always taken as "auto": napari shows them as they are.

    Raises
    ------
    UnsupportedLayer
        If there is no image, it is of another kind, or no plane of it is shown.
    """
    if layer is None:
        raise UnsupportedLayer("There is no image: open or choose an image layer first.")
    if not isinstance(layer, Image):
        raise UnsupportedLayer(f"'{layer.name}' is no image layer: choose one.")
    plane = shown_plane(viewer, layer)
    automatic = layer.rgb or contrast == AUTOMATIC
    low, high = layer.contrast_limits
    window: Contrast = "auto" if automatic else (float(low), float(high))
    return QueryImage(layer, plane.of(full_resolution(layer)), plane, window)
