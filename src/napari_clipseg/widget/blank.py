"""Says where an image shows nothing, so that nobody wonders why nothing is found there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_clipseg.engine.pixels import Pixels, sample_boxes

if TYPE_CHECKING:
    from napari_clipseg.engine.features import Features

WORTH_SAYING = 0.25
"""Share of blank places from which on a person is told."""


def remark_on(image: Any, features: Features) -> str:
    """Return a sentence if much of an image shows one value as the model sees it, or "".

    Images in memory are looked at in places spread over them; others would be read twice.
    """
    if features.tiles == 0:
        return "No pixel of the image holds data: there is nothing to look at."
    if not isinstance(image, np.ndarray) or not features.missing():
        return ""
    pixels = Pixels(image, contrast=features.contrast)
    places = [pixels.read(box) for box in sample_boxes(pixels.shape)]
    low, high = (np.array([extreme(each) for each in places]) for extreme in (np.min, np.max))
    if low.min() == high.max():
        return "The image shows one value throughout: check its contrast limits."
    share = float(np.mean(low == high))
    if share < WORTH_SAYING:
        return ""
    return f"About {100 * share:.0f} % of the image shows one value: nothing can be found there."
