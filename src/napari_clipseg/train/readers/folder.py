"""The layout that comes with this package: a folder of images with one mask file for each concept.

``images/*``, ``masks/<concept>/<stem>.png`` (0 or 255) and lists of image file names
(``train.txt``, ``val.txt``, ``eval.txt``). Beside the folder ``INDEX.json`` gives the phrases of
every concept and says whether a missing mask means that the concept is absent.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth


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
        If there is no such list, no mask, or the folder holds tiles instead of masks.
    """
    listed = root / f"{split}.txt"
    if not listed.is_file():
        lists = ", ".join(sorted(file.stem for file in root.glob("*.txt"))) or "none"
        raise ConfigError(f"{root} has no list {split}.txt of images; it has {lists}")
    entry = _entry(root)
    concepts = {name: tuple(phrases) for name, phrases in entry["concepts"].items()}
    complete = frozenset(concepts) if entry["absent_mask_means_empty"] else frozenset()
    names = [name for name in listed.read_text(encoding="utf-8").splitlines() if name]
    pictures = [
        Annotated(root / "images" / name, partial(_truth, root, name, tuple(concepts), complete))
        for name in names
    ]
    return AnnotatedSet(root.name, concepts, tuple(pictures))


def _entry(root: Path) -> dict[str, Any]:
    """Return what the index says of a data set, or what its folders say where it says nothing."""
    index = root.parent / "INDEX.json"
    try:
        entries = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else []
    except ValueError as error:
        raise ConfigError(f"{index} is no JSON: {error}") from error
    for entry in entries:
        if entry["name"] == root.name:
            if entry["kind"] != "masks":
                raise ConfigError(f"{root} holds {entry['kind']}, not images with masks")
            return dict(entry)
    folders = sorted(each.name for each in (root / "masks").glob("*") if each.is_dir())
    if not folders:
        raise ConfigError(f"{root} has no folder masks/<concept>")
    concepts = {name: [name.replace("-", " ").replace("_", " ")] for name in folders}
    return {"concepts": concepts, "absent_mask_means_empty": False}


def _truth(root: Path, name: str, concepts: tuple[str, ...], complete: frozenset[str]) -> Truth:
    masks = {}
    for concept in concepts:
        file = root / "masks" / concept / f"{Path(name).stem}.png"
        if file.is_file():
            masks[concept] = np.asarray(Image.open(file).convert("L")) > 127
    with Image.open(root / "images" / name) as image:
        known = np.ones((image.height, image.width), bool)
    return Truth.of(masks, known, complete | masks.keys())
