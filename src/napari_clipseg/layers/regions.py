"""Which part of the image is segmented: all, what is on screen, or what a layer outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.layers import Labels, Shapes

from napari_clipseg.engine.region import Region
from napari_clipseg.errors import PromptError, UnknownName, UnsupportedLayer
from napari_clipseg.layers.geometry import to_world
from napari_clipseg.layers.masks import AREAS, labels_mask, shapes_mask

if TYPE_CHECKING:
    from napari import Viewer

    from napari_clipseg.layers.query import QueryImage

WHOLE: Final = "whole plane"
"""Choice of a region: the whole plane."""

ON_SCREEN: Final = "on screen"
"""Choice of a region: what of the plane the window shows."""


def read_region(viewer: Viewer, choice: str | Shapes | Labels, query: QueryImage) -> Region | None:
    """Return the part of an image that is asked for, None for all of it.

    Parameters
    ----------
    viewer : napari.Viewer
    choice : {"whole plane", "on screen"}, Shapes or Labels
        Of a Shapes layer all that is inside its rectangles, ellipses and polygons, of a Labels
        layer all that has a label other than 0; in both the plane that lies on the query image.
    query : QueryImage

    Raises
    ------
    PromptError
        If the layer outlines nothing of the image.
    UnsupportedLayer
        If nothing of the image is on screen, or the layer has no plane there or is gone.
    UnknownName
        If the choice is another text.
    """
    if isinstance(choice, Shapes):
        return _inside(shapes_mask(viewer, choice, query), choice)
    if isinstance(choice, Labels):
        return _inside(labels_mask(viewer, choice, query, lambda labels: labels != 0), choice)
    if choice == ON_SCREEN:
        return visible_region(viewer, query)
    if choice == WHOLE:
        return None
    raise UnknownName(
        f"There is no region '{choice}': choose '{WHOLE}', '{ON_SCREEN}', or a layer of "
        "shapes or labels."
    )


def visible_region(viewer: Viewer, query: QueryImage) -> Region | None:
    """Return the box of an image that the window shows, None if that is all of it.

    The camera is asked, not the layer: ``corner_pixels`` of a pyramid reach to the borders of
    its chunks and stay when one zooms in, they disregard units, and those of a hidden layer are
    not kept up to date. Where the image is turned, the box holds all of its pixels in view.

    Raises
    ------
    UnsupportedLayer
        If nothing of the image is on screen.
    """
    height, width = query.data.shape[:2]
    to_image = to_world(viewer, query.place).set_slice(query.plane.axes).inverse
    corners = np.asarray(to_image(_view_corners(viewer)))
    first = np.clip(np.floor(corners.min(0) + 0.5), 0, (height, width)).astype(int)
    end = np.clip(np.ceil(corners.max(0) + 0.5), 0, (height, width)).astype(int)
    (y0, x0), (y1, x1) = first.tolist(), end.tolist()
    if y0 >= y1 or x0 >= x1:
        raise UnsupportedLayer(
            f"Nothing of '{query.layer.name}' is on screen: "
            "move it into view (Home key), or choose the whole plane."
        )
    return None if (y0, x0, y1, x1) == (0, 0, height, width) else Region((y0, x0, y1, x1))


def _view_corners(viewer: Viewer) -> Any:
    """Return the corners of the window (4, 2) on the displayed axes of the world."""
    camera = viewer.scene.camera
    size = np.asarray(viewer.canvas.viewbox_size(viewer.layers), float)
    centre, half = np.asarray(camera.center[-2:], float), size / camera.zoom / 2
    signs = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)])
    return centre + signs * half


def _inside(mask: Any, layer: Shapes | Labels) -> Region | None:
    if mask.all():
        return None
    if not mask.any():
        drawn = f"no {', '.join(AREAS[:-1])} or {AREAS[-1]}"
        what = drawn if isinstance(layer, Shapes) else "no label"
        raise PromptError(
            f"There is {what} of '{layer.name}' on the plane of the image that is segmented: "
            "draw there what to look at, or choose another region."
        )
    return Region.of_mask(mask)
