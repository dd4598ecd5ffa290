"""A data folder for training from the layers of a viewer: images, and labels painted on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_clipseg.layers.masks import Mask, labels_mask
from napari_clipseg.layers.query import QueryImage, read_query
from napari_clipseg.train.training_set import Painted, TrainingSet, check_known, write_data_set

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Labels


def write_training_data(
    viewer: Viewer,
    data: Path,
    new: TrainingSet,
    pairs: Sequence[tuple[Image, Labels]],
    values: Mapping[str, Sequence[int]],
) -> Path:
    """Write what is shown of image layers, with labels painted on them, as a data set.

    Parameters
    ----------
    viewer : napari.Viewer
    data : Path
        Data folder, made if it is missing.
    new : TrainingSet
        Name, concepts with their phrases, and the share that is held out.
    pairs : sequence of (Image, Labels)
        Of an image of more than two axes the plane that is shown; the labels may have another
        pixel size. Files are called like the image layers, whose names must be no paths.
    values : mapping of str to sequence of int
        Concept -> its label values; of concepts without any it is every label but 0.

    Returns
    -------
    Path
        Folder of the data set.

    Raises
    ------
    UnsupportedLayer
        If a layer cannot be read, or is not in the viewer.
    SettingError
        If values are given for what is no concept of the set.
    ConfigError, SettingError, ImageError, OutputError
        As :func:`napari_clipseg.train.training_set.write_data_set`.

    Examples
    --------
    >>> new = TrainingSet("wells", {"nucleus": ["nuclei"]})  # doctest: +SKIP
    >>> pairs = [(viewer.layers["image"], viewer.layers["painted"])]  # doctest: +SKIP
    >>> write_training_data(viewer, folder, new, pairs, {})  # doctest: +SKIP
    """
    check_known(values, new)
    painted = []
    for image, labels in pairs:
        query = read_query(viewer, image)
        masks = {
            concept: _painted(viewer, labels, query, values.get(concept, ()))
            for concept in new.concepts
        }
        painted.append(Painted(image.name, query.data, masks, query.contrast))
    return write_data_set(data, new, painted)


def _painted(viewer: Viewer, labels: Labels, query: QueryImage, own: Sequence[int]) -> Mask:
    if not own:
        return labels_mask(viewer, labels, query, lambda found: found != 0)
    return labels_mask(viewer, labels, query, lambda found: np.isin(found, own))
