"""Where encoded images go that are too large for the memory a person allows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.errors import OutputError
from napari_clipseg.io.feature_folder import FeatureFolder
from napari_clipseg.widget.blank import nodata_of

if TYPE_CHECKING:
    from napari_clipseg.engine.segmenter import Segmenter
    from napari_clipseg.widget.events import PlaneTask

FOLDER_BYTES = 20_000_000_000
"""All encoded images on disk together; one alone may take more."""

SPARE_BYTES = 500_000_000
"""What stays free on the disk."""


def cache_folder() -> Path:
    """Return the folder in the person's cache."""
    return platformdirs.user_cache_path("napari-clipseg") / "features"


def place_on_disk(task: PlaneTask, segmenter: Segmenter, expected: int) -> Path:
    """Return where the features of a plane belong; the least recently used make room.

    The place is found by the pixels themselves: an image that is opened again another day
    finds what was encoded of it.

    Raises
    ------
    OutputError
        If the disk has no room for so many bytes.
    """
    pixels = Pixels(task.image, contrast=task.contrast, nodata=nodata_of(task.image))
    folder = FeatureFolder(cache_folder(), max(FOLDER_BYTES, expected))
    origin = {
        "image": pixels.digest(),
        "contrast": list(pixels.contrast),
        "weights": segmenter.weights_hash,
        "settings": segmenter.settings(),
    }
    name = re.sub(r"[^A-Za-z0-9]+", "-", task.name).strip("-")[:40] or "image"
    place = folder.place(name, origin, expected)
    free = shutil.disk_usage(folder.path).free
    if not place.exists() and free < expected + SPARE_BYTES:
        raise OutputError(
            f"The encoded image takes {expected / 1e9:.1f} GB, but {folder.path} has only "
            f"{free / 1e9:.1f} GB to spare: free some space, or allow more memory for encoded "
            "images."
        )
    return place
