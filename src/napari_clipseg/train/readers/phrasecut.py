"""PhraseCut: phrases that refer to regions of photographs.

References
----------
Wu et al. 2020, "PhraseCut: Language-based Image Segmentation in the Wild", arXiv 2008.01187.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth
from napari_clipseg.train.readers.outlines import polygon_mask


def read_phrasecut(root: Path, split: str) -> AnnotatedSet:
    """Return PhraseCut, in which every phrase is a concept of its own.

    Parameters
    ----------
    root : Path
        Holds ``refer_<split>.json`` and ``images/<image_id>.jpg``.
    split : str
        "train", "val", "test" or "miniv".

    Notes
    -----
    Of phrases that were not asked of a picture nothing is known.

    Raises
    ------
    ConfigError
        If the file of phrases is not there or not of this format.
    """
    file = root / f"refer_{split}.json"
    of_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
    try:
        for task in json.loads(file.read_text(encoding="utf-8")):
            of_image[task["image_id"]].append(
                {"phrase": task["phrase"], "outlines": task["Polygons"]}
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} cannot be read as phrases of PhraseCut: {error}") from error
    phrases = {task["phrase"]: (task["phrase"],) for tasks in of_image.values() for task in tasks}
    pictures = []
    for image_id, tasks in of_image.items():
        image = root / "images" / f"{image_id}.jpg"
        pictures.append(Annotated(image, partial(_truth, image, tasks)))
    return AnnotatedSet(root.name, phrases, tuple(pictures))


def _truth(image: Path, tasks: list[dict[str, Any]]) -> Truth:
    with Image.open(image) as picture:
        shape = (picture.height, picture.width)
    masks = {}
    for task in tasks:
        outlines = [outline for instance in task["outlines"] for outline in instance]
        masks[task["phrase"]] = polygon_mask(outlines, shape)
    return Truth.of(masks, np.ones(shape, bool), frozenset(masks))
