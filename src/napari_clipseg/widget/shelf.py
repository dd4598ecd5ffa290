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

    def bring_forward(self, query: QueryImage, results: Sequence[LabelResult]) -> None:
        """Show the labels of a run above what was made of the image before.

        Labels of other groups of prompts are hidden: they would cover those that answer what
        was asked last.
        """
        image, chosen = query.layer.unique_id, [each.layer for each in results]
        for (of, _, _), other in self._labels.items():
            if of == image and other.layer not in chosen:
                other.layer.visible = False
        layers, ours = self._viewer.layers, self._layers_of(image)
        for layer in (each for each in chosen if each in layers):
            layer.visible = True
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


def _key(query: QueryImage, title: str) -> Key:
    return query.layer.unique_id, query.level, title
