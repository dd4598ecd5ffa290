"""Pictures with named masks: data sets in the folder layout, read into memory to train on."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.engine.pixels import HIGH_PERCENTILE, LOW_PERCENTILE
from napari_clipseg.train.config import ConfigError, DataConfig
from napari_clipseg.train.layout import (
    IMAGES,
    INDEX,
    MASKS,
    TILES,
    TRAIN,
    Entry,
    entry_of,
    given,
    listing,
    read_entries,
    read_list,
    realm_of,
)
from napari_clipseg.train.pictures import read_masks, read_rgb

MOST_CONCEPTS = 7
"""Masks that a :class:`Scene` can hold, that of the background among them."""

BACKGROUND = 1 << (MOST_CONCEPTS - 1)
"""Bit of the pixels that show none of a picture's concepts, where those are called background."""

UNLABELLED = 1 << MOST_CONCEPTS
"""Bit of the pixels that teach nothing."""

log = logging.getLogger(__name__)


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
    """A data set of a data folder, as a configuration asks for it.

    Parameters
    ----------
    folder : Path
    entry : Entry
        What the index says of it.
    realm : str
        Which words cannot be in its pictures.
    config : DataConfig
    """

    folder: Path
    entry: Entry
    realm: str
    config: DataConfig

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.entry.name

    @property
    def phrases(self) -> dict[str, tuple[str, ...]]:
        """Concepts with their phrases, without those that are skipped."""
        more = self.config.also.get(self.name, {})
        skipped = self.config.skip.get(self.name, [])
        return {
            concept: (*phrases, *more.get(concept, []))
            for concept, phrases in self.entry.concepts.items()
            if concept not in skipped
        }

    def scenes(self, split: str) -> list[Scene]:
        """Return the pictures listed in ``<split>.txt``, in the list's order.

        Raises
        ------
        ConfigError
            If there is no such list or it names pictures that are not there; if nothing can be
            learned from the list ``train``, from one of its pictures, or of one of the concepts.
        ImageError
            If a picture or a mask cannot be read, or a mask does not fit its picture.
        """
        names = read_list(self.folder, split)
        scenes = [self._scene(self.folder / IMAGES / name) for name in names]
        if split == TRAIN:
            self._check_teaching(names, scenes)
        else:
            self._warn_of_trained(split, names)
        return scenes

    def tiles(self) -> dict[str, list[NDArray[np.uint8]]]:
        """Return the pictures of a tile set, concept by concept, in the order of their names.

        Raises
        ------
        ConfigError
            If there is none of a concept.
        ImageError
            If one cannot be read.
        """
        return {concept: self._tiles(self.folder / concept) for concept in self.phrases}

    def _tiles(self, folder: Path) -> list[NDArray[np.uint8]]:
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        if not files:
            raise ConfigError(f"{folder} must be a folder with pictures; there is none")
        return [read_rgb(file) for file in files]

    def _scene(self, file: Path) -> Scene:
        image = read_rgb(file)
        masks = read_masks(self.folder, file.name, self.phrases, image.shape[:2])
        bits = np.zeros(image.shape[:2], np.uint8)
        concepts = []
        for index, (name, phrases) in enumerate(self.phrases.items()):
            if name in masks:
                bits[masks[name]] |= 1 << index
                concepts.append(Concept(name, phrases, 1 << index))
            elif self.entry.complete:
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

    def _check_teaching(self, names: Sequence[str], scenes: Sequence[Scene]) -> None:
        """Refuse training pictures from which nothing can be learned."""
        file = self.folder / f"{TRAIN}.txt"
        if not names:
            raise ConfigError(f"{file} lists no picture; there must be at least one to train on")
        unknown = [name for name, scene in zip(names, scenes, strict=True) if not scene.concepts]
        if unknown:
            raise ConfigError(
                f"nothing is known of pictures that {file} lists, as they have no mask and "
                f'"absent_mask_means_empty" is false: {listing(unknown)}; draw masks or take '
                "them off the list"
            )
        seen = np.bitwise_or.reduce([np.bitwise_or.reduce(each.bits, axis=None) for each in scenes])
        for index, concept in enumerate(self.phrases):
            if not int(seen) & 1 << index:
                raise ConfigError(
                    f"no picture that {file} lists shows {concept!r}: its masks in "
                    f"{self.folder / MASKS / concept} are missing or empty; name it under "
                    f"data.skip.{self.name}, or under data.lacks.{self.name} if it is never there"
                )

    def _warn_of_trained(self, split: str, names: Sequence[str]) -> None:
        """Say which pictures would be measured on although they are trained on."""
        trained = set(read_list(self.folder, TRAIN))
        both = [name for name in names if name in trained]
        if both:
            log.warning(
                "%s: %s of %s.txt are in %s.txt too, so what is measured on them says nothing "
                "about new pictures",
                self.folder,
                listing(both),
                split,
                TRAIN,
            )


def name_rest(bits: NDArray[np.uint8], bit: int) -> int:
    """Set a bit where none is; return it."""
    bits[bits == 0] = bit
    return bit


def read_index(data: Path, config: DataConfig) -> dict[str, DataSet]:
    """Return the data sets of a data folder that the configuration names.

    Raises
    ------
    ConfigError
        If there is no index; if a set is not in it, not to be trained on, of the wrong kind, or
        has more concepts than a scene can hold; if a concept of the configuration is not in it.
    """
    known = {raw["name"]: raw for raw in read_entries(data)}
    kinds = dict.fromkeys(config.weights, MASKS) | dict.fromkeys(config.mosaics, TILES)
    sets = {}
    for name, kind in kinds.items():
        if name not in known:
            raise ConfigError(f"data set {name!r} is not in {data / INDEX}")
        where = f"data set {name!r} in {data / INDEX}"
        use = given(known[name], "use", where)
        if use != TRAIN:
            raise ConfigError(f"{where} is for {use}, not for training")
        entry, realm = entry_of(known[name], where, kind), realm_of(known[name], where)
        sets[name] = DataSet(data / name, entry, realm, config)
        _check_concepts(sets[name], where)
        if kind == MASKS:
            _check_bits(sets[name], where)
    return sets


def _check_concepts(found: DataSet, where: str) -> None:
    """Refuse settings for concepts that a data set does not have."""
    config, name = found.config, found.name
    for setting, concepts in (("skip", config.skip), ("also", config.also)):
        strange = [each for each in concepts.get(name, ()) if each not in found.entry.concepts]
        if strange:
            raise ConfigError(
                f"data.{setting}.{name} names {listing(strange)}; the concepts of {where} are "
                f"{', '.join(found.entry.concepts)}"
            )


def _check_bits(found: DataSet, where: str) -> None:
    """Refuse more concepts than a scene has bits for."""
    most = MOST_CONCEPTS - bool(found.config.background.get(found.name))
    if len(found.phrases) > most:
        raise ConfigError(
            f"{where} has {len(found.phrases)} concepts; training can keep {MOST_CONCEPTS} masks "
            f"of a picture, a name under data.background counted: name some under "
            f"data.skip.{found.name}, or make two data sets of it"
        )


def contrast_window(image: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the window through which the engine would show a picture (H, W, 3).

    Colour as it is, grey between two percentiles.
    """
    if (image[..., 0] != image[..., 1]).any():
        return 0.0, 255.0
    low, high = np.percentile(image[..., 0], (LOW_PERCENTILE, HIGH_PERCENTILE))
    return float(low), float(max(high, low + 1))
