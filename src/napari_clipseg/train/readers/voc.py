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
from numpy.typing import NDArray
from PIL import Image

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth
from napari_clipseg.train.readers.records import check_shape, unreadable

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
        If there is no such list, or it is no list of names. So does reading a picture's truth,
        if its file of classes holds something else or is of another size.
    """
    pictures = []
    for name in _names(root / "ImageSets" / "Segmentation" / f"{split}.txt"):
        image = root / "JPEGImages" / f"{name}.jpg"
        classes = root / "SegmentationClass" / f"{name}.png"
        pictures.append(Annotated(image, partial(_truth, image, classes)))
    return AnnotatedSet(root.name, CLASSES, tuple(pictures), PASCAL_5I)


def _names(file: Path) -> list[str]:
    """Return the names in a list of pictures, one a line."""
    if not file.is_file():
        raise ConfigError(f"there is no list {file}: is {file.parents[2]} a folder of Pascal VOC?")
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the list {file} cannot be read: {error}") from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise ConfigError(f"{file} lists no picture")
    for name in names:
        if len(name.split()) > 1:
            raise ConfigError(
                f"the line {name!r} of {file} is more than a name: leave one name in each line"
            )
    return names


def _truth(image: Path, file: Path) -> Truth:
    values = _values(file)
    check_shape(image, (values.shape[0], values.shape[1]), str(file))
    masks = {name: values == index for index, name in enumerate(CLASSES, 1)}
    return Truth.of(masks, values != VOID, frozenset(CLASSES))


def _values(file: Path) -> NDArray[np.uint8]:
    """Return the class (H, W) of every pixel: 0 for none, or :data:`VOID`."""
    try:
        with Image.open(file) as picture:
            mode, values = picture.mode, np.asarray(picture)
    except OSError as error:
        raise unreadable(file, error) from error
    if mode not in ("P", "L"):
        raise ConfigError(
            f"{file} has the colour mode {mode}, but the classes of Pascal VOC are the values of "
            "an image with a palette, or of a grey one of 8 bits"
        )
    unknown = np.setdiff1d(values, [*range(len(CLASSES) + 1), VOID])
    if unknown.size:
        raise ConfigError(f"{file} has pixels of the value {unknown[0]}, which is no class")
    return values
