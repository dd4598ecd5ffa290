"""How well concepts are found on pictures that were not trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.train.dataset import UNLABELLED, Scene

Predict = Callable[[Scene, Sequence[str]], NDArray[np.float32]]
"""A scene and phrases -> probability (P, H, W)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """Agreement on one concept of one data set.

    Parameters
    ----------
    source, concept : str
    images : int
        Pictures that count.
    iou : float
        Summed intersection over summed union; nan where neither mask nor prediction is.
    """

    source: str
    concept: str
    images: int
    iou: float


@dataclasses.dataclass(frozen=True, slots=True)
class Validation:
    """All scores, and the share of pixels found for words of absent things."""

    scores: tuple[Score, ...]
    absent_area: float

    @property
    def mean_iou(self) -> float:
        """Mean over all concepts, each counting the same."""
        return float(np.nanmean([score.iou for score in self.scores]))

    def table(self) -> str:
        """Return the scores as a Markdown table."""
        rows = [f"| {s.source} | {s.concept} | {s.images} | {s.iou:.2f} |" for s in self.scores]
        head = ["| data set | concept | images | IoU |", "|---|---|---|---|"]
        mean = f"| mean | | | {self.mean_iou:.2f} |"
        area = f"Area above the threshold for words of absent things: {self.absent_area:.1%}."
        return "\n".join([*head, *rows, mean, "", area])


def validate(
    predict: Predict,
    sources: Mapping[str, Sequence[Scene]],
    absent: Mapping[str, Sequence[str]],
    threshold: float,
) -> Validation:
    """Compare predictions with masks.

    Parameters
    ----------
    predict : callable
        A scene and phrases -> probability (P, H, W).
    sources : mapping of str to sequence of Scene
        Each concept is asked for by its first phrase.
    absent : mapping of str to sequence of str
        Words for what a realm's pictures never show.
    threshold : float
        Probability above which a pixel counts as found.
    """
    counts: dict[tuple[str, str], list[tuple[int, int]]] = {}
    areas: list[float] = []
    for name, scenes in sources.items():
        for scene in scenes:
            words = list(absent.get(scene.realm, ()))
            known = [concept for concept in scene.concepts if concept.bits]
            phrases = [concept.phrases[0] for concept in known] + words
            if not phrases:
                continue
            found = predict(scene, phrases) > threshold
            found &= (scene.bits & UNLABELLED) == 0
            for concept, area in zip(known, found, strict=False):
                counts.setdefault((name, concept.name), []).append(
                    overlap(area, scene.mask(concept))
                )
            areas += [float(area.mean()) for area in found[len(known) :]]
    scores = [Score(*key, len(pairs), _ratio(pairs)) for key, pairs in counts.items()]
    return Validation(tuple(scores), float(np.mean(areas)) if areas else 0.0)


def overlap(found: NDArray[np.bool_], mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the pixels of the intersection and of the union."""
    return int((found & mask).sum()), int((found | mask).sum())


def _ratio(pairs: Iterable[tuple[int, int]]) -> float:
    shared, joined = np.sum(list(pairs), axis=0)
    return float(shared / joined) if joined else float("nan")


def central(scene: Scene, side: int) -> Scene:
    """Return the middle (side, side) of a scene, or the scene where it is smaller."""
    rows, columns = (_middle(extent, side) for extent in scene.bits.shape)
    return dataclasses.replace(
        scene, image=scene.image[rows, columns], bits=scene.bits[rows, columns]
    )


def _middle(extent: int, side: int) -> slice:
    start = max(0, (extent - side) // 2)
    return slice(start, start + min(extent, side))
