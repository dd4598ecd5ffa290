"""Planes that agree: logits averaged along an axis, and over views across all three."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from napari_clipseg.engine.views import SLAB, across, from_logits, to_logits
from napari_clipseg.errors import OutputError

TRUNCATION = 3.0
"""The Gaussian along the axis ends after so many standard deviations."""


class RunningMean:
    """Gaussian mean of logits along an axis that holds only the planes within its reach.

    Parameters
    ----------
    depth : int
        Number of planes.
    sigma : float
        Standard deviation in planes. At the first and last planes the mean is over those
        that exist.
    write : callable
        Takes the number of a plane and its final probability (P, h, w).
    """

    def __init__(
        self,
        depth: int,
        sigma: float,
        write: Callable[[int, npt.NDArray[np.float32]], object],
    ) -> None:
        self._depth, self._write, self._end = depth, write, 0
        self._reach = ceil(TRUNCATION * sigma)
        distances = np.arange(self._reach + 1)
        self._weights = np.exp(-0.5 * (distances / sigma) ** 2) if sigma else np.ones(1)
        self._recent: deque[npt.NDArray[np.float32]] = deque(maxlen=2 * self._reach + 1)

    def take(self, index: int, logits: npt.NDArray[np.float32]) -> int:
        """Take the logits (P, h, w) of the next plane; return how many planes are final."""
        self._recent.append(logits)
        last = index + 1 == self._depth
        end = self._depth if last else max(index + 1 - self._reach, self._end)
        for plane in range(self._end, end):
            self._write(plane, from_logits(self._mean(plane, index)))
        self._end = end
        return end

    def _mean(self, plane: int, newest: int) -> npt.NDArray[np.float32]:
        weights = [
            self._weight(abs(each - plane))
            for each in range(newest + 1 - len(self._recent), newest + 1)
        ]
        mean = np.zeros_like(self._recent[0])
        for weight, logits in zip(weights, self._recent, strict=True):
            if weight:
                mean += np.float32(weight / sum(weights)) * logits
        return mean

    def _weight(self, distance: int) -> float:
        return float(self._weights[distance]) if distance <= self._reach else 0.0


class LogitSum:
    """Sum of the logits of several views, on disk in cubes that are read alike along any axis.

    Parameters
    ----------
    folder : Path
        An empty folder.
    shape : (int, int, int, int)
        (P, Z, Y, X).
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int, int]) -> None:
        cube = tuple(min(SLAB, length) for length in shape[1:])
        self._sum: Any = zarr.create_array(
            folder, shape=shape, chunks=(1, *cube), dtype="float32", compressors=None
        )

    def adding(self, axis: int) -> Callable[[int, npt.NDArray[np.float32]], int]:
        """Return what takes number and probability (P, h, w) of one plane after the other.

        It adds them in slabs as thick as a cube and returns 0: no plane is final.
        """
        slab: list[npt.NDArray[np.float32]] = []

        def take(index: int, probability: npt.NDArray[np.float32]) -> int:
            slab.append(to_logits(probability))
            if len(slab) == SLAB or index + 1 == self._sum.shape[axis + 1]:
                self._add(axis, index + 1 - len(slab), np.stack(slab, axis + 1))
                slab.clear()
            return 0

        return take

    def planes(self, axis: int) -> Callable[[int], npt.NDArray[np.float32]]:
        """Return what gives the sum (P, h, w) of a plane; it reads a slab at a time."""
        slab: list[npt.NDArray[np.float32]] = []

        def plane(index: int) -> npt.NDArray[np.float32]:
            if index % SLAB == 0:
                slab[:] = np.moveaxis(self._sum[_slab(axis, index, SLAB)], axis + 1, 0)
            return slab[index % SLAB]

        return plane

    def _add(self, axis: int, first: int, logits: npt.NDArray[np.float32]) -> None:
        place = _slab(axis, first, logits.shape[axis + 1])
        try:
            self._sum[place] = self._sum[place] + logits
        except OSError as error:
            raise OutputError(
                f"the folder for temporary files cannot hold the views: {error}; "
                "make room or name another folder in the environment variable TMPDIR"
            ) from error


def _slab(axis: int, first: int, count: int) -> tuple[slice, ...]:
    return (slice(None), *across(axis, first, count))
