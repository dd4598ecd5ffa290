"""From probability to labelled objects."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from skimage import measure

from napari_clipseg.errors import SettingError


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
    if not 0 <= threshold <= 1:
        raise SettingError(f"the threshold must lie between 0 and 1, not {threshold}")
    if min_size < 0 or fill_holes < 0:
        raise SettingError("min_size and fill_holes cannot be negative")
    mask = np.asarray(probability) > threshold
    if fill_holes:
        mask = mask | _holes(mask, None if fill_holes is True else int(fill_holes))
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


def _holes(mask: npt.NDArray[np.bool_], max_size: int | None) -> npt.NDArray[np.bool_]:
    """Return background enclosed by objects: components that do not touch the border."""
    background = measure.label(~mask, connectivity=1)
    sizes = np.bincount(background.ravel())
    hole = np.ones(len(sizes), bool) if max_size is None else sizes <= max_size
    hole[0] = False
    for axis in range(mask.ndim):
        hole[background.take([0, -1], axis).ravel()] = False
    return np.asarray(hole[background])
