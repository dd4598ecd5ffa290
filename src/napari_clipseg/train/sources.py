"""Where training pictures come from: what is known of each, and the pictures themselves."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

from napari_clipseg.train.dataset import Concept, Scene


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """What is known of a scene without its pixels.

    Parameters
    ----------
    realm : str
        As in :class:`~napari_clipseg.train.dataset.Scene`.
    concepts : tuple of Concept
        Those of the scene.
    shown : tuple of bool
        Whether each of them has at least one pixel.
    """

    realm: str
    concepts: tuple[Concept, ...]
    shown: tuple[bool, ...]

    @classmethod
    def of(cls, scene: Scene) -> Content:
        """Return what is known of a scene in memory."""
        shown = tuple(bool(scene.mask(concept).any()) for concept in scene.concepts)
        return cls(scene.realm, scene.concepts, shown)

    @property
    def seen(self) -> tuple[Concept, ...]:
        """The concepts that have at least one pixel."""
        return tuple(c for c, shown in zip(self.concepts, self.shown, strict=True) if shown)


class Source(Protocol):
    """Scenes by number; each is made or read when it is asked for."""

    @property
    def contents(self) -> Sequence[Content]:
        """What is known of every scene, by its number."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Scene: ...

    def digest(self) -> str:
        """Return a SHA-256 of the pictures and what they show, in their order."""


class Pictures:
    """Scenes that are kept in memory.

    Parameters
    ----------
    scenes : iterable of Scene
    """

    def __init__(self, scenes: Iterable[Scene]) -> None:
        self._scenes = tuple(scenes)
        self.contents: Sequence[Content] = tuple(Content.of(scene) for scene in self._scenes)

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, number: int) -> Scene:
        return self._scenes[number]

    def digest(self) -> str:
        """Return a SHA-256 over pixels, masks and names, in their order."""
        digest = hashlib.sha256()
        for scene in self._scenes:
            digest.update(f"{scene.image.shape} {scene.concepts}".encode())
            digest.update(scene.image.tobytes())
            digest.update(scene.bits.tobytes())
        return digest.hexdigest()
