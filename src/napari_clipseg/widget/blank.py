"""Says where an image shows nothing, so that nobody wonders why nothing is found there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clipseg.engine.pixels import Pixels, bands, sample_boxes

if TYPE_CHECKING:
    from napari_clipseg.engine.features import Features

WORTH_SAYING = 0.25
"""Share of blank places from which on a person is told."""


def nodata_of(image: Any) -> float | None:
    """Return NaN if an image has, or may have, pixels that are NaN, else None.

    To a microscope or a satellite they mean that nothing was measured there. An image that is
    not in memory may have them wherever its pixels are floating-point numbers.
    """
    if np.dtype(image.dtype).kind != "f":
        return None
    if not isinstance(image, np.ndarray):
        return math.nan
    gaps = (np.isnan(image[y0:y1]).any() for y0, _, y1, _ in bands(image.shape[:2]))
    return math.nan if any(gaps) else None


def remark_on(image: Any, features: Features) -> str:
    """Return a sentence if much of an image shows one value as the model sees it, or "".

    Images in memory are looked at in places spread over them; others would be read twice.
    """
    if features.tiles == 0:
        return "No pixel of the image holds data: there is nothing to look at."
    if not isinstance(image, np.ndarray) or not features.missing():
        return ""
    pixels = Pixels(image, contrast=features.contrast, nodata=nodata_of(image))
    places = [pixels.read(box) for box in sample_boxes(pixels.shape)]
    low, high = (np.array([extreme(each) for each in places]) for extreme in (np.min, np.max))
    if low.min() == high.max():
        return "The image shows one value throughout: check its contrast limits."
    share = float(np.mean(low == high))
    if share < WORTH_SAYING:
        return ""
    return f"About {100 * share:.0f} % of the image shows one value: nothing can be found there."
