"""Annotated pictures as every reader gives them: on disk until they are asked for. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.train.dataset import UNLABELLED, Concept, Scene, contrast_window, read_rgb

Phrases = Mapping[str, tuple[str, ...]]
"""Concept -> what people call it, the most natural first."""

BITS = 7
"""Masks that one :class:`~napari_clipseg.train.dataset.Scene` can hold."""


@dataclasses.dataclass(frozen=True, slots=True)
class Truth:
    """What is known of one picture.

    Parameters
    ----------
    masks : mapping of str to ndarray (H, W) bool
        Concepts that are there; each has at least one pixel.
    known : ndarray (H, W) bool
        Pixels that count; elsewhere the annotator did not say.
    absent : frozenset of str
        Concepts that are known not to be there.
    """

    masks: Mapping[str, NDArray[np.bool_]]
    known: NDArray[np.bool_]
    absent: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, masks: Mapping[str, NDArray[np.bool_]], known: NDArray[np.bool_], asked: frozenset[str]
    ) -> Truth:
        """Return the truth of a picture that was searched for the concepts ``asked``."""
        shown = {name: mask for name, mask in masks.items() if mask.any()}
        return cls(shown, known, asked - shown.keys())


@dataclasses.dataclass(frozen=True, slots=True)
class Annotated:
    """One picture of a data set.

    Parameters
    ----------
    file : Path
        The image file.
    read : callable
        Gives the :class:`Truth`, read anew each time.
    """

    file: Path
    read: Callable[[], Truth]


@dataclasses.dataclass(frozen=True, slots=True)
class AnnotatedSet:
    """Pictures with the concepts they are annotated with.

    Parameters
    ----------
    name : str
    concepts : mapping of str to tuple of str
        Every concept with its phrases.
    pictures : tuple of Annotated
    folds : tuple of tuple of str
        Concepts that published one-shot experiments test together; empty where there is
        no such convention.
    """

    name: str
    concepts: Phrases
    pictures: tuple[Annotated, ...]
    folds: tuple[tuple[str, ...], ...] = ()

    def scenes(self, realm: str) -> Iterator[Scene]:
        """Yield all pictures as scenes to train on.

        Parameters
        ----------
        realm : str
            As in :class:`~napari_clipseg.train.dataset.Scene`.

        Notes
        -----
        A scene holds seven masks; a picture with more becomes several scenes.
        """
        for each in self.pictures:
            yield from _scenes(each, self.concepts, realm)


def _scenes(picture: Annotated, concepts: Phrases, realm: str) -> Iterator[Scene]:
    truth, image = picture.read(), read_rgb(picture.file)
    window = contrast_window(image)
    absent = tuple(Concept(name, concepts[name], 0) for name in sorted(truth.absent))
    for names in _chunks(list(truth.masks)):
        bits = np.where(truth.known, 0, UNLABELLED).astype(np.uint8)
        for index, name in enumerate(names):
            bits[truth.masks[name]] |= 1 << index
        shown = tuple(Concept(name, concepts[name], 1 << i) for i, name in enumerate(names))
        yield Scene(image, bits, shown + absent, realm, window)


def _chunks(names: list[str]) -> list[list[str]]:
    """Return the names in lists of what one scene can hold; one empty list where none is."""
    return [names[first : first + BITS] for first in range(0, max(len(names), 1), BITS)]
