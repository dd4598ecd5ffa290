"""What a threshold alone can do: the bar that a model has to clear. No torch."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from skimage.filters import threshold_otsu

CHANNELS = ("luminance", "red", "green", "blue", "saturation")
"""What a threshold may look at."""

POLARITIES = ("bright", "dark")
"""Whether the object is above or below the threshold."""

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class Threshold:
    """The best of all combinations of channel and polarity over one concept of a data set.

    Parameters
    ----------
    channel, polarity : str
        Those with the highest IoU.
    iou : float
        Foreground intersection over union, counts summed over all pictures.
    """

    channel: str
    polarity: str
    iou: float


class ClassicalTally:
    """Otsu's threshold of every channel and polarity, counted over the pictures of one concept.

    Notes
    -----
    The threshold is found in each picture; which channel and polarity are best is decided with
    the truth of all pictures at hand, so the result flatters the classical method.

    References
    ----------
    Otsu 1979, "A threshold selection method from gray-level histograms",
    doi:10.1109/TSMC.1979.4310076.
    """

    def __init__(self) -> None:
        self._shared = np.zeros((len(CHANNELS), len(POLARITIES)), np.int64)
        self._joined = np.zeros_like(self._shared)

    def add(
        self,
        found: npt.NDArray[np.bool_],
        mask: npt.NDArray[np.bool_],
        known: npt.NDArray[np.bool_],
    ) -> None:
        """Take in one picture.

        Parameters
        ----------
        found : ndarray (channels, polarities, H, W) bool
            From :func:`thresholded`.
        mask, known : ndarray (H, W) bool
            The truth, and the pixels that count.
        """
        self._shared += (found & (mask & known)).sum((2, 3))
        self._joined += ((found | mask) & known).sum((2, 3))

    def best(self) -> Threshold:
        """Return the best combination."""
        iou = self._shared / (1 + self._joined)
        channel, polarity = np.unravel_index(int(np.argmax(iou)), iou.shape)
        return Threshold(CHANNELS[channel], POLARITIES[polarity], float(iou[channel, polarity]))


def thresholded(rgb: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Return what Otsu's threshold finds in every channel, bright and dark.

    Parameters
    ----------
    rgb : ndarray (H, W, 3) float32
        In [0, 1].

    Returns
    -------
    ndarray (channels, polarities, H, W) bool
        In the order of :data:`CHANNELS` and :data:`POLARITIES`. A channel of one value, such
        as the saturation of a grey picture, has no threshold and finds nothing.
    """
    channels = _channels(rgb)
    bright = np.stack([channel > threshold_otsu(channel) for channel in channels])
    varied = np.array([np.ptp(channel) > 0 for channel in channels])
    return np.stack([bright, ~bright & varied[:, None, None]], 1)


def _channels(rgb: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    highest, lowest = rgb.max(2), rgb.min(2)
    saturation = (highest - lowest) / np.maximum(highest, np.float32(1e-6))
    return [rgb @ _LUMINANCE, rgb[..., 0], rgb[..., 1], rgb[..., 2], saturation]
