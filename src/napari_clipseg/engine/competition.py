"""Several prompts, one answer for each pixel: which of them wins there, and what that makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logit
from skimage import measure

from napari_clipseg.engine.labels import LabelSettings, all_missing, holes, read_rows
from napari_clipseg.errors import SettingError

EDGE = 1e-7
"""Probabilities closer to 0 or 1 have no finite logit; float32 resolves 6e-8 below 1."""

BAND_VALUES = 1 << 21
"""Values compared at once: 16 MB as float64, whatever the size of the image."""


@dataclasses.dataclass(frozen=True, slots=True)
class Contestant:
    """How a prompt takes part.

    Parameters
    ----------
    threshold : float
        It can win pixels where its probability is greater.
    negative : bool
        What it wins becomes background: for what is mistaken for the other prompts.

    Raises
    ------
    SettingError
        If the threshold is no number in [0, 1].
    """

    threshold: float = 0.5
    negative: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise SettingError(f"the threshold must lie between 0 and 1, not {self.threshold}")


@dataclasses.dataclass(frozen=True, slots=True)
class LegendRow:
    """What a label value stands for.

    Parameters
    ----------
    value : int
        In the labels.
    prompt : int
        Number of the contestant, counted from 0.
    area_px : int
        Pixels of this value.
    """

    value: int
    prompt: int
    area_px: int


def compete(probability: Any, contestants: Sequence[Contestant]) -> npt.NDArray[np.int32]:
    """Return which prompt wins each pixel.

    Parameters
    ----------
    probability : array-like (P, H, W) float
        In [0, 1]; read by bands of rows. NaN never wins.
    contestants : sequence of Contestant
        One for each prompt.

    Returns
    -------
    ndarray (H, W) int32
        0 is background, k + 1 prompt k.

    Raises
    ------
    SettingError
        If there is not one contestant for each prompt.
    ImageError
        If all pixels are NaN.

    Notes
    -----
    A prompt can win where ``p > threshold``, as in :func:`~napari_clipseg.label`; of those that
    can, the one with the largest ``logit(p) - logit(threshold)`` does. In logits, which are what
    the network adds up, prompts of different thresholds compare fairly: the same step of
    evidence beyond one's own threshold counts the same. Among equals the first prompt wins.
    """
    return np.maximum(_winners(probability, contestants, 0.0), 0)


def independent(probability: Any, contestants: Sequence[Contestant]) -> npt.NDArray[np.bool_]:
    """Return what each prompt finds by its own threshold, whatever the others find.

    Parameters
    ----------
    probability : array-like (P, H, W) float
    contestants : sequence of Contestant

    Returns
    -------
    ndarray (P, H, W) bool
        Without the pixels where a negative prompt scores higher (see :func:`compete`); False
        everywhere for negative prompts.

    Raises
    ------
    SettingError, ImageError
        As for :func:`compete`.
    """
    negative = np.array([each.negative for each in contestants], bool)
    found = np.zeros(_checked(probability, contestants), bool)
    for first, margins in _margins(probability, contestants, 0.0):
        above = margins > -np.inf
        if negative.any():
            above &= margins >= margins[negative].max(0)
        above[negative] = False
        found[:, first : first + margins.shape[1]] = above
    return found


def competition_labels(
    probability: Any,
    contestants: Sequence[Contestant],
    settings: LabelSettings,
    *,
    instances: bool,
) -> tuple[npt.NDArray[np.int32], tuple[LegendRow, ...]]:
    """Return the labels of prompts that compete, and what their values stand for.

    Parameters
    ----------
    probability : array-like (P, H, W) float
        In [0, 1].
    contestants : sequence of Contestant
        One for each prompt; these thresholds count, not that of the settings.
    settings : LabelSettings
        Smoothing comes before the competition. Holes are filled where no prompt won; what
        another prompt won there, even a negative one, stays. Connected parts of fewer than
        ``min_size`` pixels become background.
    instances : bool
        Number each object, on through all prompts, instead of each prompt (k + 1).

    Returns
    -------
    labels : ndarray (H, W) int32
        0 is background.
    legend : tuple of LegendRow
        One for each value that occurs, rising.

    Raises
    ------
    SettingError, ImageError
        As for :func:`compete`.
    """
    winners = _winners(probability, contestants, settings.smoothing)
    positive = [number for number, each in enumerate(contestants) if not each.negative]
    _fill(winners, positive, settings)
    if settings.min_size > 1:
        _drop_small(winners, positive, settings.min_size)
        _fill(winners, positive, settings)
    return (_instances if instances else _semantic)(winners, positive)


def _checked(probability: Any, contestants: Sequence[Contestant]) -> tuple[int, int, int]:
    shape = tuple(probability.shape)
    if len(shape) != 3 or shape[0] != len(contestants) or not contestants:
        raise SettingError(
            f"{len(contestants)} contestants need a probability of shape "
            f"({len(contestants)}, H, W) and at least one prompt, not {shape}"
        )
    return shape[0], shape[1], shape[2]


def _margins(
    probability: Any, contestants: Sequence[Contestant], smoothing: float
) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """Yield bands: first row and margins (P, h, W), -inf where a prompt cannot win."""
    prompts, height, width = _checked(probability, contestants)
    thresholds = [each.threshold for each in contestants]
    own = logit(np.clip(thresholds, EDGE, 1 - EDGE))
    rows, blank = max(BAND_VALUES // max(prompts * width, 1), 1), True
    for first in range(0, height, rows):
        end = min(first + rows, height)
        values = read_rows(probability, (first, end), smoothing)
        margins = np.full(values.shape, -np.inf)
        # compared as label() compares, in the probability's own type
        for number, threshold in enumerate(thresholds):
            above = values[number] > threshold
            found = values[number][above].astype(np.float64)
            margins[number, above] = logit(np.clip(found, EDGE, 1 - EDGE)) - own[number]
        blank = blank and bool(np.isnan(values).all())
        yield first, margins
    if blank and height * width:
        raise all_missing()


def _winners(
    probability: Any, contestants: Sequence[Contestant], smoothing: float
) -> npt.NDArray[np.int32]:
    """Return (H, W): k + 1 where prompt k wins, its negative where that one is negative."""
    _, height, width = _checked(probability, contestants)
    signs = np.array([-1 if each.negative else 1 for each in contestants], np.int32)
    values = np.concatenate([signs * np.arange(1, len(signs) + 1, dtype=np.int32), [0]])
    winners = np.zeros((height, width), np.int32)
    for first, margins in _margins(probability, contestants, smoothing):
        best = margins.argmax(0)
        best[~(margins.max(0) > -np.inf)] = len(signs)
        winners[first : first + margins.shape[1]] = values[best]
    return winners


def _fill(winners: npt.NDArray[np.int32], positive: Sequence[int], settings: LabelSettings) -> None:
    if settings.fill_holes:
        for number in positive:
            inside = holes(winners == number + 1, settings)
            winners[inside & (winners == 0)] = number + 1


def _drop_small(winners: npt.NDArray[np.int32], positive: Sequence[int], min_size: int) -> None:
    for number in positive:
        objects = measure.label(winners == number + 1)
        small = np.bincount(objects.ravel()) < min_size
        small[0] = False
        winners[small[objects]] = 0


def _semantic(
    winners: npt.NDArray[np.int32], positive: Sequence[int]
) -> tuple[npt.NDArray[np.int32], tuple[LegendRow, ...]]:
    labels = np.maximum(winners, 0)
    areas = np.bincount(labels.ravel(), minlength=max(positive, default=0) + 2)
    rows = (LegendRow(number + 1, number, int(areas[number + 1])) for number in positive)
    return labels, tuple(row for row in rows if row.area_px)


def _instances(
    winners: npt.NDArray[np.int32], positive: Sequence[int]
) -> tuple[npt.NDArray[np.int32], tuple[LegendRow, ...]]:
    labels = np.zeros_like(winners)
    legend: list[LegendRow] = []
    for number in positive:
        mask = winners == number + 1
        objects = measure.label(mask)
        areas = np.bincount(objects.ravel())[1:]
        labels[mask] = objects[mask] + len(legend)
        start = len(legend) + 1
        legend += [LegendRow(value, number, int(area)) for value, area in enumerate(areas, start)]
    return labels, tuple(legend)
