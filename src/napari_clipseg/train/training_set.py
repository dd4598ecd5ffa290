"""A data folder for training, made of pictures and what a person painted on them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_clipseg.atomic import atomic_path, writable_folder
from napari_clipseg.engine.pixels import Contrast, Pixels
from napari_clipseg.errors import ImageError, SettingError
from napari_clipseg.train.dataset import MOST_CONCEPTS
from napari_clipseg.train.layout import (
    IMAGES,
    INDEX,
    MASKS,
    TRAIN,
    VAL,
    check_name,
    entry_of,
    listing,
    mask_file,
    read_entries,
    realm_of,
)
from napari_clipseg.train.pictures import eight_bits


@dataclasses.dataclass(frozen=True, slots=True)
class Painted:
    """A picture and what was painted on it.

    Parameters
    ----------
    name : str
        Of the files that are made of it, without an ending; no path.
    image : array-like (H, W) or (H, W, C)
        As :class:`napari_clipseg.engine.pixels.Pixels` reads it.
    masks : mapping of str to ndarray (H, W) bool
        Concept -> its pixels. A concept of the data set without any is not in the picture.
    contrast : "auto" or (float, float)
        The values that become black and white: files hold 8 bits.
    """

    name: str
    image: Any
    masks: Mapping[str, NDArray[np.bool_]]
    contrast: Contrast = "auto"

    @classmethod
    def of_labels(
        cls,
        name: str,
        image: Any,
        labels: NDArray[np.integer[Any]],
        values: Mapping[str, Sequence[int]],
    ) -> Painted:
        """Return a picture with a label array (H, W), of which values mean concepts.

        A concept without values is every value but 0, as where its objects are numbered.
        """
        masks = {
            concept: np.isin(labels, own) if len(own) else labels != 0
            for concept, own in values.items()
        }
        return cls(name, image, masks)


@dataclasses.dataclass(frozen=True, slots=True)
class TrainingSet:
    """How a data set is to be written.

    Parameters
    ----------
    name : str
        Of its folder.
    concepts : mapping of str to sequence of str
        Name -> what people call it, the most natural first; at most
        :data:`~napari_clipseg.train.dataset.MOST_CONCEPTS`.
    domain : str
        One of :data:`~napari_clipseg.train.layout.DOMAINS`: decides which words cannot be in its
        pictures.
    held_out : float
        Share in [0, 1) of the pictures that training is measured on and does not see; at least
        one, unless it is 0 or there is only one picture.
    """

    name: str
    concepts: Mapping[str, Sequence[str]]
    domain: str = "microscopy"
    held_out: float = 0.2

    def entry(self) -> dict[str, Any]:
        """Return what the index of the data folder says of it.

        Raises
        ------
        ConfigError
            If a name cannot be that of a folder, a concept has no list of phrases, or the domain
            is unknown.
        """
        where = f"the data set {self.name!r}"
        entry = {
            "name": self.name,
            "use": TRAIN,
            "kind": MASKS,
            "domain": self.domain,
            "concepts": self.concepts,
            "absent_mask_means_empty": True,
        }
        realm_of(entry, where)
        checked = entry_of(entry, where, MASKS)
        return {**entry, "concepts": {name: list(said) for name, said in checked.concepts.items()}}


def write_data_set(data: Path, new: TrainingSet, pictures: Sequence[Painted]) -> Path:
    """Write a data set into a data folder and enter it into the folder's index.

    Parameters
    ----------
    data : Path
        Data folder, made if it is missing; other sets in it stay what they are.
    new : TrainingSet
        A set of this name that is there already is replaced.
    pictures : sequence of Painted
        What is not painted on them is not there.

    Returns
    -------
    Path
        Folder of the data set.

    Raises
    ------
    ConfigError
        If the set cannot be entered into the index, or a picture's name cannot be that of a file.
    SettingError
        If there is no picture, two have one name, a concept is painted nowhere or only where it
        is held out, or something else is painted.
    ImageError
        If an image is none that can be read, or a mask has another shape.
    OutputError
        If a file cannot be written.
    """
    entry = new.entry()
    lists = _lists(new, pictures)
    _check_pictures(pictures)
    _check_concepts(new, pictures, lists[TRAIN])
    entries = read_entries(data) if (data / INDEX).is_file() else []
    folder = writable_folder(data / new.name)
    for picture in pictures:
        _write_picture(folder, new, picture)
    for split, listed in lists.items():
        _write_text(folder / f"{split}.txt", "".join(f"{each.name}.png\n" for each in listed))
    kept = [each for each in entries if each["name"] != new.name]
    _write_text(data / INDEX, json.dumps([*kept, entry], indent=1))
    return folder


def _lists(new: TrainingSet, pictures: Sequence[Painted]) -> dict[str, list[Painted]]:
    """Return the pictures that are learned from, and those held out, evenly spread over all."""
    if not 0 <= new.held_out < 1:
        raise SettingError(f"held_out is a share in [0, 1), not {new.held_out}")
    count = len(pictures)
    wanted = 0 if new.held_out == 0 or count < 2 else max(1, round(count * new.held_out))
    chosen = {(2 * index + 1) * count // (2 * wanted) for index in range(min(wanted, count - 1))}
    return {
        TRAIN: [each for index, each in enumerate(pictures) if index not in chosen],
        VAL: [each for index, each in enumerate(pictures) if index in chosen],
    }


def _check_pictures(pictures: Sequence[Painted]) -> None:
    """Refuse pictures that have no files of their own, and masks that are not theirs."""
    if not pictures:
        raise SettingError("there is no picture to make a data set of")
    names = [picture.name for picture in pictures]
    for name in names:
        check_name(name, "the name of a picture")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingError(f"two pictures are called {twice[0]!r}; rename one of them")
    for picture in pictures:
        shape = tuple(np.shape(picture.image)[:2])
        wrong = [mask.shape for mask in picture.masks.values() if mask.shape != shape]
        if wrong:
            raise ImageError(
                f"a mask of {picture.name!r} has the shape {wrong[0]}, the image {shape}; "
                "they must be equal"
            )


def _check_concepts(
    new: TrainingSet, pictures: Sequence[Painted], taught: Sequence[Painted]
) -> None:
    """Refuse concepts of which nothing would be learned."""
    if len(new.concepts) > MOST_CONCEPTS:
        raise SettingError(
            f"a data set to train on has at most {MOST_CONCEPTS} concepts, not {len(new.concepts)}"
        )
    check_known((name for picture in pictures for name in picture.masks), new)
    trained = {picture.name for picture in taught}
    for concept in new.concepts:
        painted = [each.name for each in pictures if _mask(each, concept).any()]
        if not painted:
            raise SettingError(f"the concept {concept!r} is painted in no picture")
        if trained.isdisjoint(painted):
            raise SettingError(
                f"the concept {concept!r} is painted only in pictures that are held out "
                f"({listing(painted)}); paint it in another one too, or "
                "hold none out with held_out=0"
            )


def check_known(names: Iterable[str], new: TrainingSet) -> None:
    """Refuse names that are not concepts of a data set.

    Raises
    ------
    SettingError
        If there is one.
    """
    unknown = sorted(set(names) - set(new.concepts))
    if unknown:
        raise SettingError(
            f"{listing(unknown)}: no such concept in the data set {new.name!r}, which has "
            f"{', '.join(new.concepts)}"
        )


def _mask(picture: Painted, concept: str) -> NDArray[np.bool_]:
    if concept in picture.masks:
        return np.asarray(picture.masks[concept], bool)
    return np.zeros(np.shape(picture.image)[:2], bool)


def _write_picture(folder: Path, new: TrainingSet, picture: Painted) -> None:
    file = folder / IMAGES / f"{picture.name}.png"
    _write_png(file, eight_bits(Pixels(picture.image, contrast=picture.contrast)))
    for concept in new.concepts:
        mask, place = _mask(picture, concept), mask_file(folder, concept, file.name)
        if mask.any():
            _write_png(place, mask.astype(np.uint8) * 255)
        else:
            place.unlink(missing_ok=True)


def _write_png(file: Path, pixels: NDArray[np.uint8]) -> None:
    writable_folder(file.parent)
    with atomic_path(file) as unfinished:
        Image.fromarray(pixels).save(unfinished, format="png")


def _write_text(file: Path, text: str) -> None:
    with atomic_path(file) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
