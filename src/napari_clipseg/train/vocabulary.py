"""Every phrase that training may ask for, its text vector, and what it cannot mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.engine.templates import PLAIN
from napari_clipseg.train.sources import Content

_TRIES = 50

PHOTO = "photo"
"""Realm of photographs of anything: no word is surely absent, but most phrases of others are."""

FOREIGN: Mapping[str, tuple[str, ...]] = {
    "micro": ("outdoor", "mosaic"),
    "outdoor": ("micro",),
    "mosaic": ("micro", "outdoor", "mosaic"),
    "plain": ("outdoor", "mosaic"),
    PHOTO: (PHOTO, "micro"),
}
"""For each realm, those whose things its pictures do not show, alike meanings excepted."""


class Vocabulary:
    """Phrases with their text vectors.

    Parameters
    ----------
    contents : iterable of Content
        All phrases of their concepts are taken.
    absent : mapping of str to sequence of str
        Words for things that a realm never shows.
    templates : sequence of str
        Sentences around a phrase, with ``{}`` where it stands.

    Attributes
    ----------
    phrases : list of str
        N phrases, row by row.
    vectors : float32 (T, N, E)
        Text vectors of each phrase in each of T templates; set by :meth:`embed`.
    """

    vectors: NDArray[np.float32]

    def __init__(
        self,
        contents: Iterable[Content],
        absent: Mapping[str, Sequence[str]],
        templates: Sequence[str] = PLAIN,
    ) -> None:
        self._concepts: dict[str, str] = {}
        realms: dict[str, dict[str, None]] = {}
        for content in contents:
            for concept in content.concepts:
                for phrase in concept.phrases:
                    self._concepts.setdefault(phrase, concept.name)
                    realms.setdefault(content.realm, {})[phrase] = None
        for words in absent.values():
            self._concepts.update((word, word) for word in words if word not in self._concepts)
        self.phrases = list(self._concepts)
        self._templates = templates
        self._rows = {phrase: row for row, phrase in enumerate(self.phrases)}
        self._foreign = {
            realm: np.array([self._rows[phrase] for phrase in _foreign(realm, realms, absent)], int)
            for realm in FOREIGN
        }

    @property
    def sentences(self) -> list[str]:
        """Every phrase in every template, one template after the other."""
        return [template.format(phrase) for template in self._templates for phrase in self.phrases]

    def embed(self, vectors: NDArray[np.float32]) -> None:
        """Set the text vectors (T * N, E) of :attr:`sentences`."""
        self.vectors = vectors.reshape(len(self._templates), len(self.phrases), -1)
        meanings = self.vectors.mean(axis=0)
        lengths = np.linalg.norm(meanings, axis=1, keepdims=True)
        self._units = meanings / np.maximum(lengths, 1e-6)

    def row(self, phrase: str) -> int:
        """Return the row of a phrase."""
        return self._rows[phrase]

    def concept_of(self, row: int) -> str:
        """Return the name of the concept a phrase belongs to, or the phrase if it has none."""
        return self._concepts[self.phrases[row]]

    def alien(
        self, rng: np.random.Generator, realm: str, shown: Sequence[int], limit: float
    ) -> int:
        """Draw the row of a phrase that means nothing that is shown.

        Parameters
        ----------
        realm : str
            Of the scene.
        shown : sequence of int
            Rows of the phrases that are true of the scene.
        limit : float
            Cosine similarity below which two phrases mean different things.

        Notes
        -----
        When everything drawn is alike to what is shown, the least alike of it is returned.
        """
        drawn = rng.choice(self._foreign[realm], _TRIES)
        if not len(shown):
            return int(drawn[0])
        alike = (self._units[drawn] @ self._units[list(shown)].T).max(axis=1)
        below = np.flatnonzero(alike < limit)
        return int(drawn[below[0] if len(below) else alike.argmin()])


def _foreign(
    realm: str, realms: Mapping[str, Iterable[str]], absent: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the phrases for what pictures of a realm do not show."""
    strange = [phrase for other in FOREIGN[realm] for phrase in realms.get(other, ())]
    usual = () if realm == PHOTO else absent.get("micro", ())
    words = absent.get(realm, usual)
    return [*strange, *words] or [phrase for phrases in realms.values() for phrase in phrases]
