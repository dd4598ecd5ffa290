"""Where a layer lies in the world, and which of its planes the viewer shows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clipseg.errors import UnsupportedLayer

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

SPATIAL = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""All that places a layer in the world."""


def spatial(layer: Layer) -> dict[str, Any]:
    """Return the seven spatial attributes of a layer, as keywords for a new layer."""
    attributes = layer.as_layer_data_tuple()[1]
    return {key: attributes[key] for key in SPATIAL}


@dataclasses.dataclass(frozen=True, slots=True)
class Plane:
    """One 2-D plane of an n-D array.

    Parameters
    ----------
    index : tuple of (int or None)
        One entry for each spatial axis; None on the two axes that span the plane.
    axes : (int, int)
        The axis that runs down the screen and the one that runs across it.
    """

    index: tuple[int | None, ...]
    axes: tuple[int, int]

    def __str__(self) -> str:
        return "[" + ", ".join(":" if i is None else str(i) for i in self.index) + "]"

    def of(self, data: Any) -> Any:
        """Return the plane (H, W) or (H, W, C) of ``data``, reading nothing.

        A numpy array gives a view that can be written to, any other array (dask, zarr ...)
        a :class:`PlaneReader`.
        """
        if isinstance(data, np.ndarray):
            return self.upright(data[self.key()])
        return PlaneReader(data, self)

    def key(self, *box: slice) -> tuple[int | slice, ...]:
        """Return the index of a box (rows, columns) of this plane in the n-D array."""
        parts = dict(zip(self.axes, box, strict=False))
        return tuple(
            parts.get(axis, slice(None)) if i is None else i for axis, i in enumerate(self.index)
        )

    def upright(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return values whose first two axes are in array order, in the order of the screen."""
        return values if self.axes[0] < self.axes[1] else values.swapaxes(0, 1)


class PlaneReader:
    """A plane of an array that is read box by box.

    Parameters
    ----------
    data : array-like
        Anything with ``shape``, ``dtype`` and basic slicing.
    plane : Plane

    Attributes
    ----------
    shape : tuple of int
        (H, W), or (H, W, C) where the data has a colour axis.
    dtype : numpy.dtype
    ndim : int
    """

    def __init__(self, data: Any, plane: Plane) -> None:
        self._data, self._plane = data, plane
        spatial_ndim = len(plane.index)
        colours = tuple(int(n) for n in data.shape[spatial_ndim:])
        self.shape: tuple[int, ...] = (*(int(data.shape[axis]) for axis in plane.axes), *colours)
        self.dtype, self.ndim = np.dtype(data.dtype), len(self.shape)

    def __getitem__(self, box: tuple[slice, slice]) -> npt.NDArray[Any]:
        """Read the rows and columns of a box."""
        return self._plane.upright(np.asarray(self._data[self._plane.key(*box)]))


def shown_plane(viewer: Viewer, layer: Layer) -> Plane:
    """Return the plane of a layer that the viewer shows now.

    Raises
    ------
    UnsupportedLayer
        If the viewer shows 3-D, or the layer does not reach the slice that is shown.
    """
    if viewer.dims.ndisplay != 2:
        raise UnsupportedLayer(
            "The viewer shows the image in 3-D, but only a plane can be segmented: "
            "switch to 2-D (Ctrl+Y) and go to the plane you want."
        )
    offset = viewer.dims.ndim - layer.ndim
    down, across = (axis - offset for axis in viewer.dims.displayed)
    if min(down, across) < 0:
        raise UnsupportedLayer(
            f"'{layer.name}' has only {layer.ndim} axes and no area in the plane that is shown: "
            "change the order of the axes."
        )
    index = [
        None if axis in (down, across) else _inside(layer, axis, where)
        for axis, where in enumerate(shown_point(viewer, layer))
    ]
    return Plane(tuple(index), (down, across))


def shown_point(viewer: Viewer, layer: Layer) -> npt.NDArray[np.float64]:
    """Return the point (ndim,) of the viewer's sliders in the pixels of a layer.

    ``world_to_data`` alone would take the numbers of the viewer for the layer's own units.
    """
    point = np.asarray(viewer.dims.point)[-layer.ndim :] * units_per_world(viewer, layer)
    return np.asarray(layer.world_to_data(point), float)


def units_per_world(viewer: Viewer, layer: Layer) -> npt.NDArray[np.float64]:
    """Return how many units of the layer one unit of the viewer is, for each axis (ndim,)."""
    world = viewer.layers.extent.units
    if world is None:
        return np.ones(layer.ndim)
    pairs = zip(world[-layer.ndim :], layer.units, strict=True)
    return np.array([(1 * ours).to(theirs).magnitude for ours, theirs in pairs], float)


def frame(viewer: Viewer, layer: Layer, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return points (n, ndim) in pixels of a layer as points (n, ndim) of the viewer's world."""
    world = [np.asarray(layer.data_to_world(point)) for point in np.asarray(points, float)]
    return np.asarray(world, float) / units_per_world(viewer, layer)


def _inside(layer: Layer, axis: int, where: float) -> int:
    """Return the index nearest to a position on an axis; the position must be on the layer."""
    index, size = round(float(where)), spatial_shape(layer)[axis]
    if not 0 <= index < size:
        raise UnsupportedLayer(
            f"'{layer.name}' does not reach the slice that is shown: "
            f"move the slider of axis {axis} to where the image is."
        )
    return index


def spatial_shape(layer: Layer) -> tuple[int, ...]:
    """Return the shape of a layer without its colour axis, of a pyramid at full resolution."""
    data = full_resolution(layer)
    return tuple(int(n) for n in data.shape[: layer.ndim])


def full_resolution(layer: Layer) -> Any:
    """Return the data of a layer, of a pyramid its level 0."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data
