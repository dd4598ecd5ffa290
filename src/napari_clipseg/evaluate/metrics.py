"""The metrics of the CLIPSeg paper, counted as pictures pass by. No torch.

Only counts of pixels are kept, four for each threshold, whatever the number of pictures.

References
----------
Lüddecke & Ecker 2022, arXiv 2112.10003, section 5, and the authors' ``metrics.py``: thresholds,
the strict comparison and the 1 in every denominator are theirs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.integrate import simpson

from napari_clipseg.errors import SettingError

Curve = npt.NDArray[np.float64]
"""One value for each of :data:`THRESHOLDS`."""

THRESHOLDS: Curve = np.linspace(0, 1, 51)[1:-1]
"""0.02, 0.04 ... 0.98."""

FIXED_THRESHOLDS = (0.1, 0.2, 0.3, 0.5)
"""Those at which the paper reports values besides the best one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """Pixels that were right and wrong at every threshold.

    Parameters
    ----------
    tp, fp, fn, tn : ndarray (49,) int64
        Found and there, found but not there, there but not found, neither.
    """

    tp: npt.NDArray[np.int64]
    fp: npt.NDArray[np.int64]
    fn: npt.NDArray[np.int64]
    tn: npt.NDArray[np.int64]

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn
        )

    @property
    def iou_fg(self) -> Curve:
        """Intersection over union of the foreground."""
        return np.asarray(self.tp / (1 + self.tp + self.fp + self.fn))

    @property
    def iou_bin(self) -> Curve:
        """Mean of the intersections over union of foreground and background."""
        return np.asarray(0.5 * self.iou_fg + 0.5 * self.tn / (1 + self.tn + self.fn + self.fp))

    @property
    def precision(self) -> Curve:
        """Share of the found pixels that are there."""
        return np.asarray(self.tp / (1 + self.tp + self.fp))

    @property
    def recall(self) -> Curve:
        """Share of the pixels there that are found."""
        return np.asarray(self.tp / (1 + self.tp + self.fn))

    @property
    def average_precision(self) -> float:
        """The authors' AP: area under precision over recall by Simpson's rule.

        0 where there are fewer than two points.

        Notes
        -----
        Thresholds above which nothing is found give no point, and the curve is not continued to
        the recalls 0 and 1. An answer whose recalls lie close together, such as one of nothing
        but 0 and 1, has a low value however good it is.
        """
        found = self.tp + self.fp > 0
        points = np.unique(np.stack([self.recall[found], self.precision[found]], 1), axis=0)
        return float(simpson(points[:, 1], x=points[:, 0])) if len(points) > 1 else 0.0

    @property
    def full_average_precision(self) -> float:
        """The ordinary average precision, over all recalls from 0 to 1; nan if nothing is there.

        Notes
        -----
        The mean of the precisions at which the pixels there are found, from the threshold 1, where
        nothing is found, over the 49 down to where everything is. Probabilities between the same
        two thresholds count as equal.
        """
        there = int(self.tp[0] + self.fn[0])
        everything = there + int(self.fp[0] + self.tn[0])
        hits = np.append(self.tp[::-1], there)
        found = np.append((self.tp + self.fp)[::-1], everything)
        gained = np.diff(hits, prepend=0)
        return float((gained * hits / np.maximum(found, 1)).sum() / there) if there else math.nan


def count(
    probability: npt.NDArray[np.floating[Any]],
    mask: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_] | None = None,
) -> Counts:
    """Compare a probability with the truth at every threshold.

    Parameters
    ----------
    probability : ndarray (H, W) float32
        In [0, 1]. A pixel is found at a threshold where it is greater, not equal.
    mask : ndarray (H, W) bool
        The truth.
    known : ndarray (H, W) bool, optional
        Pixels that count; all by default.

    Returns
    -------
    Counts
    """
    values, truth = (probability, mask) if known is None else (probability[known], mask[known])
    passed = np.searchsorted(THRESHOLDS.astype(values.dtype), values.ravel(), side="left")
    bins = len(THRESHOLDS) + 1
    table = np.bincount(passed + bins * truth.ravel(), minlength=2 * bins).reshape(2, bins)
    found = table[:, ::-1].cumsum(1)[:, ::-1][:, 1:]
    absent, present = table.sum(1)
    return Counts(tp=found[1], fp=found[0], fn=present - found[1], tn=absent - found[0])


class Tally:
    """Counts of one concept, or of several, summed over pictures."""

    def __init__(self) -> None:
        zero = np.zeros(len(THRESHOLDS), np.int64)
        self.counts = Counts(zero, zero, zero, zero)
        self.samples = 0
        self._iou_sum = np.zeros(len(THRESHOLDS))

    def add(self, counts: Counts) -> None:
        """Take in one sample: a picture asked for one thing."""
        self.counts = self.counts + counts
        self.samples += 1
        self._iou_sum = self._iou_sum + counts.iou_fg

    @property
    def mean_iou(self) -> Curve:
        """Mean of the samples' own intersections over union; 0 without samples."""
        return np.asarray(self._iou_sum / max(self.samples, 1))

    @property
    def shown(self) -> bool:
        """Whether at least one pixel of what was asked for is there."""
        return bool(self.counts.tp[0] + self.counts.fn[0])

    @classmethod
    def total(cls, tallies: Iterable[Tally]) -> Tally:
        """Return one tally of all samples."""
        result = cls()
        for each in tallies:
            result.counts = result.counts + each.counts
            result.samples += each.samples
            result._iou_sum = result._iou_sum + each._iou_sum
        return result


def mean_iou_by_class(tallies: Sequence[Tally]) -> Curve:
    """Return the mean of the classes' foreground IoU, each class summed first (Pascal, COCO)."""
    return np.asarray(np.mean([each.counts.iou_fg for each in tallies], axis=0))


def mean_iou_by_sample(tallies: Sequence[Tally]) -> Curve:
    """Return the mean of all samples' foreground IoU (PhraseCut, where a sample is a class)."""
    return Tally.total(tallies).mean_iou


MEAN_IOUS = {"class": mean_iou_by_class, "sample": mean_iou_by_sample}
"""What "mIoU" may be the mean of."""


@dataclasses.dataclass(frozen=True, slots=True)
class Best:
    """The highest value of a curve and the threshold that gives it.

    Parameters
    ----------
    value, threshold : float
        Both nan where there is no such value; the threshold alone where thresholds mean nothing.
    """

    value: float
    threshold: float

    @classmethod
    def of(cls, curve: Curve) -> Best:
        """Return the best of a curve; the lowest threshold where several are."""
        index = int(np.argmax(curve))
        return cls(float(curve[index]), round(float(THRESHOLDS[index]), 2))


def nearest_threshold(value: float) -> float:
    """Return the one of the 49 thresholds that is nearest to a value, the lower of two."""
    return round(float(THRESHOLDS[int(np.argmin(np.abs(THRESHOLDS - value)))]), 2)


def at(curve: Curve, threshold: float) -> float:
    """Return the value of a curve at one of the 49 thresholds.

    Raises
    ------
    SettingError
        If the threshold is none of them.
    """
    index = int(np.argmin(np.abs(THRESHOLDS - threshold)))
    if abs(THRESHOLDS[index] - threshold) > 1e-9:
        raise SettingError(f"metrics are counted at 0.02, 0.04 ... 0.98, not at {threshold}")
    return float(curve[index])
