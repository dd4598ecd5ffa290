"""From probability to labelled objects."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from skimage import measure

from napari_clipseg.errors import SettingError


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

    Raises
    ------
    SettingError
        If the threshold is no number in [0, 1] or a size is negative.
    """

    threshold: float = 0.5
    min_size: int = 0
    fill_holes: bool | int = False

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise SettingError(f"the threshold must lie between 0 and 1, not {self.threshold}")
        if self.min_size < 0 or self.fill_holes < 0:
            raise SettingError("min_size and fill_holes cannot be negative")

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
) -> npt.NDArray[np.int32]:
    """Return the connected objects above a threshold, numbered from 1.

    Parameters
    ----------
    probability : array-like (..., H, W)
        Probability in [0, 1]; all axes are connected.
    threshold : float
        A pixel belongs to an object where its probability is greater.
    min_size : int
        Objects of fewer pixels are dropped.
    fill_holes : bool or int
        True fills every hole, a number those of at most so many pixels.

    Returns
    -------
    ndarray (..., H, W) int32
        0 is background. Pixels that touch, diagonally too, are one object.

    Raises
    ------
    SettingError
        If the threshold is no number in [0, 1] or a size is negative.
    """
    settings = LabelSettings(threshold, min_size, fill_holes)
    mask = np.asarray(probability) > threshold
    if fill_holes:
        mask = mask | _holes(mask, settings)
    objects = measure.label(mask)
    if min_size > 1:
        objects = _without_small(objects, min_size)
    return np.asarray(objects, np.int32)


def _without_small(objects: npt.NDArray[np.int_], min_size: int) -> npt.NDArray[np.int_]:
    """Drop objects of fewer pixels than ``min_size`` and number the rest anew."""
    keep = np.bincount(objects.ravel()) >= min_size
    keep[0] = False
    numbers = np.where(keep, np.cumsum(keep), 0)
    return np.asarray(numbers[objects])


def _holes(mask: npt.NDArray[np.bool_], settings: LabelSettings) -> npt.NDArray[np.bool_]:
    """Return background enclosed by objects: components that do not touch the border."""
    background = measure.label(~mask, connectivity=1)
    hole = settings.fillable(np.bincount(background.ravel()))
    hole[0] = False
    for axis in range(mask.ndim):
        hole[background.take([0, -1], axis).ravel()] = False
    return np.asarray(hole[background])
