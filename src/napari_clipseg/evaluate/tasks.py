"""What a benchmark asks of every picture: the paper's three tasks.

A new task is an entry of :data:`TASKS` at the bottom.

References
----------
Lüddecke & Ecker 2022, arXiv 2112.10003, sections 5.1 (referring), 5.2 (zero-shot) and 5.3
(one-shot); for the competition the authors' ``CLIPSegMultiLabel``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.prompts import MaskPrompt
from napari_clipseg.errors import ImageError
from napari_clipseg.io.opening import open_image
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth

Probability = npt.NDArray[np.float32]

BACKGROUND = "background"
BACKGROUND_FACTOR = 3.0
"""By what the authors multiply the probability of the background before they compare."""


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """One prompt for one picture.

    Parameters
    ----------
    concept : str
        Whose row the answer counts in.
    prompt : str or MaskPrompt
    mask : ndarray (H, W) bool, optional
        The right answer; None where it is not known, so that the answer only competes.
    """

    concept: str
    prompt: str | MaskPrompt
    mask: npt.NDArray[np.bool_] | None


class Task(Protocol):
    """What is asked, and what becomes of the answers.

    Attributes
    ----------
    graded : bool
        Whether the settled answers are probabilities, not just 0 and 1.
    means : tuple of str
        Names in :data:`~napari_clipseg.evaluate.metrics.MEAN_IOUS` that say something here.
    """

    graded: ClassVar[bool]
    means: ClassVar[tuple[str, ...]]

    def questions(self, picture: Annotated, truth: Truth) -> Sequence[Question]:
        """Return all questions for a picture; none if it shows nothing that is asked for."""

    def settle(self, answers: Probability) -> Probability:
        """Return the answers (P, H, W) to all questions of a picture as they are to be judged."""


class Referring:
    """Every phrase of every concept that a picture shows, each by itself."""

    graded: ClassVar[bool] = True
    means: ClassVar[tuple[str, ...]] = ("class", "sample")

    def __init__(self, data: AnnotatedSet) -> None:
        self._concepts = data.concepts

    def questions(self, picture: Annotated, truth: Truth) -> Sequence[Question]:
        """Return one question for each phrase."""
        return [
            Question(name, phrase, mask)
            for name, mask in truth.masks.items()
            for phrase in self._concepts.get(name, ())
        ]

    def settle(self, answers: Probability) -> Probability:
        """Return the answers as they are."""
        return answers


class ZeroShot:
    """All concepts of the data set and the background at once; the highest takes the pixel.

    Notes
    -----
    Concepts of which nothing is known in a picture take part, but do not count there. Those
    that are known to be absent count: what they win is wrong. One of which rightly nothing is
    found has the IoU 0 all the same, so that a mean over samples would say nothing.
    """

    graded: ClassVar[bool] = False
    means: ClassVar[tuple[str, ...]] = ("class",)

    def __init__(self, data: AnnotatedSet) -> None:
        self._concepts = data.concepts

    def questions(self, picture: Annotated, truth: Truth) -> Sequence[Question]:
        """Return one question for each concept by its first phrase, the background's last."""
        nothing = np.zeros_like(truth.known)
        asked = []
        for name, phrases in self._concepts.items():
            mask = truth.masks.get(name, nothing if name in truth.absent else None)
            asked.append(Question(name, phrases[0], mask))
        known = any(question.mask is not None for question in asked)
        return [*asked, Question(BACKGROUND, BACKGROUND, None)] if known else []

    def settle(self, answers: Probability) -> Probability:
        """Return 1 where a concept wins the pixel and 0 elsewhere."""
        weighted = answers.copy()
        weighted[-1] *= BACKGROUND_FACTOR
        winner = weighted.argmax(0)
        return np.asarray(winner == np.arange(len(answers))[:, None, None], np.float32)


class OneShot:
    """Every concept that a picture shows, by an example in another picture of the data set.

    Notes
    -----
    Which picture is the example depends on the query picture's name alone, so that all models
    are shown the same. A concept that only one picture shows is not asked for.
    The example is seen through its own contrast window.
    """

    graded: ClassVar[bool] = True
    means: ClassVar[tuple[str, ...]] = ("class", "sample")

    def __init__(self, data: AnnotatedSet) -> None:
        self._data = data

    def questions(self, picture: Annotated, truth: Truth) -> Sequence[Question]:
        """Return one question for each concept for which there is an example."""
        asked = []
        for name, mask in truth.masks.items():
            support = self._support(name, picture) if name in self._data.concepts else None
            if support is not None:
                asked.append(Question(name, support, mask))
        return asked

    def settle(self, answers: Probability) -> Probability:
        """Return the answers as they are."""
        return answers

    def _support(self, concept: str, query: Annotated) -> MaskPrompt | None:
        seed = list(f"{concept} {query.file.name}".encode())
        others = [each for each in self._data.pictures if each.file != query.file]
        for index in np.random.default_rng(seed).permutation(len(others)):
            mask = read_truth(others[index]).masks.get(concept)
            if mask is not None and not mask.all():
                image = read_pixels(others[index])
                return MaskPrompt(image, mask, name=f"{concept} in {others[index].file.name}")
        return None


def read_truth(picture: Annotated) -> Truth:
    """Return what is known of a picture.

    Raises
    ------
    ImageError
        If a file of masks is not there or cannot be read.
    """
    try:
        return picture.read()
    except OSError as error:
        raise ImageError(f"the masks of {picture.file} cannot be read: {error}") from error


def read_pixels(picture: Annotated) -> npt.NDArray[Any]:
    """Return the pixels (H, W) or (H, W, C) of a picture as they are stored.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImageError
        If it cannot be read as one image.
    """
    return np.asarray(open_image(picture.file).data)


TASKS: dict[str, Callable[[AnnotatedSet], Task]] = {
    "referring": Referring,
    "zero-shot": ZeroShot,
    "one-shot": OneShot,
}
"""Name -> task on a data set."""
