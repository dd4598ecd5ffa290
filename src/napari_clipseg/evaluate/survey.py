"""A model asked, picture by picture, all that its card tells: phrases, examples, other words."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import MaskPrompt
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.evaluate.classical import ClassicalTally, Threshold, thresholded
from napari_clipseg.evaluate.gallery import Gallery, Judged, Shown
from napari_clipseg.evaluate.metrics import Best, Tally, at, count, nearest_threshold
from napari_clipseg.train.dataset import UNLABELLED, Concept, Scene

PHRASE, EXAMPLE, SYNONYM = "phrase", "example", "synonym"
"""Ways in which a concept is asked for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """Pictures of one data set, and what they are asked besides their phrases.

    Parameters
    ----------
    name : str
    scenes : sequence of Scene
        Each concept is asked for by its first phrase.
    examples : mapping of str to MaskPrompt
        Concept -> painted example, in another picture.
    synonyms : mapping of str to sequence of str
        Concept -> other words for it.
    """

    name: str
    scenes: Sequence[Scene]
    examples: Mapping[str, MaskPrompt] = dataclasses.field(default_factory=dict)
    synonyms: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """How well one concept of one data set was found, asked in one way.

    Parameters
    ----------
    data, concept, way, prompt : str
        ``prompt`` is what was typed, "" for an example.
    images : int
        Pictures that count.
    iou : float
        At the model's own threshold, pixels summed over the pictures.
    best : Best
        At the best of the 49 thresholds.
    average_precision : float
    classical : Threshold
        The best threshold of a channel on the same pictures.
    """

    data: str
    concept: str
    way: str
    prompt: str
    images: int
    iou: float
    best: Best
    average_precision: float
    classical: Threshold


@dataclasses.dataclass(frozen=True, slots=True)
class _Question:
    """One prompt for one picture; without a concept it names something absent."""

    way: str
    text: str
    prompt: str | MaskPrompt
    concept: Concept | None = None


class Survey:
    """Counts what a model answers about one data set.

    Parameters
    ----------
    segmenter : Segmenter
    source : Source
    absent : mapping of str to mapping
        Realm -> kind -> words for things that its pictures never show.
    gallery : Gallery
        Takes in the answers to phrases.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        source: Source,
        absent: Mapping[str, Mapping[str, Sequence[str]]],
        gallery: Gallery,
    ) -> None:
        self._segmenter, self._source, self._absent = segmenter, source, absent
        self._gallery = gallery
        self._threshold = nearest_threshold(segmenter.threshold)
        self._tallies: dict[tuple[str, str, str], Tally] = defaultdict(Tally)
        self._classical: dict[str, ClassicalTally] = defaultdict(ClassicalTally)
        self.areas: dict[str, list[float]] = defaultdict(list)

    def take(self, scene: Scene, title: str) -> None:
        """Ask about one picture and count the answers; not about one of which no pixel counts."""
        asked, known = list(self._questions(scene)), (scene.bits & UNLABELLED) == 0
        if not asked or not known.any():
            return
        image = as_layer(scene)
        answers = self._segmenter.probability(image, [each.prompt for each in asked])
        for question, probability in zip(asked, answers, strict=True):
            if question.concept is None:
                area = float((probability[known] > self._threshold).mean())
                self.areas[question.way].append(area)
                continue
            mask = scene.mask(question.concept)
            key = (question.concept.name, question.way, question.text)
            self._tallies[key].add(count(probability, mask, known))
            if question.way == PHRASE and mask.any():
                self._show(title, image, question, mask, probability)
        self._count_thresholds(scene, image, known)

    def answers(self) -> list[Answer]:
        """Return how well each concept was found so far, in each way it was asked for."""
        return [
            Answer(
                *(self._source.name, concept, way, text),
                images=tally.samples,
                iou=at(tally.counts.iou_fg, self._threshold),
                best=Best.of(tally.counts.iou_fg),
                average_precision=tally.counts.average_precision,
                classical=self._classical[concept].best(),
            )
            for (concept, way, text), tally in self._tallies.items()
        ]

    def _questions(self, scene: Scene) -> Iterator[_Question]:
        shown = [concept for concept in scene.concepts if concept.bits]
        for concept in shown:
            first = concept.phrases[0]
            yield _Question(PHRASE, first, first, concept)
            if concept.name in self._source.examples:
                yield _Question(EXAMPLE, "", self._source.examples[concept.name], concept)
            for word in self._source.synonyms.get(concept.name, ()):
                yield _Question(SYNONYM, word, word, concept)
        for kind, words in self._absent.get(scene.realm, {}).items():
            yield from (_Question(kind, word, word) for word in words)

    def _show(
        self,
        title: str,
        image: NDArray[np.uint8],
        question: _Question,
        mask: NDArray[np.bool_],
        probability: NDArray[np.float32],
    ) -> None:
        found = probability > self._threshold
        iou = float((found & mask).sum() / max(1, (found | mask).sum()))
        shown = Shown(f"{self._source.name} {title}", image, "auto")
        self._gallery.offer(shown, Judged(question.text, question.text, mask, found, iou))

    def _count_thresholds(
        self, scene: Scene, image: NDArray[np.uint8], known: NDArray[np.bool_]
    ) -> None:
        pixels = Pixels(image)
        binary = thresholded(pixels.read((0, 0, *pixels.shape)))
        for concept in scene.concepts:
            if concept.bits:
                self._classical[concept.name].add(binary, scene.mask(concept), known)


def as_layer(scene: Scene) -> NDArray[np.uint8]:
    """Return the picture as it would be opened: (H, W) if grey, else (H, W, 3)."""
    image = scene.image
    return image[..., 0] if (image[..., :1] == image).all() else image


def examples_of(scenes: Sequence[Scene]) -> dict[str, MaskPrompt]:
    """Return, for each concept, the first picture that shows it beside something else."""
    found: dict[str, MaskPrompt] = {}
    for scene in scenes:
        for concept in scene.concepts:
            mask = scene.mask(concept)
            if concept.name not in found and mask.any() and not mask.all():
                found[concept.name] = MaskPrompt(as_layer(scene), mask, name=concept.name)
    return found
