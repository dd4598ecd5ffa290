"""The layout that comes with this package: a folder of images with one mask file for each concept.

It is the layout that :mod:`napari_clipseg.train.layout` describes; lists may have any name.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.layout import (
    IMAGES,
    INDEX,
    MASKS,
    Entry,
    entry_of,
    read_entries,
    read_list,
)
from napari_clipseg.train.pictures import read_masks
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth
from napari_clipseg.train.readers.records import picture_shape


def read_folder(root: Path, split: str) -> AnnotatedSet:
    """Return a data set in this package's layout.

    Parameters
    ----------
    root : Path
        Folder of the data set. Without an ``INDEX.json`` beside it that names it, concepts are
        called like their mask folders and a missing mask says nothing.
    split : str
        Name of the list: "train", "val" or "eval".

    Raises
    ------
    ConfigError
        If there is no such list, it names pictures that are not there, there is no mask, the
        index is wrong, or the folder holds tiles instead of masks.
    """
    names, entry = read_list(root, split), _entry(root)
    pictures = tuple(
        Annotated(root / IMAGES / name, partial(_truth, root, name, entry)) for name in names
    )
    return AnnotatedSet(root.name, entry.concepts, pictures)


def _entry(root: Path) -> Entry:
    """Return what the index says of a data set, or what its folders say where it says nothing."""
    index = root.parent / INDEX
    for raw in read_entries(root.parent) if index.is_file() else []:
        if raw["name"] == root.name:
            return entry_of(raw, f"data set {root.name!r} in {index}", MASKS)
    folders = sorted(each.name for each in (root / MASKS).glob("*") if each.is_dir())
    if not folders:
        raise ConfigError(f"{root} has no folder {MASKS}/<concept>")
    concepts = {name: (name.replace("-", " ").replace("_", " "),) for name in folders}
    return Entry(root.name, concepts, complete=False)


def _truth(root: Path, name: str, entry: Entry) -> Truth:
    """Return what is known of a picture.

    Raises
    ------
    ConfigError
        If the picture cannot be read.
    ImageError
        If a mask cannot be read, or does not fit its picture.
    """
    shape = picture_shape(root / IMAGES / name)
    masks = read_masks(root, name, entry.concepts, shape)
    asked = entry.concepts.keys() if entry.complete else masks.keys()
    return Truth.of(masks, np.ones(shape, bool), frozenset(asked))
