"""Which planes of a stack are segmented, and in which order."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from napari_clipseg.errors import SettingError, UnknownName
from napari_clipseg.layers.geometry import Plane, shown_plane, spatial_shape
from napari_clipseg.layers.levels import axis_of, grid_of

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

SHOWN: Final = "plane shown"
"""Choice of planes: the one that the viewer shows."""

ALL: Final = "all planes"
"""Choice of planes: those of all positions of all sliders."""


def planes_of(
    viewer: Viewer,
    layer: Image,
    choice: str | tuple[int, int],
    level: int = 0,
    *,
    channel_axis: int | None = None,
) -> tuple[Plane, ...]:
    """Return planes of an image, the one that is shown first, then outward from it.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Image
    choice : {"plane shown", "all planes"} or (int, int)
        A range is (first, past last) on the first of :func:`plane_axes`, in pixels of full
        resolution; all other hidden axes stay where they are.
    level : int
        Of a pyramid; the planes are in its pixels, each once.
    channel_axis : int, optional
        The axis of the layer that holds channels; it has no planes.

    Raises
    ------
    UnsupportedLayer
        If no plane of the layer is shown, or there is no such level or axis.
    SettingError
        If the range does not lie on the axis, is empty, or there is no hidden axis.
    UnknownName
        If the choice is another text.
    """
    grid = grid_of(layer, level, channel_axis)
    shown = shown_plane(viewer, layer)
    axes = plane_axes(viewer, layer, channel_axis)
    wanted = {
        axis: dict.fromkeys(grid.index(axis, i) for i in numbers)
        for axis, numbers in _numbers(layer, choice, axes).items()
    }
    centre = grid.plane(shown).index
    choices = [wanted.get(axis, [i]) for axis, i in enumerate(centre)]
    planes = list(itertools.product(*choices))
    planes.sort(key=lambda index: (steps_between(index, centre), [i or 0 for i in index]))
    return tuple(Plane(index, shown.axes) for index in planes)


def plane_axes(viewer: Viewer, layer: Image, channel_axis: int | None = None) -> list[int]:
    """Return the axes of an image along which its planes lie.

    Parameters
    ----------
    viewer : napari.Viewer
        The last two axes in its order span the planes, even while it shows 3-D.
    layer : napari.layers.Image
    channel_axis : int, optional
        The axis of the layer that holds channels; it has no planes.

    Returns
    -------
    list of int
        In the order of the layer's own axes, however the viewer has transposed them; a range of
        planes lies on the first.

    Raises
    ------
    UnsupportedLayer
        If there is no such channel axis.
    """
    offset = viewer.dims.ndim - layer.ndim
    taken = {axis - offset for axis in viewer.dims.order[-2:]}
    if channel_axis is not None:
        taken.add(axis_of(layer, channel_axis))
    return [axis for axis in range(layer.ndim) if axis not in taken]


def _numbers(layer: Image, choice: str | tuple[int, int], axes: list[int]) -> dict[int, range]:
    """Return the planes of full resolution for each hidden axis that does not stay."""
    shape = spatial_shape(layer)
    if choice == SHOWN:
        return {}
    if choice == ALL:
        return {axis: range(shape[axis]) for axis in axes}
    if isinstance(choice, str):
        raise UnknownName(
            f"There are no planes '{choice}': choose '{SHOWN}', '{ALL}' or a range of planes."
        )
    if not axes:
        raise SettingError(
            f"'{layer.name}' has one plane only: choose '{SHOWN}' in place of a range of planes."
        )
    first, end = choice
    if not 0 <= first < end <= shape[axes[0]]:
        raise SettingError(
            f"Planes {first} to {end - 1} cannot be taken from '{layer.name}', which has planes "
            f"0 to {shape[axes[0]] - 1} on axis {axes[0]}: choose a range that lies on it."
        )
    return {axes[0]: range(first, end)}


def steps_between(index: tuple[int | None, ...], centre: tuple[int | None, ...]) -> int:
    """Return how many steps of sliders lie between two planes."""
    return sum(abs((a or 0) - (b or 0)) for a, b in zip(index, centre, strict=True))
