"""The pixels of one level of a pyramid, and where a result of that level lies."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clipseg.errors import UnsupportedLayer
from napari_clipseg.layers.geometry import Plane, spatial, spatial_shape, within_layer

if TYPE_CHECKING:
    from napari.layers import Layer


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The pixels of a result at one level of an image.

    Parameters
    ----------
    factors : tuple of float
        Pixels of full resolution that one pixel of this grid is long, for each spatial axis.
    shape : tuple of int
        n-D shape, without colours.
    place : dict
        The seven spatial keywords of a layer whose pixels lie where those of the level are.
    """

    factors: tuple[float, ...]
    shape: tuple[int, ...]
    place: dict[str, Any]

    def index(self, axis: int, full: int) -> int:
        """Return the index on an axis of the pixel in which one of full resolution lies."""
        factor = self.factors[axis]
        return min(max(round((full - (factor - 1) / 2) / factor), 0), self.shape[axis] - 1)

    def plane(self, full: Plane) -> Plane:
        """Return the plane in which a plane of full resolution lies."""
        index = [None if i is None else self.index(axis, i) for axis, i in enumerate(full.index)]
        return Plane(tuple(index), full.axes)


def grid_of(layer: Layer, level: int = 0, channel_axis: int | None = None) -> Grid:
    """Return the grid of a level of an image.

    Parameters
    ----------
    layer : napari.layers.Image
    level : int
        0 is the full resolution.
    channel_axis : int, optional
        All channels together are one pixel of the grid, as long as the axis: a result
        is shown with each of them.

    Raises
    ------
    UnsupportedLayer
        If there is no such level or axis.

    Notes
    -----
    The factors are those with which napari draws the level. The centre of a pixel that covers
    f pixels of full resolution lies (f - 1) / 2 of them behind the centre of the first; this
    shift goes through scale, shear and rotation of the layer, ``affine`` stays what it is.
    """
    shape = tuple(int(n) for n in level_data(layer, level).shape[: layer.ndim])
    factors = [a / b for a, b in zip(spatial_shape(layer), shape, strict=True)]
    if channel_axis is not None:
        axis = axis_of(layer, channel_axis)
        factors[axis] = float(spatial_shape(layer)[axis])
        shape = (*shape[:axis], 1, *shape[axis + 1 :])
    return Grid(tuple(factors), shape, _place(layer, np.array(factors)))


def level_data(layer: Layer, level: int) -> Any:
    """Return the array of a level.

    Raises
    ------
    UnsupportedLayer
        If there is no such level.
    """
    levels = list(layer.data) if layer.multiscale else [layer.data]
    if not 0 <= level < len(levels):
        found = f"the levels 0 to {len(levels) - 1}" if len(levels) > 1 else "level 0 only"
        raise UnsupportedLayer(
            f"'{layer.name}' has no level {level}: it has {found}, 0 being the full resolution."
        )
    return levels[level]


def axis_of(layer: Layer, axis: int) -> int:
    """Return the number, from 0, of an axis that may be counted from the end.

    Raises
    ------
    UnsupportedLayer
        If there is no such axis.
    """
    if not -layer.ndim <= axis < layer.ndim:
        raise UnsupportedLayer(
            f"'{layer.name}' has no axis {axis}: its axes are 0 to {layer.ndim - 1}."
        )
    return axis % int(layer.ndim)


def _place(layer: Layer, factors: Any) -> dict[str, Any]:
    place = spatial(layer)
    shifted = within_layer(place)((factors - 1) / 2)
    return place | {"scale": np.asarray(place["scale"]) * factors, "translate": shifted}
