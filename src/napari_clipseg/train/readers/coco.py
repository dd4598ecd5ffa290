"""COCO: instances and panoptic segmentations, with the folds of COCO-20i.

References
----------
Lin et al. 2014, arXiv 1405.0312; Kirillov et al. 2019, arXiv 1801.00868; Nguyen & Todorovic 2019,
arXiv 1909.13140 (COCO-20i).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth
from napari_clipseg.train.readers.outlines import polygon_mask, rle_mask
from napari_clipseg.train.readers.records import (
    Identifier,
    Record,
    check_shape,
    read_object,
    unreadable,
)

FOLDS = 4

Mask = NDArray[np.bool_]
Categories = Mapping[Identifier, str]
"""Identifier -> name."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Listed:
    """What an annotation file lists.

    Parameters
    ----------
    images : mapping of int or str to Record
        By their identifiers.
    categories : mapping of int or str to str
        Names in the order of their identifiers.
    annotations : list of Record
    """

    images: Mapping[Identifier, Record]
    categories: Categories
    annotations: list[Record]


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
    Annotations of images that the file does not list, as in subsets, are left out.

    Raises
    ------
    ConfigError
        If the annotations are not there or not of this format. So does reading a picture's
        truth, if its outlines or run lengths cannot be those of the picture.
    """
    listed = _listed(root / "annotations" / f"instances_{split}.json")
    of_image: dict[Identifier, list[Record]] = {identifier: [] for identifier in listed.images}
    # a fault in the file is said now, not when hours of work have been done
    for annotation in listed.annotations:
        annotation.look_up("category_id", listed.categories)
        annotation.get("segmentation", list, dict)
        of_image.get(annotation.identifier("image_id"), []).append(annotation)
    pictures = []
    for identifier, image in listed.images.items():
        file = root / split / image.get("file_name", str)
        _shape(image)
        truth = partial(_instances, file, image, of_image[identifier], listed.categories)
        pictures.append(Annotated(file, truth))
    return _named(root, listed.categories, pictures)


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
        If the annotations are not there or not of this format. So does reading a picture's
        truth, if its label image is not that of the picture.
    """
    folder = root / "annotations" / f"panoptic_{split}"
    listed = _listed(folder.with_name(f"{folder.name}.json"))
    pictures = []
    for annotation in listed.annotations:
        file = root / split / annotation.look_up("image_id", listed.images).get("file_name", str)
        labels = folder / annotation.get("file_name", str)
        for segment in annotation.by_identifier("segments_info").values():
            segment.look_up("category_id", listed.categories)
        truth = partial(_panoptic, file, labels, annotation, listed.categories)
        pictures.append(Annotated(file, truth))
    return _named(root, listed.categories, pictures)


def coco_20i(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the four folds of categories in the order of their ids: every fourth to each."""
    return tuple(tuple(names[fold::FOLDS]) for fold in range(FOLDS))


def _listed(file: Path) -> _Listed:
    content = read_object(file)
    images, categories = content.by_identifier("images"), content.by_identifier("categories")
    if not images or not categories:
        raise ConfigError(f"{file} lists {len(images)} images and {len(categories)} categories")
    ordered = sorted(categories.values(), key=lambda each: each.get("id", int))
    names: Categories = {each.identifier("id"): each.get("name", str) for each in ordered}
    return _Listed(images, names, content.list_of("annotations"))


def _named(root: Path, categories: Categories, pictures: list[Annotated]) -> AnnotatedSet:
    names = list(categories.values())
    phrases = {name: (_spoken(name),) for name in names}
    return AnnotatedSet(root.name, phrases, tuple(pictures), coco_20i(names))


def _spoken(name: str) -> str:
    """Return a category as one would say it: "wall-brick" and "tree-merged" are not."""
    return name.removesuffix("-merged").removesuffix("-other").replace("-", " ")


def _instances(
    file: Path, image: Record, annotations: list[Record], categories: Categories
) -> Truth:
    shape = _shape(image)
    check_shape(file, shape, image.place)
    masks = (_instance_mask(each, shape) for each in annotations)
    return _truth(zip(annotations, masks, strict=True), np.ones(shape, bool), categories)


def _shape(image: Record) -> tuple[int, int]:
    return image.get("height", int), image.get("width", int)


def _instance_mask(annotation: Record, shape: tuple[int, int]) -> Mask:
    segmentation = annotation.get("segmentation", list, dict)
    try:
        if isinstance(segmentation, dict):
            return rle_mask(segmentation, shape)
        return polygon_mask(segmentation, shape)
    except ConfigError as error:
        raise ConfigError(f"the segmentation in {annotation.place}: {error}") from error


def _panoptic(file: Path, labels: Path, annotation: Record, categories: Categories) -> Truth:
    try:
        with Image.open(labels) as image:
            colours = np.asarray(image.convert("RGB"), np.int64)
    except OSError as error:
        raise unreadable(labels, error) from error
    ids = colours @ (1, 256, 256**2)
    check_shape(file, (ids.shape[0], ids.shape[1]), str(labels))
    listed = {each.get("id", int): each for each in annotation.list_of("segments_info")}
    unlisted = np.setdiff1d(ids, [0, *listed])
    if unlisted.size:
        raise ConfigError(
            f"{labels} has pixels of segment {unlisted[0]}, which {annotation.place} does not list"
        )
    segments = ((segment, ids == each) for each, segment in listed.items())
    return _truth(segments, ids != 0, categories)


def _truth(
    segments: Iterable[tuple[Record, Mask]], annotated: Mask, categories: Categories
) -> Truth:
    """Join the segments of each category; what is called a crowd is not known."""
    masks: dict[str, Mask] = {}
    known = annotated.copy()
    for segment, mask in segments:
        if segment.values.get("iscrowd"):
            known &= ~mask
        else:
            name = segment.look_up("category_id", categories)
            masks[name] = masks[name] | mask if name in masks else mask
    # a thing too small for a pixel is there all the same
    return Truth.of(masks, known, frozenset(categories.values()) - masks.keys())
