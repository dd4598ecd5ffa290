"""Notices when layers that matter are changed or leave the viewer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

Reaction = Callable[["Layer"], None]


class Watch:
    """Calls back when layers change or go.

    Parameters
    ----------
    viewer : napari.Viewer
    on_data : callable
        Gets a layer that is followed and whose data were replaced.
    on_removed : callable
        Gets any layer that left the viewer.
    """

    def __init__(self, viewer: Viewer, on_data: Reaction, on_removed: Reaction) -> None:
        self._viewer, self._on_data, self._on_removed = viewer, on_data, on_removed
        self._followed: dict[Hashable, tuple[Layer, Callable[[Any], None]]] = {}
        viewer.layers.events.removed.connect(self._removed)

    def follow(self, layers: Iterable[Layer]) -> None:
        """Follow layers from now on, until they are removed."""
        for layer in layers:
            if layer.unique_id not in self._followed:
                reaction = partial(self._data, layer)
                layer.events.data.connect(reaction)
                self._followed[layer.unique_id] = layer, reaction

    def close(self) -> None:
        """Notice nothing any more."""
        self._viewer.layers.events.removed.disconnect(self._removed)
        for layer, reaction in self._followed.values():
            layer.events.data.disconnect(reaction)
        self._followed.clear()

    def _data(self, layer: Layer, event: Any) -> None:
        self._on_data(layer)

    def _removed(self, event: Any) -> None:
        layer, reaction = self._followed.pop(event.value.unique_id, (event.value, None))
        if reaction is not None:
            layer.events.data.disconnect(reaction)
        self._on_removed(event.value)
