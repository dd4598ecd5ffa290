"""Several prompts, one answer for each pixel: which of them wins there, and what that makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import logit
from skimage import measure

from napari_clipseg.engine.labels import (
    LabelSettings,
    all_missing,
    check_probability,
    holes,
    read_rows,
)
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
    winners: npt.NDArray[np.int32] = _winners(probability, contestants, 0.0).astype(np.int32)
    return np.maximum(winners, 0)


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
    for first, values, above in _bands(probability, contestants, 0.0):
        contested = above[negative].any(0)
        margins = _margins(values[:, contested], above[:, contested], contestants)
        above[:, contested] &= margins >= margins[negative].max(0, initial=-np.inf)
        above[negative] = False
        found[:, first : first + values.shape[1]] = above
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
    check_probability(probability)
    return shape[0], shape[1], shape[2]


def _bands(
    probability: Any, contestants: Sequence[Contestant], smoothing: float
) -> Iterator[tuple[int, npt.NDArray[np.floating[Any]], npt.NDArray[np.bool_]]]:
    """Yield bands: first row, probability (P, h, w), and where each prompt may win (P, h, w)."""
    prompts, height, width = _checked(probability, contestants)
    rows, blank = max(BAND_VALUES // max(prompts * width, 1), 1), True
    for first in range(0, height, rows):
        values = read_rows(probability, (first, min(first + rows, height)), smoothing)
        # compared as label() compares, in the probability's own type
        above = np.stack([v > each.threshold for v, each in zip(values, contestants, strict=True)])
        blank = blank and not above.any() and bool(np.isnan(values).all())
        yield first, values, above
    if blank and height * width:
        raise all_missing()


def _margins(
    values: npt.NDArray[np.floating[Any]],
    above: npt.NDArray[np.bool_],
    contestants: Sequence[Contestant],
) -> npt.NDArray[np.float64]:
    """Return how far (P, N) logits lie beyond the thresholds, -inf where a prompt cannot win."""
    thresholds = np.array([[each.threshold] for each in contestants])
    evidence, own = (logit(np.clip(v.astype(float), EDGE, 1 - EDGE)) for v in (values, thresholds))
    return np.where(above, evidence - own, -np.inf)


def _winners(
    probability: Any, contestants: Sequence[Contestant], smoothing: float
) -> npt.NDArray[np.signedinteger[Any]]:
    """Return (H, W): k + 1 where prompt k wins, its negative where that one is negative.

    The type is the smallest that will do: new memory is what takes the time here.
    """
    _, height, width = _checked(probability, contestants)
    signs = [-1 if each.negative else 1 for each in contestants]
    winners = np.zeros((height, width), np.min_scalar_type(-len(contestants)))
    for first, values, above in _bands(probability, contestants, smoothing):
        band = winners[first : first + values.shape[1]]
        for number, (sign, found) in enumerate(zip(signs, above, strict=True), start=1):
            band[found] = sign * number
        contested = above.sum(0, dtype=np.uint16) > 1
        best = _margins(values[:, contested], above[:, contested], contestants).argmax(0)
        band[contested] = (np.array(signs) * np.arange(1, len(signs) + 1))[best]
    return winners


def _fill(
    winners: npt.NDArray[np.signedinteger[Any]], positive: Sequence[int], settings: LabelSettings
) -> None:
    if settings.fill_holes:
        for number in positive:
            inside = holes(winners == number + 1, settings)
            winners[inside & (winners == 0)] = number + 1


def _drop_small(
    winners: npt.NDArray[np.signedinteger[Any]], positive: Sequence[int], min_size: int
) -> None:
    for number in positive:
        objects = measure.label(winners == number + 1)
        small = np.bincount(objects.ravel()) < min_size
        small[0] = False
        winners[small[objects]] = 0


def _semantic(
    winners: npt.NDArray[np.signedinteger[Any]], positive: Sequence[int]
) -> tuple[npt.NDArray[np.int32], tuple[LegendRow, ...]]:
    labels = np.maximum(winners, 0).astype(np.int32)
    areas = _areas(labels, max(positive, default=0) + 1)
    rows = (LegendRow(number + 1, number, int(areas[number + 1])) for number in positive)
    return labels, tuple(row for row in rows if row.area_px)


def _instances(
    winners: npt.NDArray[np.signedinteger[Any]], positive: Sequence[int]
) -> tuple[npt.NDArray[np.int32], tuple[LegendRow, ...]]:
    labels: npt.NDArray[np.int32] | None = None
    legend: list[LegendRow] = []
    for number in positive:
        objects, count = measure.label(winners == number + 1, return_num=True)
        areas = _areas(objects, count)[1:]
        if labels is None:
            labels = objects.astype(np.int32, copy=False)
        else:
            np.add(objects, len(legend), out=labels, where=objects > 0)
        start = len(legend) + 1
        legend += [LegendRow(value, number, int(area)) for value, area in enumerate(areas, start)]
    return np.zeros(winners.shape, np.int32) if labels is None else labels, tuple(legend)


def _areas(labels: npt.NDArray[np.integer[Any]], highest: int) -> npt.NDArray[np.int_]:
    """Return the pixels of each label from 0 to the highest; numpy copies what it counts."""
    rows = max(BAND_VALUES // max(labels.shape[1], 1), 1)
    areas = np.zeros(highest + 1, int)
    for first in range(0, len(labels), rows):
        areas += np.bincount(labels[first : first + rows].ravel(), minlength=highest + 1)
    return areas
