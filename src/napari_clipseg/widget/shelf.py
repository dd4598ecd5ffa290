"""The result layers that were made in one viewer, found again while they fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_clipseg.layers.results import LabelResult, ProbabilityResult

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_clipseg.layers.query import QueryImage

Key: TypeAlias = tuple[Any, int, str]
"""Id of the image, level of the pyramid, title."""


class Shelf:
    """Our layers of a viewer. Those a person removed are forgotten, those of others never kept.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._probability: dict[Key, ProbabilityResult] = {}
        self._labels: dict[Key, LabelResult] = {}
        self._front: dict[Any, list[Layer]] = {}
        self._set_aside: set[Any] = set()
        self._negative: dict[Any, bool] = {}

    def probability(self, query: QueryImage, title: str, color: str) -> ProbabilityResult:
        """Return the probability of a prompt on an image: ours if it fits, else a new one."""
        known = self._probability.get(_key(query, title))
        if known is None or not known.fits(self._viewer, query):
            return ProbabilityResult(query, title, color)
        if known.color != color:
            known.restyle(color)
        return known

    def labels(self, query: QueryImage, title: str) -> LabelResult:
        """Return the labels of a group of prompts on an image: ours if they fit, else new."""
        known = self._labels.get(_key(query, title))
        if known is None or not known.fits(self._viewer, query):
            return LabelResult(query, title)
        return known

    def keep(self, query: QueryImage, result: ProbabilityResult | LabelResult) -> None:
        """Keep a result whose layer is in the viewer, or about to be."""
        if isinstance(result, ProbabilityResult):
            self._probability[_key(query, result.title)] = result
        else:
            self._labels[_key(query, result.title)] = result

    def bring_forward(
        self,
        query: QueryImage,
        labels: Sequence[LabelResult],
        probability: Sequence[ProbabilityResult],
    ) -> None:
        """Show the results of a run above what was made of the image before, which is hidden.

        Results of other prompts would cover those that answer what was asked last. Where the
        same layers are in front already, nothing is done: what a person has shown or hidden
        since then stays so.
        """
        image, above = query.layer.unique_id, [each.layer for each in labels]
        chosen: list[Layer] = [*above, *(each.layer for each in probability)]
        if self._front.get(image) == chosen:
            return
        self._front[image] = chosen
        for layer in self._layers_of(image):
            if layer not in chosen:
                self.set_aside(layer)
        for layer in chosen:
            self._show_again(layer)
        self._to_the_top(image, above)

    def set_aside(self, layer: Layer) -> None:
        """Hide a layer until it is brought forward."""
        if layer.visible:
            layer.visible = False
            self._set_aside.add(layer.unique_id)

    def hide_negative(self, layer: Layer) -> None:
        """Hide the probability of what is not wanted: it would tint all of the canvas.

        That is done once; where a person shows it again, it stays so.
        """
        if layer.unique_id not in self._negative:
            self._negative[layer.unique_id] = layer.visible or layer.unique_id in self._set_aside
            self._set_aside.discard(layer.unique_id)
            layer.visible = False

    def show_positive(self, layer: Layer) -> None:
        """Show the probability of what is wanted, if it was hidden for not being so."""
        if self._negative.pop(layer.unique_id, False):
            layer.visible = True

    def _show_again(self, layer: Layer) -> None:
        """Show a layer that was set aside; one that a person has hidden stays hidden."""
        if layer.unique_id in self._set_aside:
            self._set_aside.discard(layer.unique_id)
            layer.visible = True

    def _to_the_top(self, image: Any, chosen: Sequence[Layer]) -> None:
        layers, ours = self._viewer.layers, self._layers_of(image)
        for layer in (each for each in chosen if each in layers):
            top = max(layers.index(each) for each in ours)
            if layers.index(layer) < top:
                layers.move(layers.index(layer), top + 1)

    def _layers_of(self, image: Any) -> list[Layer]:
        """Return our layers of an image that are in the viewer."""
        ours: list[Layer] = [r.layer for key, r in self._probability.items() if key[0] == image]
        ours += [r.layer for key, r in self._labels.items() if key[0] == image]
        return [each for each in ours if each in self._viewer.layers]

    def remove(self, layer: Any) -> None:
        """Forget the result of a layer that left the viewer."""
        self._probability = {k: r for k, r in self._probability.items() if r.layer != layer}
        self._labels = {k: r for k, r in self._labels.items() if r.layer != layer}
        self._front.pop(layer.unique_id, None)
        self._set_aside.discard(layer.unique_id)
        self._negative.pop(layer.unique_id, None)


def _key(query: QueryImage, title: str) -> Key:
    return query.layer.unique_id, query.level, title
