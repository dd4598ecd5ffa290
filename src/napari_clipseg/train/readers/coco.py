"""COCO: instances and panoptic segmentations, with the folds of COCO-20i.

References
----------
Lin et al. 2014, arXiv 1405.0312; Kirillov et al. 2019, arXiv 1801.00868; Nguyen & Todorovic 2019,
arXiv 1909.13140 (COCO-20i).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth
from napari_clipseg.train.readers.outlines import polygon_mask, rle_mask

FOLDS = 4

Record = dict[str, Any]
Mask = NDArray[np.bool_]


def read_coco_instances(root: Path, split: str) -> AnnotatedSet:
    """Return COCO's objects, all instances of a category in one mask.

    Parameters
    ----------
    root : Path
        Holds ``annotations/instances_<split>.json`` and the images in ``<split>/``.
    split : str
        For instance "val2017".

    Notes
    -----
    What is annotated as a crowd is not known: it counts neither as found nor as missed.

    Raises
    ------
    ConfigError
        If the annotations are not there or not of this format.
    """
    content = _content(root / "annotations" / f"instances_{split}.json")
    categories = _categories(content)
    of_image: dict[int, list[Record]] = defaultdict(list)
    for annotation in content["annotations"]:
        of_image[annotation["image_id"]].append(annotation)
    pictures = [
        Annotated(
            root / split / image["file_name"],
            partial(_instances, image, of_image[image["id"]], categories),
        )
        for image in content["images"]
    ]
    return _named(root, categories, pictures)


def read_coco_panoptic(root: Path, split: str) -> AnnotatedSet:
    """Return COCO's panoptic segmentation: things and stuff, each category in one mask.

    Parameters
    ----------
    root : Path
        Holds ``annotations/panoptic_<split>.json``, the label images in
        ``annotations/panoptic_<split>/`` and the images in ``<split>/``.
    split : str
        For instance "val2017".

    Raises
    ------
    ConfigError
        If the annotations are not there or not of this format.
    """
    folder = root / "annotations" / f"panoptic_{split}"
    content = _content(folder.with_suffix(".json"))
    categories = _categories(content)
    files = {image["id"]: image["file_name"] for image in content["images"]}
    pictures = [
        Annotated(
            root / split / files[annotation["image_id"]],
            partial(_panoptic, folder / annotation["file_name"], annotation, categories),
        )
        for annotation in content["annotations"]
    ]
    return _named(root, categories, pictures)


def coco_20i(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the four folds of categories in the order of their ids: every fourth to each."""
    return tuple(tuple(names[fold::FOLDS]) for fold in range(FOLDS))


def _content(file: Path) -> Record:
    try:
        content: Record = json.loads(file.read_text(encoding="utf-8"))
        missing = {"images", "annotations", "categories"} - content.keys()
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"{file} cannot be read as COCO annotations: {error}") from error
    if missing:
        raise ConfigError(f"{file} is no file of COCO annotations: it has no {sorted(missing)}")
    return content


def _categories(content: Record) -> dict[int, str]:
    ordered = sorted(content["categories"], key=lambda each: int(each["id"]))
    return {each["id"]: each["name"] for each in ordered}


def _named(root: Path, categories: dict[int, str], pictures: list[Annotated]) -> AnnotatedSet:
    names = list(categories.values())
    phrases = {name: (_spoken(name),) for name in names}
    return AnnotatedSet(root.name, phrases, tuple(pictures), coco_20i(names))


def _spoken(name: str) -> str:
    """Return a category as one would say it: "wall-brick" and "tree-merged" are not."""
    return name.removesuffix("-merged").removesuffix("-other").replace("-", " ")


def _instances(image: Record, annotations: list[Record], categories: dict[int, str]) -> Truth:
    shape = (int(image["height"]), int(image["width"]))
    masks = (_instance_mask(each["segmentation"], shape) for each in annotations)
    return _truth(zip(annotations, masks, strict=True), np.ones(shape, bool), categories)


def _instance_mask(segmentation: Any, shape: tuple[int, int]) -> Mask:
    if isinstance(segmentation, dict):
        return rle_mask(segmentation)
    return polygon_mask(segmentation, shape)


def _panoptic(file: Path, annotation: Record, categories: dict[int, str]) -> Truth:
    colours = np.asarray(Image.open(file).convert("RGB"), np.int64)
    ids = colours @ (1, 256, 256**2)
    segments = ((each, ids == each["id"]) for each in annotation["segments_info"])
    return _truth(segments, ids != 0, categories)


def _truth(
    segments: Iterable[tuple[Record, Mask]], annotated: Mask, categories: dict[int, str]
) -> Truth:
    """Join the segments of each category; what is called a crowd is not known."""
    masks: dict[str, Mask] = {}
    known = annotated.copy()
    for segment, mask in segments:
        if segment.get("iscrowd"):
            known &= ~mask
        else:
            name = categories[segment["category_id"]]
            masks[name] = masks.get(name, False) | mask
    return Truth.of(masks, known, frozenset(categories.values()))
