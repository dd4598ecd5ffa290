"""Pascal VOC segmentation, with the folds of Pascal-5i.

References
----------
Everingham et al. 2010, doi:10.1007/s11263-009-0275-4; Shaban et al. 2017, arXiv 1709.03410
(Pascal-5i).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth

VOID = 255
"""Value of pixels along borders that the annotators left open."""

CLASSES = {
    "aeroplane": ("aeroplane", "airplane"),
    "bicycle": ("bicycle",),
    "bird": ("bird",),
    "boat": ("boat",),
    "bottle": ("bottle",),
    "bus": ("bus",),
    "car": ("car",),
    "cat": ("cat",),
    "chair": ("chair",),
    "cow": ("cow",),
    "diningtable": ("dining table", "table"),
    "dog": ("dog",),
    "horse": ("horse",),
    "motorbike": ("motorbike", "motorcycle"),
    "person": ("person",),
    "pottedplant": ("potted plant",),
    "sheep": ("sheep",),
    "sofa": ("sofa", "couch"),
    "train": ("train",),
    "tvmonitor": ("tv monitor", "television"),
}
"""The twenty classes in the order of their values, from 1, with what one says."""

PASCAL_5I = tuple(tuple(CLASSES)[first : first + 5] for first in range(0, 20, 5))
"""Four folds of five classes."""


def read_voc(root: Path, split: str) -> AnnotatedSet:
    """Return Pascal VOC's class segmentation.

    Parameters
    ----------
    root : Path
        For instance ``VOCdevkit/VOC2012``: ``JPEGImages``, ``SegmentationClass`` and
        ``ImageSets/Segmentation/<split>.txt``.
    split : str
        "train", "val" or the name of a list of one's own, as that of a Pascal-5i fold.

    Raises
    ------
    ConfigError
        If there is no such list.
    """
    listed = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    if not listed.is_file():
        raise ConfigError(f"there is no list {listed}: is {root} a folder of Pascal VOC?")
    pictures = [
        Annotated(
            root / "JPEGImages" / f"{name}.jpg",
            partial(_truth, root / "SegmentationClass" / f"{name}.png"),
        )
        for name in listed.read_text(encoding="utf-8").split()
    ]
    return AnnotatedSet(root.name, CLASSES, tuple(pictures), PASCAL_5I)


def _truth(file: Path) -> Truth:
    with Image.open(file) as picture:
        values = np.asarray(picture)
    masks = {name: values == index for index, name in enumerate(CLASSES, 1)}
    return Truth.of(masks, values != VOID, frozenset(CLASSES))
