"""Where a layer lies in the world, and which of its planes the viewer shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.utils.transforms import Affine

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
    """Return the plane of a layer, of a pyramid at full resolution, that the viewer shows now.

    Raises
    ------
    UnsupportedLayer
        If the viewer shows 3-D, the layer is not in the viewer, or it has no plane there.
    """
    check_there(viewer, layer)
    if viewer.dims.ndisplay != 2:
        raise UnsupportedLayer(
            "The viewer shows the image in 3-D, but only a plane can be segmented: "
            "switch to 2-D (Ctrl+Y) and go to the plane you want."
        )
    plane = plane_at(viewer, layer, viewer.dims.displayed, viewer.dims.point)
    for axis, (i, size) in enumerate(zip(plane.index, spatial_shape(layer), strict=True)):
        if i is not None and not 0 <= i < size:
            raise UnsupportedLayer(
                f"'{layer.name}' does not reach the slice that is shown: "
                f"move the slider of axis {axis} to where the image is."
            )
    return plane


def plane_at(viewer: Viewer, layer: Layer, displayed: Sequence[int], point: npt.ArrayLike) -> Plane:
    """Return the plane of a layer, of a pyramid at full resolution, at a point of the world.

    Where the layer does not reach the point, the index lies before or behind its planes.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Layer
        In the viewer.
    displayed : sequence of int
        The two axes of the viewer that the plane spans, first the one that runs down.
    point : array-like (viewer.dims.ndim,)
        In the units of the viewer; what stands for the displayed axes does not count.

    Raises
    ------
    UnsupportedLayer
        If the layer does not have these axes or lies across them.
    """
    axes = axes_on_screen(viewer, layer, displayed)
    transform = to_world(viewer, spatial(layer))
    _check_faces_the_screen(layer, transform, axes)
    index: list[int | None] = [None] * layer.ndim
    hidden = hidden_axes(layer.ndim, axes)
    for axis, where in zip(hidden, positions(transform, hidden, point), strict=True):
        index[axis] = round(float(where))
    return Plane(tuple(index), axes)


def axes_on_screen(viewer: Viewer, layer: Layer, displayed: Sequence[int]) -> tuple[int, int]:
    """Return which axes of a layer two axes of the viewer are: they line up on the last.

    Raises
    ------
    UnsupportedLayer
        If the layer has too few axes.
    """
    offset = viewer.dims.ndim - layer.ndim
    down, across = (axis - offset for axis in displayed)
    if min(down, across) < 0:
        raise UnsupportedLayer(
            f"'{layer.name}' has only {layer.ndim} axes and no area in the plane that is shown: "
            "change the order of the axes."
        )
    return down, across


def hidden_axes(ndim: int, axes: tuple[int, int]) -> list[int]:
    """Return the axes that a plane does not span, in order."""
    return [axis for axis in range(ndim) if axis not in axes]


def positions(
    transform: Affine, hidden: Sequence[int], point: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return where a point of the world lies on the hidden axes of a layer, in its pixels.

    As napari does it, the axes on the screen have no part in this, not even where a rotation
    or shear mixes them with hidden ones.
    """
    if not hidden:
        return np.empty(0)
    where = np.asarray(point, float)[-transform.ndim :][list(hidden)]
    return np.asarray(transform.inverse.set_slice(hidden)(where), float)


def to_world(viewer: Viewer, place: Mapping[str, Any]) -> Affine:
    """Return the transform from the pixels of a layer to the world, in units of the viewer.

    napari's own ``data_to_world`` ends in the units of the layer.

    Parameters
    ----------
    viewer : napari.Viewer
    place : mapping
        The seven spatial attributes.
    """
    affine = Affine(affine_matrix=np.asarray(place["affine"], float))
    whole = affine.compose(within_layer(place))
    per_world = units_per_world(viewer, place["units"])
    return Affine(
        linear_matrix=whole.linear_matrix / per_world[:, np.newaxis],
        translate=whole.translate / per_world,
    )


def within_layer(place: Mapping[str, Any]) -> Affine:
    """Return the transform of a layer that comes before its ``affine``."""
    return Affine(
        scale=place["scale"],
        translate=place["translate"],
        rotate=np.asarray(place["rotate"], float),
        shear=np.asarray(place["shear"], float),
        ndim=len(place["scale"]),
    )


def units_per_world(viewer: Viewer, units: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Return how many of a layer's units one unit of the viewer is, for each axis (ndim,)."""
    world = viewer.layers.extent.units
    if world is None:
        return np.ones(len(units))
    pairs = zip(world[-len(units) :], units, strict=True)
    return np.array([(1 * ours).to(theirs).magnitude for ours, theirs in pairs], float)


def check_there(viewer: Viewer, layer: Layer) -> None:
    """Raise UnsupportedLayer if a layer is not in a viewer."""
    if layer not in viewer.layers:
        raise UnsupportedLayer(
            f"'{layer.name}' is not in the viewer any more: choose another layer."
        )


def _check_faces_the_screen(layer: Layer, transform: Affine, axes: tuple[int, int]) -> None:
    if np.linalg.matrix_rank(transform.set_slice(axes).linear_matrix) < 2:
        raise UnsupportedLayer(
            f"'{layer.name}' is rotated so far that the viewer sees its planes edge-on: "
            "change the order of the axes."
        )


def spatial_shape(layer: Layer) -> tuple[int, ...]:
    """Return the shape of a layer without its colour axis, of a pyramid at full resolution."""
    data = full_resolution(layer)
    return tuple(int(n) for n in data.shape[: layer.ndim])


def full_resolution(layer: Layer) -> Any:
    """Return the data of a layer, of a pyramid its level 0."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data
