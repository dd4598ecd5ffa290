"""The query image: what of an image layer, or of three, is to be segmented."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_clipseg.engine.pixels import Contrast
from napari_clipseg.errors import UnsupportedLayer
from napari_clipseg.layers.channels import ChannelStack, ContrastPlane
from napari_clipseg.layers.geometry import (
    Plane,
    check_there,
    full_resolution,
    shown_plane,
    to_world,
)
from napari_clipseg.layers.levels import Grid, axis_of, grid_of, level_data

if TYPE_CHECKING:
    from napari import Viewer

AS_DISPLAYED = "as displayed"
"""Contrast choice: black and white are where the layer shows them."""

AUTOMATIC = "auto"
"""Contrast choice: the engine measures the plane."""

TOLERANCE_PX = 0.1
"""How far apart two pixel grids may drift over the whole image and still count as one."""


@dataclasses.dataclass(frozen=True, slots=True)
class QuerySettings:
    """How an image layer is read.

    Parameters
    ----------
    contrast : {"as displayed", "auto"}
        Colour images are always taken as "auto": napari shows them as they are.
    channels : tuple, optional
        Three grey image layers that lie on the image, as R, G and B, each through its own
        contrast; or one or three indices on ``channel_axis``, all through one contrast.
    channel_axis : int, optional
        The axis of the layer that holds channels; it is no axis of the result.
    level : int
        Of a pyramid; 0 is the full resolution.
    """

    contrast: str = AS_DISPLAYED
    channels: tuple[Image, ...] | tuple[int, ...] | None = None
    channel_axis: int | None = None
    level: int = 0


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class QueryImage:
    """What is to be segmented, taken from layers once and for all.

    Parameters
    ----------
    layer : napari.layers.Image
        Where it comes from; only the GUI thread may touch it.
    data : array-like (H, W) or (H, W, C)
        The plane, not read yet.
    plane : Plane
        Which plane of a result it is, in pixels of the level.
    contrast : "auto" or (float, float)
        The values that the model sees as black and white.
    shape : tuple of int
        n-D shape of a result layer; 1 on the axis of channels.
    place : dict
        The seven spatial keywords of a result layer.
    key : hashable
        Queries of the same pixels have equal keys, as long as nobody writes into the arrays.
    settings : QuerySettings
    """

    layer: Image
    data: Any
    plane: Plane
    contrast: Contrast
    shape: tuple[int, ...]
    place: dict[str, Any]
    key: Hashable
    settings: QuerySettings

    @property
    def level(self) -> int:
        """Level of the pyramid in whose pixels all this is."""
        return self.settings.level


@dataclasses.dataclass(frozen=True, slots=True)
class _Read:
    """Array-like of one plane, its contrast, and all that tells its pixels from others."""

    data: Any
    contrast: Contrast
    source: Hashable


def read_query(
    viewer: Viewer,
    layer: Image | None,
    settings: QuerySettings = QuerySettings(),
    plane: Plane | None = None,
) -> QueryImage:
    """Return a plane of an image.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : napari.layers.Image
        Grey, RGB or RGBA, of any number of dimensions, in memory or not, pyramid or not.
    settings : QuerySettings
    plane : Plane, optional
        In pixels of the level, as :func:`napari_clipseg.layers.planes.planes_of` gives it;
        the one that the viewer shows if there is none.

    Raises
    ------
    UnsupportedLayer
        If there is no image, it is of another kind, no plane of it is shown, it has no such
        level, axis or channels, or the layers of the channels do not lie on each other.
    """
    image = _check_image(viewer, layer)
    grid = grid_of(image, settings.level, settings.channel_axis)
    chosen = grid.plane(shown_plane(viewer, image)) if plane is None else plane
    _check_plane(image, grid, chosen)
    read = _read(viewer, image, settings, chosen)
    key = (read.source, chosen, read.contrast, settings.level)
    return QueryImage(
        image, read.data, chosen, read.contrast, grid.shape, grid.place, key, settings
    )


def _read(viewer: Viewer, image: Image, settings: QuerySettings, plane: Plane) -> _Read:
    channels, axis = settings.channels, settings.channel_axis
    if channels is None:
        if axis is not None:
            raise UnsupportedLayer(
                f"Axis {axis} of '{image.name}' holds channels: choose one or three of them."
            )
        data = plane.of(level_data(image, settings.level))
        return _Read(data, _window(image, settings.contrast), _source(image))
    layers = tuple(each for each in channels if isinstance(each, Image))
    if layers and len(layers) == len(channels):
        return _read_layers(viewer, image, layers, settings, plane)
    indices = tuple(each for each in channels if not isinstance(each, Image))
    if layers or axis is None:
        raise UnsupportedLayer(
            "Choose three image layers as red, green and blue, or a channel axis of "
            f"'{image.name}' and one or three of its channels."
        )
    return _read_axis(image, indices, axis_of(image, axis), settings, plane)


def _read_layers(
    viewer: Viewer,
    image: Image,
    layers: tuple[Image, ...],
    settings: QuerySettings,
    plane: Plane,
) -> _Read:
    """Return the plane of three layers as R, G and B."""
    if len(layers) != 3 or settings.channel_axis is not None:
        raise UnsupportedLayer(
            f"Red, green and blue are three image layers without a channel axis, not {len(layers)}."
        )
    for each in layers:
        _check_channel(viewer, image, each, settings.level)
    windows = [_window(each, settings.contrast) for each in layers]
    data = ChannelStack(
        [
            ContrastPlane(plane.of(level_data(each, settings.level)), window)
            for each, window in zip(layers, windows, strict=True)
        ]
    )
    source = tuple(_source(each) for each in layers), tuple(windows)
    return _Read(data, (0.0, 1.0), source)


def _read_axis(
    image: Image, indices: tuple[int, ...], axis: int, settings: QuerySettings, plane: Plane
) -> _Read:
    """Return the plane of one or three indices on the channel axis of a layer."""
    data = level_data(image, settings.level)
    count = int(data.shape[axis])
    if image.rgb:
        raise UnsupportedLayer(f"'{image.name}' has its colours already: take no channel axis.")
    if axis in plane.axes:
        raise UnsupportedLayer(
            f"Axis {axis} of '{image.name}' holds channels, but it is on the screen: "
            "change the order of the axes, or choose another channel axis."
        )
    if len(indices) not in (1, 3) or not all(0 <= each < count for each in indices):
        raise UnsupportedLayer(
            f"Channels {indices} cannot be taken from axis {axis} of '{image.name}': "
            f"choose one or three of its channels 0 to {count - 1}."
        )
    planes = [dataclasses.replace(plane, index=_put(plane.index, axis, i)) for i in indices]
    stack = ChannelStack([each.of(data) for each in planes])
    return _Read(stack, _window(image, settings.contrast), (_source(image), axis, indices))


def _put(index: tuple[int | None, ...], axis: int, channel: int) -> tuple[int | None, ...]:
    return (*index[:axis], channel, *index[axis + 1 :])


def _window(layer: Image, contrast: str) -> Contrast:
    if layer.rgb or contrast == AUTOMATIC:
        return "auto"
    low, high = layer.contrast_limits
    return float(low), float(high)


def _source(layer: Image) -> Hashable:
    """Return what tells the array of a layer from others, and from the next it is given."""
    return layer.unique_id, id(full_resolution(layer))


def _check_image(viewer: Viewer, layer: Image | None) -> Image:
    if layer is None:
        raise UnsupportedLayer("There is no image: open or choose an image layer first.")
    if not isinstance(layer, Image):
        raise UnsupportedLayer(f"'{layer.name}' is no image layer: choose one.")
    check_there(viewer, layer)
    return layer


def _check_plane(image: Image, grid: Grid, plane: Plane) -> None:
    """Raise UnsupportedLayer if there is no such plane in a grid."""
    inside = len(plane.index) == len(grid.shape) and all(
        i is None or 0 <= i < size for i, size in zip(plane.index, grid.shape, strict=True)
    )
    if not inside:
        raise UnsupportedLayer(
            f"'{image.name}' has no plane {plane}: the shape of its result is {grid.shape}."
        )


def _check_channel(viewer: Viewer, image: Image, channel: Image, level: int) -> None:
    """Raise UnsupportedLayer if a layer is not grey or its pixels are not on the image's."""
    check_there(viewer, channel)
    if channel.rgb or np.dtype(channel.dtype).kind not in "buif":
        raise UnsupportedLayer(
            f"'{channel.name}' cannot be one of three colours: choose a grey image layer."
        )
    ours, theirs = grid_of(image, level), grid_of(channel, level)
    if ours.shape != theirs.shape:
        raise UnsupportedLayer(
            f"'{channel.name}' has the shape {theirs.shape}, '{image.name}' {ours.shape}: "
            "layers that are read as red, green and blue must have the same."
        )
    last = np.array([np.zeros(len(ours.shape)), *np.diag(ours.shape)], float)
    where = to_world(viewer, ours.place)(last)
    drift = to_world(viewer, theirs.place).inverse(where) - last
    if np.abs(drift).max() > TOLERANCE_PX:
        raise UnsupportedLayer(
            f"'{channel.name}' does not lie on '{image.name}': layers that are read as red, green "
            "and blue must have the same scale, translation and rotation."
        )
