"""From probability to labelled objects."""

from __future__ import annotations

import dataclasses
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage import measure

from napari_clipseg.errors import ImageError, SettingError

REACH = 4.0
"""Standard deviations at which the Gaussian of smoothing ends."""


@dataclasses.dataclass(frozen=True, slots=True)
class LabelSettings:
    """What becomes an object.

    Parameters
    ----------
    threshold : float
        A pixel belongs to an object where its probability is greater.
    min_size : int
        Objects of fewer pixels are dropped.
    fill_holes : bool or int
        True fills every hole, a number those of at most so many pixels.
    smoothing : float
        Standard deviation in pixels of the Gaussian with which the probability is smoothed,
        within each plane, before the threshold.

    Raises
    ------
    SettingError
        If the threshold is no number in [0, 1], or a size or the smoothing is negative or no
        number.
    """

    threshold: float = 0.5
    min_size: int = 0
    fill_holes: bool | int = False
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise SettingError(f"the threshold must lie between 0 and 1, not {self.threshold}")
        for name, size in (("min_size", self.min_size), ("fill_holes", self.fill_holes)):
            if not (isfinite(size) and size >= 0):
                raise SettingError(f"{name} must be 0 or more pixels, not {size}")
        if not (isfinite(self.smoothing) and self.smoothing >= 0):
            raise SettingError(f"smoothing must be 0 or more pixels, not {self.smoothing}")

    def fillable(self, sizes: npt.NDArray[np.int_]) -> npt.NDArray[np.bool_]:
        """Return which enclosed parts of the background, of so many pixels, are filled."""
        every = np.ones(len(sizes), bool)
        return every if self.fill_holes is True else sizes <= self.fill_holes


def label(
    probability: npt.ArrayLike,
    threshold: float = 0.5,
    *,
    min_size: int = 0,
    fill_holes: bool | int = False,
    smoothing: float = 0.0,
) -> npt.NDArray[np.int32]:
    """Return the connected objects above a threshold, numbered from 1.

    Parameters
    ----------
    probability : array-like (..., H, W)
        Probability in [0, 1], of floating point or boolean; all axes are connected. NaN is
        background.
    threshold : float
        A pixel belongs to an object where its probability is greater.
    min_size : int
        Objects of fewer pixels are dropped.
    fill_holes : bool or int
        True fills every hole, a number those of at most so many pixels.
    smoothing : float
        Standard deviation in pixels of the Gaussian with which the probability is smoothed,
        along the last two axes, before the threshold.

    Returns
    -------
    ndarray (..., H, W) int32
        0 is background. Pixels that touch, diagonally too, are one object.

    Raises
    ------
    SettingError
        If the threshold is no number in [0, 1], or a size or the smoothing is negative or no
        number.
    ImageError
        If all pixels are NaN, or the array has no rows and columns or holds whole numbers.
    """
    settings = LabelSettings(threshold, min_size, fill_holes, smoothing)
    values = np.asarray(probability)
    check_probability(values)
    if values.size and np.isnan(values).all():
        raise all_missing()
    if smoothing:
        values = read_rows(values, (0, values.shape[-2]), smoothing)
    mask = values > threshold
    if fill_holes:
        mask = mask | holes(mask, settings)
    objects = measure.label(mask)
    if min_size > 1:
        objects = _without_small(objects, min_size)
    return np.asarray(objects, np.int32)


def check_probability(probability: Any) -> None:
    """Refuse an array (..., H, W) that holds no probability; only its type and shape are read.

    Raises
    ------
    ImageError
        If it has fewer than two axes, or whole numbers: those that were stored as 255 times the
        probability would all be above the threshold.
    """
    kind, axes = np.dtype(probability.dtype), len(probability.shape)
    if kind.kind not in "fb":
        raise ImageError(
            f"a probability is of floating point numbers between 0 and 1, not of {kind}; divide "
            "one that was stored as uint8 by 255"
        )
    if axes < 2:
        raise ImageError(
            f"a probability has the shape (..., H, W), not {tuple(probability.shape)}; give an "
            "array with rows and columns"
        )


def read_rows(probability: Any, rows: tuple[int, int], smoothing: float) -> npt.NDArray[Any]:
    """Return some rows of a probability, smoothed as they are when all of it is smoothed.

    Parameters
    ----------
    probability : array-like (..., H, W)
        Only these rows and, to smooth them, those within reach of the Gaussian are read.
    rows : (int, int)
        First and past the last.
    smoothing : float
        Standard deviation in pixels; 0 leaves all as it is. NaN stays, and counts as 0.

    Returns
    -------
    ndarray (..., rows, W)
    """
    other = (slice(None),) * (len(probability.shape) - 2)
    if not smoothing:
        return np.asarray(probability[(*other, slice(*rows), slice(None))])
    reach = int(REACH * smoothing + 0.5)
    top, end = max(rows[0] - reach, 0), min(rows[1] + reach, probability.shape[-2])
    values = np.asarray(probability[(*other, slice(top, end), slice(None))])
    sigma, missing = (*(0.0 for _ in other), smoothing, smoothing), np.isnan(values)
    # scipy smooths neither booleans, as numbers, nor numbers of 16 or 128 bits
    smoothable = np.float64 if values.itemsize > 4 else np.float32
    filled = np.where(missing, 0, values).astype(smoothable, copy=False)
    smooth = ndimage.gaussian_filter(filled, sigma, mode="nearest", truncate=REACH)
    smooth[missing] = np.nan
    return np.asarray(smooth[..., rows[0] - top : rows[1] - top, :])


def all_missing() -> ImageError:
    """Return the error of a probability without any number."""
    return ImageError(
        "every pixel of the probability is NaN: there is no result in it; run the segmentation "
        "before you use its result"
    )


def _without_small(objects: npt.NDArray[np.int_], min_size: int) -> npt.NDArray[np.int_]:
    """Drop objects of fewer pixels than ``min_size`` and number the rest anew."""
    keep = np.bincount(objects.ravel()) >= min_size
    keep[0] = False
    numbers = np.where(keep, np.cumsum(keep), 0)
    return np.asarray(numbers[objects])


def holes(mask: npt.NDArray[np.bool_], settings: LabelSettings) -> npt.NDArray[np.bool_]:
    """Return background enclosed by objects that the settings fill.

    These are components of the background, connected without diagonals, that do not touch
    the border.
    """
    background = measure.label(~mask, connectivity=1)
    hole = settings.fillable(np.bincount(background.ravel()))
    hole[0] = False
    for axis in range(mask.ndim):
        hole[background.take([0, -1], axis).ravel()] = False
    return np.asarray(hole[background])
