"""A picture for people: the image with the found objects drawn over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import numpy.typing as npt
from skimage.segmentation import find_boundaries

from napari_clipseg.atomic import atomic_path
from napari_clipseg.engine.pixels import Contrast, Pixels

COLOUR = (1.0, 0.82, 0.1)
TINT = 0.25
"""Share of the colour inside an object; its outline has all of it."""


def overlay(
    image: Any, labels: npt.NDArray[np.integer[Any]], *, contrast: Contrast = "auto"
) -> npt.NDArray[np.uint8]:
    """Return the image with tinted, outlined objects.

    Parameters
    ----------
    image : array-like (H, W) or (H, W, C)
        As :class:`napari_clipseg.engine.pixels.Pixels` reads it.
    labels : ndarray (H, W) int
        0 is background.
    contrast : "auto" or (float, float)
        Contrast window of the image.

    Returns
    -------
    ndarray (H, W, 3) uint8
    """
    pixels = Pixels(image, contrast=contrast)
    rgb = np.array(pixels.read((0, 0, *pixels.shape)))
    share = np.where(labels > 0, TINT, 0.0)
    share[find_boundaries(labels, mode="inner")] = 1.0
    rgb += share[..., None] * (np.asarray(COLOUR) - rgb)
    return np.asarray(np.round(rgb * 255), np.uint8)


def write_png(path: Path, rgb: npt.NDArray[np.uint8]) -> None:
    """Write a picture (H, W, 3) uint8.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_path(path) as unfinished:
        imageio.imwrite(unfinished, rgb, extension=".png")
