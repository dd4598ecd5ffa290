"""Labels of a probability too large for memory, made band by band of full-width rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage import measure

from napari_clipseg.engine.labels import LabelSettings, all_missing, read_rows

BAND_ROWS, BAND_PIXELS = 128, 1 << 20
"""Rows, and pixels, held at once at most unless told otherwise."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What labels hold.

    Parameters
    ----------
    objects : int
    area_px : int
        Pixels that belong to an object.
    peak : float
        The highest probability, smoothed where that is asked for.
    """

    objects: int
    area_px: int
    peak: float


def label_bands(
    probability: Any, out: Any, settings: LabelSettings, *, rows: int | None = None
) -> Found:
    """Write the labels that :func:`napari_clipseg.engine.labels.label` gives, numbers included.

    Parameters
    ----------
    probability : array-like (H, W)
        Probability in [0, 1], read by bands of rows: two times, three to fill holes.
    out : array-like (H, W) int32
        Written once, by bands of rows from top to bottom.
    settings : LabelSettings
    rows : int, optional
        Height of a band; by default one of which memory does not grow with the width.

    Returns
    -------
    Found

    Raises
    ------
    ImageError
        If all pixels are NaN.

    Notes
    -----
    Each band is labelled alone. Its parts are numbered on from those of the bands above, so
    that numbers rise with a part's first pixel. Parts that touch across a border between
    bands are joined, and a joined object takes the place of its lowest number, which is where
    its own first pixel lies. Memory: one band, and some bytes for each part.
    """
    rows = rows or min(BAND_ROWS, max(BAND_PIXELS // probability.shape[1], 16))
    masks = _Masks(probability, settings, rows)
    holes = _holes(masks) if settings.fill_holes else np.zeros(0, bool)
    parts, peak = _Parts(reach=1), float("nan")
    for band in masks.read(holes):
        parts.add(measure.label(band.mask))
        peak = float(np.fmax(peak, band.peak))
    if np.isnan(peak):
        raise all_missing()
    whole, sizes = parts.joined()
    kept = sizes >= settings.min_size
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0)[whole].astype(np.int32)
    offset = 0
    for band in masks.read(holes):
        objects = measure.label(band.mask)
        out[band.first : band.first + len(objects)] = _look_up(numbers, objects, offset)
        offset += int(objects.max(initial=0))
    return Found(int(kept.sum()), int(sizes[kept].sum()), peak)


@dataclasses.dataclass(frozen=True, slots=True)
class _Band:
    """Which pixels (h, W) of a band from row ``first`` on belong to objects."""

    first: int
    mask: npt.NDArray[np.bool_]
    peak: float


@dataclasses.dataclass(frozen=True, slots=True)
class _Masks:
    """A probability seen as bands of object and background."""

    probability: Any
    settings: LabelSettings
    rows: int

    def read(self, holes: npt.NDArray[np.bool_]) -> Iterator[_Band]:
        """Yield all bands; ``holes`` says of each part of the background if it is filled."""
        offset = 0
        for first in range(0, self.probability.shape[0], self.rows):
            rows = (first, min(first + self.rows, self.probability.shape[0]))
            values = read_rows(self.probability, rows, self.settings.smoothing)
            mask = values > self.settings.threshold
            if len(holes):
                background = measure.label(~mask, connectivity=1)
                mask |= _look_up(holes, background, offset)
                offset += int(background.max(initial=0))
            yield _Band(first, mask, float(np.fmax.reduce(values, axis=None)))


class _Parts:
    """Components of bands, numbered through the image, and which of them touch.

    Parameters
    ----------
    reach : int
        Columns by which pixels of neighbouring rows may differ and still touch: 1 counts
        diagonals, 0 does not.
    """

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._count = 0
        self._last: npt.NDArray[np.int_] | None = None
        self._sizes: list[npt.NDArray[np.int_]] = [np.zeros(1, int)]
        self._pairs: list[npt.NDArray[np.int_]] = [np.zeros((2, 0), int)]

    def add(self, objects: npt.NDArray[np.int_]) -> None:
        """Add the components (h, W) of the next band, numbered from 1."""
        first, last = (
            np.where(row, row + self._count, 0).astype(int) for row in (objects[0], objects[-1])
        )
        if self._last is not None:
            self._pairs.append(_touching(self._last, first, self._reach))
        sizes = np.bincount(objects.ravel())[1:]
        self._sizes.append(sizes)
        self._count += len(sizes)
        self._last = last

    def joined(self) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
        """Return the whole component of each part, numbered without gaps, and their sizes."""
        # here, since 19 MB are not wanted while the network computes
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        pairs = np.concatenate(self._pairs, 1)
        size = self._count + 1
        touching = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), (size, size))
        _, group = connected_components(touching, directed=False)
        # in the order of the lowest part of each, which scipy does not promise
        _, lowest, group = np.unique(group, return_index=True, return_inverse=True)
        order = np.empty(len(lowest), int)
        order[np.argsort(lowest)] = np.arange(len(lowest))
        whole = order[group]
        sizes = np.bincount(whole, np.concatenate(self._sizes)).astype(int)
        return whole, sizes


def _holes(masks: _Masks) -> npt.NDArray[np.bool_]:
    """Return of each part of the background, 0 for none, whether it is a hole to fill."""
    parts = _Parts(reach=0)
    outside, offset, height = [0], 0, masks.probability.shape[0]
    for band in masks.read(np.zeros(0, bool)):
        background = measure.label(~band.mask, connectivity=1)
        parts.add(background)
        at_border = [background[:, 0], background[:, -1]]
        at_border += [background[0]] if band.first == 0 else []
        at_border += [background[-1]] if band.first + len(background) == height else []
        touched = np.unique(np.concatenate(at_border))
        outside.extend((touched[touched > 0] + offset).tolist())
        offset += int(background.max(initial=0))
    whole, sizes = parts.joined()
    hole = masks.settings.fillable(sizes)
    hole[whole[outside]] = False
    return np.asarray(hole[whole])


def _look_up(values: npt.NDArray[Any], parts: npt.NDArray[np.int_], offset: int) -> Any:
    """Return ``values`` of the parts (h, W) of a band that come after ``offset`` others."""
    count = int(parts.max(initial=0))
    return np.concatenate([values[:1], values[offset + 1 : offset + 1 + count]])[parts]


def _touching(
    upper: npt.NDArray[np.int_], lower: npt.NDArray[np.int_], reach: int
) -> npt.NDArray[np.int_]:
    """Return the pairs (2, N) of parts that touch between two neighbouring rows."""
    width = len(upper)
    shifts = [
        np.stack([upper[max(s, 0) : width + min(s, 0)], lower[max(-s, 0) : width + min(-s, 0)]])
        for s in range(-reach, reach + 1)
    ]
    pairs = np.concatenate(shifts, 1)
    return np.unique(pairs[:, pairs.all(0)], axis=1)
