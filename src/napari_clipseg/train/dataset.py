"""Pictures with named masks: the folder layout, read into memory.

A data folder holds ``INDEX.json``, a list of data sets. A set of kind ``masks`` has
``images/*``, ``masks/<concept>/<stem>.png`` (0 or 255) and the lists ``train.txt`` and
``val.txt``; one of kind ``tiles`` has ``<concept>/*``, small pictures wholly of one concept.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_clipseg.train.config import ConfigError, DataConfig

INDEX = "INDEX.json"
"""Name of the list of data sets in a data folder."""

BACKGROUND = 1 << 6
"""Bit of the pixels that show none of a picture's concepts, where those are called background."""

UNLABELLED = 1 << 7
"""Bit of the pixels that teach nothing."""

MICRO = frozenset({"microscopy", "materials"})
"""Domains that are never seen together with those of the ``outdoor`` realm."""

_CONTRAST_PERCENTILES = (0.5, 99.8)


@dataclasses.dataclass(frozen=True, slots=True)
class Concept:
    """A thing that a picture may show.

    Parameters
    ----------
    name : str
        The same in all pictures that show the same thing.
    phrases : tuple of str
        What people call it.
    bits : int
        Its pixels are those of ``Scene.bits`` that share a bit with it; 0: it is absent.
    """

    name: str
    phrases: tuple[str, ...]
    bits: int


@dataclasses.dataclass(frozen=True, slots=True)
class Scene:
    """A picture with named masks, in memory.

    Parameters
    ----------
    image : uint8 (H, W, 3)
    bits : uint8 (H, W)
        Bit k is set where the k-th mask is; ``UNLABELLED`` where nothing is known.
    concepts : tuple of Concept
        Those of which presence or absence is known.
    realm : str
        ``"micro"``, ``"outdoor"``, ``"mosaic"`` or ``"plain"``: decides which words are absent.
    window : (float, float)
        Contrast window of the whole picture; (0, 255) for colour.
    upright, invertible, stained : bool
        Whether it may not be turned, may be inverted, and may be shown in other stains.
    """

    image: NDArray[np.uint8]
    bits: NDArray[np.uint8]
    concepts: tuple[Concept, ...]
    realm: str
    window: tuple[float, float] = (0.0, 255.0)
    upright: bool = False
    invertible: bool = False
    stained: bool = False

    def mask(self, concept: Concept) -> NDArray[np.bool_]:
        """Return the pixels (H, W) of one of the scene's concepts."""
        found: NDArray[np.bool_] = (self.bits & concept.bits) != 0
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class DataSet:
    """One entry of ``INDEX.json`` and the folder it speaks of."""

    folder: Path
    entry: Mapping[str, Any]
    config: DataConfig

    @property
    def name(self) -> str:
        """Name of the data set."""
        return str(self.entry["name"])

    @property
    def phrases(self) -> dict[str, tuple[str, ...]]:
        """Concepts with their phrases, without those that are skipped."""
        more = self.config.also.get(self.name, {})
        skipped = self.config.skip.get(self.name, [])
        return {
            concept: (*phrases, *more.get(concept, []))
            for concept, phrases in self.entry["concepts"].items()
            if concept not in skipped
        }

    @property
    def realm(self) -> str:
        """Which words cannot be in its pictures."""
        return "micro" if self.entry["domain"] in MICRO else "outdoor"

    def scenes(self, split: str) -> list[Scene]:
        """Return the pictures listed in ``<split>.txt``, in the list's order."""
        names = (self.folder / f"{split}.txt").read_text(encoding="utf-8").split("\n")
        return [self._scene(self.folder / "images" / name) for name in names if name]

    def tiles(self) -> dict[str, list[NDArray[np.uint8]]]:
        """Return the pictures of a tile set, concept by concept, in the order of their names."""
        return {
            concept: [read_rgb(file) for file in sorted((self.folder / concept).iterdir())]
            for concept in self.phrases
        }

    def _scene(self, file: Path) -> Scene:
        image = read_rgb(file)
        bits = np.zeros(image.shape[:2], np.uint8)
        concepts = []
        for index, (name, phrases) in enumerate(self.phrases.items()):
            mask_file = self.folder / "masks" / name / f"{file.stem}.png"
            if mask_file.exists():
                bits[np.asarray(Image.open(mask_file)) > 127] |= 1 << index
                concepts.append(Concept(name, phrases, 1 << index))
            elif self.entry["absent_mask_means_empty"]:
                concepts.append(Concept(name, phrases, 0))
        background = self.config.background.get(self.name, [])
        if background:
            concepts.append(Concept("background", tuple(background), name_rest(bits, BACKGROUND)))
        lacking = self.config.lacks.get(self.name, {})
        concepts += [Concept(name, tuple(words), 0) for name, words in lacking.items()]
        if self.name in self.config.unlabelled:
            name_rest(bits, UNLABELLED)
        return Scene(
            image,
            bits,
            tuple(concepts),
            self.realm,
            contrast_window(image),
            self.name in self.config.upright,
            self.name in self.config.invertible,
            self.name in self.config.stained,
        )


def name_rest(bits: NDArray[np.uint8], bit: int) -> int:
    """Set a bit where none is; return it."""
    bits[bits == 0] = bit
    return bit


def read_entries(data: Path) -> list[dict[str, Any]]:
    """Return the entries of a data folder's ``INDEX.json``.

    Raises
    ------
    ConfigError
        If there is none.
    """
    try:
        entries: list[dict[str, Any]] = json.loads((data / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{data} is no data folder: {error}") from error
    return entries


def read_index(data: Path, config: DataConfig) -> dict[str, DataSet]:
    """Return the data sets of a data folder that the configuration names.

    Raises
    ------
    ConfigError
        If there is no index, or a set is not in it or not to be trained on.
    """
    known = {entry["name"]: entry for entry in read_entries(data)}
    wanted = [*config.weights, *config.mosaics]
    for name in wanted:
        if name not in known:
            raise ConfigError(f"data set {name!r} is not in {data / INDEX}")
        if known[name]["use"] != "train":
            raise ConfigError(f"data set {name!r} is for {known[name]['use']}, not for training")
    return {name: DataSet(data / name, known[name], config) for name in wanted}


def read_rgb(file: Path) -> NDArray[np.uint8]:
    """Return a picture as RGB uint8 (H, W, 3), grey repeated."""
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def contrast_window(image: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the window through which the engine would show a picture (H, W, 3).

    Colour as it is, grey between two percentiles.
    """
    if (image[..., 0] != image[..., 1]).any():
        return 0.0, 255.0
    low, high = np.percentile(image[..., 0], _CONTRAST_PERCENTILES)
    return float(low), float(max(high, low + 1))
