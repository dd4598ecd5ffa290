"""Models and a classical threshold, asked the same questions about every picture of a data set."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.pixels import Contrast, Pixels
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.errors import ImageError, SettingError, UnknownName
from napari_clipseg.evaluate.classical import ClassicalTally, thresholded
from napari_clipseg.evaluate.gallery import Gallery, Judged, Shown
from napari_clipseg.evaluate.metrics import Tally, at, count, nearest_threshold
from napari_clipseg.evaluate.tasks import TASKS, Probability, Question, read_pixels, read_truth
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth
from napari_clipseg.train.validation import spread

ABSENT_WORDS = ("giraffe", "grand piano", "submarine", "slice of pizza")
"""Things that are asked for in every picture although no data set here is expected to show them."""

ABSENT_CONCEPTS = 4
"""Concepts of the data set, known to be absent, that are asked for in a picture at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class BenchmarkOptions:
    """How a benchmark is run.

    Parameters
    ----------
    task : str
        A name in :data:`napari_clipseg.evaluate.tasks.TASKS`.
    limit : int, optional
        Number of pictures, spread evenly over the list; all by default.
    absent : tuple of str
        Words for things that no picture shows.
    contrast : "auto" or (float, float)
        As for :meth:`napari_clipseg.Segmenter.encode`.
    """

    task: str = "referring"
    limit: int | None = None
    absent: tuple[str, ...] = ABSENT_WORDS
    contrast: Contrast = "auto"


