"""How well concepts are found on pictures that were not trained on."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.train.dataset import UNLABELLED, Scene

Item = TypeVar("Item")

Predict = Callable[[Scene, Sequence[str]], NDArray[np.float32]]
"""A scene and phrases -> probability (P, H, W)."""

ABSENT_ASKED = 4
"""Words for absent things that every validation picture is asked for, of each kind."""


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
    """All scores, and the share of pixels found for words of absent things.

    Parameters
    ----------
    scores : tuple of Score
    absent_area : float
        0 to 1; nan where no such word was asked for.
    """

    scores: tuple[Score, ...]
    absent_area: float

    @property
    def mean_iou(self) -> float:
        """Mean over all concepts, each counting the same; nan where there is none."""
        values = [score.iou for score in self.scores if not math.isnan(score.iou)]
        return float(np.mean(values)) if values else math.nan

    def table(self) -> str:
        """Return the scores as a Markdown table."""
        rows = [f"| {s.source} | {s.concept} | {s.images} | {s.iou:.2f} |" for s in self.scores]
        head = ["| data set | concept | images | IoU |", "|---|---|---|---|"]
        mean = f"| mean | | | {self.mean_iou:.2f} |"
        found = share(self.absent_area)
        area = f"Area above the model's threshold for words of absent things: {found}."
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
    return Validation(tuple(scores), float(np.mean(areas)) if areas else math.nan)


def share(area: float) -> str:
    """Return the share of pixels found for words of absent things as it is printed."""
    return "not asked" if math.isnan(area) else f"{area:.2%}"


def spread(items: Sequence[Item], limit: int | None) -> tuple[Item, ...]:
    """Return at most ``limit`` of the items, evenly spread over them; all where it is None."""
    if limit is None or len(items) <= limit:
        return tuple(items)
    return tuple(items[index * len(items) // limit] for index in range(limit))


def overlap(found: NDArray[np.bool_], mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the pixels of the intersection and of the union."""
    return int((found & mask).sum()), int((found | mask).sum())


def _ratio(pairs: Iterable[tuple[int, int]]) -> float:
    shared, joined = np.sum(list(pairs), axis=0)
    return float(shared / joined) if joined else float("nan")


def telling_square(scene: Scene, side: int) -> Scene:
    """Return the (side, side) in the middle of what is masked, or the scene where it is smaller."""
    masked = functools.reduce(operator.or_, (each.bits for each in scene.concepts), 0)
    where = np.nonzero(scene.bits & masked)
    middles = [int(np.median(axis)) if len(axis) else None for axis in where]
    rows, columns = (
        _around(extent, side, middle)
        for extent, middle in zip(scene.bits.shape, middles, strict=True)
    )
    return dataclasses.replace(
        scene, image=scene.image[rows, columns], bits=scene.bits[rows, columns]
    )


def _around(extent: int, side: int, middle: int | None) -> slice:
    """Return a range of at most ``side`` within an axis, around a place or the axis' middle."""
    wanted = (extent if middle is None else 2 * middle + 1) - side
    start = min(max(0, wanted // 2), max(0, extent - side))
    return slice(start, start + min(extent, side))
