"""Whether what was asked for is there at all, and where its threshold should lie."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage import measure

from napari_clipseg.engine.labels import all_missing, check_probability
from napari_clipseg.engine.prompts import quoted
from napari_clipseg.errors import SettingError

LEAST_PX, LEAST_SHARE = 16, 1e-6
"""Fewer pixels than either are noise: one token of the network covers 16 x 16 pixels of what it
sees, so even at zoom 4 what it finds covers 4 x 4; a millionth is 10 x 10 of 10,000 x 10,000."""

PLENTY = 0.01
"""Unless they make up this share of the area, as in a very small image."""

LOWEST, HIGHEST, STEPS = 0.05, 0.95, 91
"""Thresholds that are tried: every hundredth."""

NEARBY = 0.5
"""Width of the surroundings of the painted objects, in radii of a disc of their mean area."""


@dataclasses.dataclass(frozen=True, slots=True)
class Presence:
    """Whether a prompt was found.

    Parameters
    ----------
    name : str
        What a person calls the prompt.
    peak : float
        The highest probability; NaN if no pixel holds data.
    area_px : int
        Pixels above the threshold.
    share : float
        Those of all pixels that hold data.
    threshold : float
    """

    name: str
    peak: float
    area_px: int
    share: float
    threshold: float

    @property
    def found(self) -> bool:
        """Whether more than a few scattered pixels lie above the threshold."""
        enough = self.area_px >= LEAST_PX and self.share >= LEAST_SHARE
        return self.area_px > 0 and (enough or self.share >= PLENTY)

    def __str__(self) -> str:
        """Return one sentence for a person."""
        name = quoted(self.name)
        limit = f"the threshold of {self.threshold:.2f}"
        if np.isnan(self.peak):
            return f"{name}: not found (no pixel holds data)."
        if self.found:
            return f"{name}: found on {_percent(self.share)} of the area ({self._peak()})."
        if self.area_px:
            pixels = "pixel" if self.area_px == 1 else "pixels"
            return f"{name}: not found (only {self.area_px} {pixels} above {limit})."
        below = "below" if self.peak < self.threshold else "not above"
        return f"{name}: not found ({self._peak()}, {below} {limit})."

    def _peak(self) -> str:
        # two digits must not put it on the other side of the threshold
        alike = f"{self.peak:.2f}" == f"{self.threshold:.2f}" and self.peak != self.threshold
        return f"peak {self.peak:.{4 if alike else 2}f}"


def presence(name: str, probability: Any, threshold: float) -> Presence:
    """Return whether a prompt was found.

    Parameters
    ----------
    name : str
    probability : array-like (..., H, W) float
        In [0, 1]. NaN stands for pixels without data.
    threshold : float

    Raises
    ------
    SettingError
        If the threshold is no number in [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise SettingError(f"the threshold must lie between 0 and 1, not {threshold}")
    values = np.asarray(probability)
    missing = int(np.isnan(values).sum())
    total = values.size - missing
    if not total:
        return Presence(name, float("nan"), 0, 0.0, threshold)
    area = int((values > threshold).sum())
    peak = float(np.fmax.reduce(values, axis=None))
    return Presence(name, peak, area, area / total, threshold)


def suggest_threshold(probability: npt.ArrayLike, mask: npt.ArrayLike) -> float:
    """Return the threshold at which what is found fits painted objects best.

    Parameters
    ----------
    probability : array-like (H, W) float
        In [0, 1]; NaN counts as 0.
    mask : array-like (H, W)
        The painted objects; every value but zero counts. There may be more objects of the
        kind in the image: only the surroundings of the painted ones are compared.

    Returns
    -------
    float
        In [0.05, 0.95]: the one of the largest intersection over union; the middle one where
        many do equally well, the lowest where none finds anything painted.

    Raises
    ------
    SettingError
        If nothing is painted or the shapes differ.
    ImageError
        If all pixels are NaN, or the probability holds whole numbers.
    """
    values, painted = np.asarray(probability), np.asarray(mask) != 0
    check_probability(values)
    if values.shape != painted.shape or values.ndim != 2:
        raise SettingError(
            f"the probability has the shape {values.shape}, what is painted {painted.shape}; "
            "both must be the same (H, W)"
        )
    if not painted.any():
        raise SettingError("nothing is painted; paint over at least one object first")
    if np.isnan(values).all():
        raise all_missing()
    near = _nearby(painted)
    inside = np.sort(np.nan_to_num(values[painted]))
    around = np.sort(np.nan_to_num(values[near & ~painted]))
    tried = np.linspace(LOWEST, HIGHEST, STEPS).round(2)
    hits, wrong = _above(inside, tried), _above(around, tried)
    overlap = hits / (len(inside) + wrong)
    if not overlap.any():
        return LOWEST
    best = tried[overlap >= overlap.max() - 1e-9]
    return float(best[len(best) // 2])


def _above(ordered: npt.NDArray[Any], thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.int_]:
    """Return how many of some rising values exceed each threshold."""
    return len(ordered) - np.searchsorted(ordered, thresholds.astype(ordered.dtype), side="right")


def _nearby(painted: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the painted objects, each with its surroundings, as boxes."""
    objects = measure.regionprops(measure.label(painted))
    near = np.zeros_like(painted)
    radius = np.sqrt(painted.sum() / len(objects) / np.pi)
    width = max(round(NEARBY * radius), 2)
    for each in objects:
        y0, x0, y1, x1 = each.bbox
        near[max(y0 - width, 0) : y1 + width, max(x0 - width, 0) : x1 + width] = True
    return near


def _percent(share: float) -> str:
    percent = 100 * share
    if percent >= 1:
        return f"{percent:.0f} %"
    return f"{percent:.2g} %" if percent >= 0.01 else "less than 0.01 %"