class Found:
    """What one model found: a tally for each concept, and the area for absent things.

    Parameters
    ----------
    segmenter : Segmenter

    Attributes
    ----------
    tallies : mapping of str to Tally
    threshold : float
        The model's own, brought to the nearest one that is counted.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter
        self.tallies: dict[str, Tally] = defaultdict(Tally)
        self.threshold = nearest_threshold(segmenter.threshold)
        self._areas: list[float] = []

    @property
    def absent_area(self) -> float:
        """Mean share of the pixels found for words of absent things; nan if none was asked.

        A pixel is found above :attr:`threshold`, as it is for what is there.
        """
        return float(np.mean(self._areas)) if self._areas else float("nan")

    def add_absent(self, probability: Probability, known: npt.NDArray[np.bool_]) -> None:
        """Take in the answers (P, H, W) to words of absent things; one known pixel at least."""
        self._areas += [float((each[known] > self.threshold).mean()) for each in probability]


class Benchmark:
    """Asks every picture of a data set; results grow as pictures are taken.

    Parameters
    ----------
    data : AnnotatedSet
    segmenters : mapping of str to Segmenter
        Name -> model. The first is the one whose best and worst answers are kept.
    options : BenchmarkOptions

    Attributes
    ----------
    data : AnnotatedSet
    pictures : tuple of Annotated
        Those that are asked.
    found : mapping of str to Found
        What each model found.
    classical : mapping of str to ClassicalTally
        What a threshold found, by concept.
    gallery : Gallery
    void : int
        Pictures taken of which no pixel counts, so that nothing was asked.
    nowhere : tuple of str
        Words for absent things that every picture is asked for.

    Raises
    ------
    UnknownName
        If there is no such task.
    SettingError
        If there is no picture.
    ImageError
        If a picture of the list is not there.
    """

    def __init__(
        self,
        data: AnnotatedSet,
        segmenters: Mapping[str, Segmenter],
        options: BenchmarkOptions,
    ) -> None:
        if options.task not in TASKS:
            raise UnknownName(f"task {options.task!r} is unknown; there are {', '.join(TASKS)}")
        self.data, self.options = data, options
        self.pictures = pictures_of(data, options.limit)
        self.found = {name: Found(segmenter) for name, segmenter in segmenters.items()}
        self.classical: dict[str, ClassicalTally] = defaultdict(ClassicalTally)
        self.gallery = Gallery()
        self.void = 0
        self._task = TASKS[options.task](data)
        phrases = {phrase for each in data.concepts.values() for phrase in each}
        self.nowhere = tuple(word for word in options.absent if word not in phrases)

    @property
    def graded(self) -> bool:
        """Whether answers are judged as probabilities, so that thresholds matter."""
        return self._task.graded

    @property
    def means(self) -> tuple[str, ...]:
        """What mIoU may be the mean of in this task."""
        return self._task.means

    def take(self, picture: Annotated) -> None:
        """Ask all models about one picture and count their answers.

        Raises
        ------
        ImageError
            If the picture cannot be read or its masks are of another size.
        """
        truth, image = read_truth(picture), read_pixels(picture)
        shapes = {truth.known.shape, *(mask.shape for mask in truth.masks.values())}
        if shapes != {image.shape[:2]}:
            raise ImageError(
                f"{picture.file} has the shape {image.shape[:2]}, its masks {sorted(shapes)}"
            )
        if not truth.known.any():
            self.void += 1
            return
        questions = self._task.questions(picture, truth)
        words = self._absent_words(truth)
        shown = Shown(picture.file.name, image, self.options.contrast)
        for index, found in enumerate(self.found.values()):
            for judged in self._ask(found, shown, questions, words, truth):
                if index == 0 and judged.mask.any():
                    self.gallery.offer(shown, judged)
        self._threshold(image, questions, truth)

    def _ask(
        self,
        found: Found,
        shown: Shown,
        questions: Sequence[Question],
        words: Sequence[str],
        truth: Truth,
    ) -> Iterator[Judged]:
        """Count a model's answers; yield those of which the truth is known."""
        prompts = [*(question.prompt for question in questions), *words]
        if not prompts:
            return
        raw = found.segmenter.probability(shown.image, prompts, contrast=shown.contrast)
        found.add_absent(raw[len(questions) :], truth.known)
        settled = self._task.settle(raw[: len(questions)]) if questions else ()
        for question, probability in zip(questions, settled, strict=True):
            if question.mask is not None:
                counts = count(probability, question.mask, truth.known)
                found.tallies[question.concept].add(counts)
                iou = at(counts.iou_fg, found.threshold)
                name = getattr(question.prompt, "name", question.prompt)
                mask = probability > found.threshold
                yield Judged(question.concept, str(name), question.mask, mask, iou)

    def _threshold(
        self, image: npt.NDArray[np.generic], questions: Sequence[Question], truth: Truth
    ) -> None:
        """Count what thresholds find of the concepts that the picture shows, each once."""
        asked = {question.concept: question.mask for question in questions}
        masks = {name: mask for name, mask in asked.items() if mask is not None}
        if masks:
            pixels = Pixels(image, contrast=self.options.contrast)
            binary = thresholded(pixels.read((0, 0, *pixels.shape)))
            for name, mask in masks.items():
                self.classical[name].add(binary, mask, truth.known)

    def _absent_words(self, truth: Truth) -> list[str]:
        names = [name for name in sorted(truth.absent) if name in self.data.concepts]
        concepts = spread(tuple(names), ABSENT_CONCEPTS)
        return [*(self.data.concepts[name][0] for name in concepts), *self.nowhere]


def pictures_of(data: AnnotatedSet, limit: int | None) -> tuple[Annotated, ...]:
    """Return the pictures of a data set that are to be asked, at most ``limit``.

    Raises
    ------
    SettingError
        If there is none.
    ImageError
        If one is not there: better now than after hours.
    """
    chosen = spread(data.pictures, limit)
    if not chosen:
        raise SettingError(f"the list of {data.name} names no picture, so there is none to ask")
    missing = [each.file for each in chosen if not each.file.exists()]
    if missing:
        raise ImageError(
            f"{len(missing)} of {len(chosen)} listed pictures of {data.name} are not there, the "
            f"first is {missing[0]}: put them there, or take them off the list"
        )
    return chosen
