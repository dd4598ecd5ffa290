"""Annotated pictures as every reader gives them: on disk until they are asked for. No torch."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.train.dataset import (
    MOST_CONCEPTS,
    UNLABELLED,
    Concept,
    Scene,
    contrast_window,
)
from napari_clipseg.train.pictures import read_rgb
from napari_clipseg.train.sources import Content

Phrases = Mapping[str, tuple[str, ...]]
"""Concept -> what people call it, the most natural first."""


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

    def scenes(self, realm: str) -> AnnotatedScenes:
        """Return all pictures as scenes to train on, which are read when they are asked for.

        Parameters
        ----------
        realm : str
            As in :class:`~napari_clipseg.train.dataset.Scene`.
        """
        return AnnotatedScenes(self, realm)


class AnnotatedScenes:
    """Annotated pictures as a source of training; none is kept in memory.

    A scene holds seven masks; a picture with more becomes several scenes, and one of which
    nothing is known becomes none.

    Parameters
    ----------
    data : AnnotatedSet
        All of its annotations are read once, to know what each picture shows.
    realm : str
        As in :class:`~napari_clipseg.train.dataset.Scene`.
    """

    def __init__(self, data: AnnotatedSet, realm: str) -> None:
        self._absent = {name: Concept(name, said, 0) for name, said in data.concepts.items()}
        self._realm = realm
        self._pictures: list[Annotated] = []
        self.contents: list[Content] = []
        for picture in data.pictures:
            for content in self._contents(picture.read(), data.concepts):
                self._pictures.append(picture)
                self.contents.append(content)

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, number: int) -> Scene:
        picture, content = self._pictures[number], self.contents[number]
        truth, image = picture.read(), read_rgb(picture.file)
        bits = np.where(truth.known, 0, UNLABELLED).astype(np.uint8)
        for concept in content.seen:
            bits[truth.masks[concept.name]] |= concept.bits
        return Scene(image, bits, content.concepts, self._realm, contrast_window(image))

    def __iter__(self) -> Iterator[Scene]:
        return map(self.__getitem__, range(len(self)))

    def digest(self) -> str:
        """Return a SHA-256 over the files' names and sizes and what they show, in their order."""
        digest = hashlib.sha256()
        for picture, content in zip(self._pictures, self.contents, strict=True):
            size = picture.file.stat().st_size
            digest.update(f"{picture.file.name} {size} {content.concepts}".encode())
        return digest.hexdigest()

    def _contents(self, truth: Truth, concepts: Phrases) -> Iterator[Content]:
        absent = tuple(self._absent[name] for name in sorted(truth.absent))
        for names in _chunks(list(truth.masks)):
            seen = tuple(Concept(name, concepts[name], 1 << i) for i, name in enumerate(names))
            if seen or absent:
                shown = (True,) * len(seen) + (False,) * len(absent)
                yield Content(self._realm, seen + absent, shown)


def _chunks(names: list[str]) -> list[list[str]]:
    """Return the names in lists of what one scene can hold; one empty list where none is."""
    starts = range(0, max(len(names), 1), MOST_CONCEPTS)
    return [names[first : first + MOST_CONCEPTS] for first in starts]
