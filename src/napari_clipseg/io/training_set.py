"""A data folder for training, made of pictures and what a person painted on them.

The layout is that of ``docs/training.md``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_clipseg.atomic import atomic_path, writable_folder
from napari_clipseg.engine.pixels import Contrast, Pixels
from napari_clipseg.errors import ImageError, SettingError

MOST_CONCEPTS = 7
"""Masks that training can keep of one picture."""


@dataclasses.dataclass(frozen=True, slots=True)
class Painted:
    """A picture and what was painted on it.

    Parameters
    ----------
    name : str
        Of the files that are made of it, without an ending.
    image : array-like (H, W) or (H, W, C)
        As :class:`napari_clipseg.engine.pixels.Pixels` reads it.
    masks : mapping of str to ndarray (H, W) bool
        Concept -> its pixels. A concept without any is not in the picture.
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
        Name -> what people call it, the most natural first; at most seven concepts.
    domain : str
        "microscopy", "materials", "aerial", "street" ...: decides which words cannot be in its
        pictures.
    held_out : float
        Share of the pictures that training is measured on and does not see; at least one, unless
        it is 0 or there is only one picture.
    """

    name: str
    concepts: Mapping[str, Sequence[str]]
    domain: str = "microscopy"
    held_out: float = 0.2


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
    SettingError
        If there is no picture, two have one name, or a concept is painted nowhere.
    ImageError
        If an image is none that can be read, or a mask has another shape.
    OutputError
        If a file cannot be written.
    """
    _check(new, pictures)
    folder = writable_folder(data / new.name)
    for picture in pictures:
        _write_picture(folder, new, picture)
    held_out = _held_out(new, len(pictures))
    names = [f"{picture.name}.png" for picture in pictures]
    lists = {
        "train": [each for index, each in enumerate(names) if index not in held_out],
        "val": [each for index, each in enumerate(names) if index in held_out],
    }
    for split, listed in lists.items():
        (folder / f"{split}.txt").write_text("".join(f"{each}\n" for each in listed), "utf-8")
    _enter(data, new)
    return folder


def _check(new: TrainingSet, pictures: Sequence[Painted]) -> None:
    if not pictures:
        raise SettingError("there is no picture to make a data set of")
    if not 0 < len(new.concepts) <= MOST_CONCEPTS:
        raise SettingError(f"a data set has 1 to {MOST_CONCEPTS} concepts, not {len(new.concepts)}")
    names = [picture.name for picture in pictures]
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
    for concept, phrases in new.concepts.items():
        if not phrases or isinstance(phrases, str):
            raise SettingError(f"the concept {concept!r} needs a list of what people call it")
        if not any(_mask(picture, concept).any() for picture in pictures):
            raise SettingError(f"the concept {concept!r} is painted in no picture")


def _mask(picture: Painted, concept: str) -> NDArray[np.bool_]:
    return picture.masks.get(concept, np.zeros(np.shape(picture.image)[:2], bool))


def _write_picture(folder: Path, new: TrainingSet, picture: Painted) -> None:
    pixels = Pixels(picture.image, contrast=picture.contrast)
    rgb = np.round(pixels.read((0, 0, *pixels.shape)) * 255).astype(np.uint8)
    _write_png(folder / "images" / f"{picture.name}.png", rgb)
    for concept in new.concepts:
        mask = _mask(picture, concept)
        file = folder / "masks" / concept / f"{picture.name}.png"
        if mask.any():
            _write_png(file, mask.astype(np.uint8) * 255)
        else:
            file.unlink(missing_ok=True)


def _write_png(file: Path, pixels: NDArray[np.uint8]) -> None:
    writable_folder(file.parent)
    with atomic_path(file) as unfinished:
        Image.fromarray(pixels).save(unfinished, format="png")


def _held_out(new: TrainingSet, count: int) -> set[int]:
    """Return which pictures are held out, evenly spread over all."""
    wanted = 0 if new.held_out <= 0 or count < 2 else max(1, round(count * new.held_out))
    return {(2 * index + 1) * count // (2 * wanted) for index in range(min(wanted, count - 1))}


def _enter(data: Path, new: TrainingSet) -> None:
    index = data / "INDEX.json"
    try:
        entries = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else []
    except ValueError as error:
        raise SettingError(f"{index} is no JSON, so nothing can be entered: {error}") from error
    entry = {
        "name": new.name,
        "use": "train",
        "kind": "masks",
        "domain": new.domain,
        "concepts": {name: list(phrases) for name, phrases in new.concepts.items()},
        "absent_mask_means_empty": True,
    }
    kept = [each for each in entries if each["name"] != new.name]
    with atomic_path(index) as unfinished:
        unfinished.write_text(json.dumps([*kept, entry], indent=1), encoding="utf-8")
