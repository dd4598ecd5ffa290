"""The planes of a volume across one of its axes, segmented one by one on square pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit, logit
from torch.nn import functional as F

from napari_clipseg.engine.decoding import probability_array
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import Prompt
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.engine.tiling import plan_tiles
from napari_clipseg.errors import SettingError

MAX_ANISOTROPY = 5.0
"""Longest side of a pixel over its shortest; beyond it most of a resampled plane is made up."""

SLAB = 32
"""Planes that views across a second axis read from the image, and keep, together."""

MARGIN = 1e-6
"""Probabilities are kept this far from 0 and 1 before they become logits (+-13.8)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Volume:
    """A volume and how its values are read.

    Parameters
    ----------
    image : array-like (Z, Y, X) or (Z, Y, X, C)
    contrast : (float, float)
        The values that become black and white in every plane.
    channels : tuple of int, optional
        One channel as grey or three as R, G, B.
    spacing : (float, float, float)
        Size of a voxel along the three axes, in any one unit.
    """

    image: Any
    contrast: tuple[float, float]
    channels: tuple[int, ...] | None
    spacing: tuple[float, float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Lengths of the three axes in voxels."""
        z, y, x = (int(length) for length in self.image.shape[:3])
        return z, y, x

    def planes(self, axis: int, first: int, count: int) -> Iterator[npt.NDArray[Any]]:
        """Yield planes (h, w) or (h, w, C) across an axis, read from the image together."""
        yield from np.moveaxis(np.asarray(self.image[across(axis, first, count)]), axis, 0)


@dataclasses.dataclass(frozen=True, slots=True)
class Plane:
    """An image (h, w) or (h, w, C) and how its values are read, see :class:`Volume`."""

    image: npt.NDArray[Any]
    contrast: tuple[float, float]
    channels: tuple[int, ...] | None


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A tile further.

    Parameters
    ----------
    tiles : int
        Tiles of the view done so far.
    plane : int
        Number of the plane.
    probability : ndarray (P, h, w) float32, optional
        When the plane is complete.
    """

    tiles: int
    plane: int
    probability: npt.NDArray[np.float32] | None


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """A volume seen along one axis.

    Parameters
    ----------
    segmenter : Segmenter
    volume : Volume
    axis : int
        The axis along which the planes lie one behind the other.
    together : int
        Planes read from the image at once.

    Raises
    ------
    SettingError
        If the pixels of its planes are longer than wide, or wider than long, by more than
        :data:`MAX_ANISOTROPY`.
    """

    segmenter: Segmenter
    volume: Volume
    axis: int
    together: int

    def __post_init__(self) -> None:
        height, width = self._without_axis(self.volume.spacing)
        ratio = max(height, width) / min(height, width)
        if ratio > MAX_ANISOTROPY:
            raise SettingError(
                f"planes across axis {self.axis} have pixels of {height:g} x {width:g}, "
                f"{ratio:.3g} times longer one way than the other; at most {MAX_ANISOTROPY:g} "
                'can be resampled: look along the coarse axis only (views="axis"), '
                "or reduce the fine axes first"
            )

    @property
    def depth(self) -> int:
        """Number of planes."""
        return self.volume.shape[self.axis]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a plane in voxels."""
        height, width = self._without_axis(self.volume.shape)
        return int(height), int(width)

    @property
    def square(self) -> tuple[int, int]:
        """Height and width of a plane once its pixels are square, of the finer size."""
        finest = min(self._without_axis(self.volume.spacing))
        height, width = (
            round(length * size / finest)
            for length, size in zip(
                self.shape, self._without_axis(self.volume.spacing), strict=True
            )
        )
        return height, width

    @property
    def tiles_per_plane(self) -> int:
        """Number of tiles of one plane."""
        each = self.segmenter
        return len(plan_tiles(self.square, each.tile, each.overlap, each.zoom).tiles)

    def segmented(self, prompts: Sequence[Prompt]) -> Generator[Step]:
        """Yield after every tile of every plane, plane by plane."""
        for first in range(0, self.depth, self.together):
            planes = self.volume.planes(self.axis, first, self.together)
            for number, plane in enumerate(planes, first):
                yield from self._plane(number, plane, prompts)

    def _plane(
        self, number: int, plane: npt.NDArray[Any], prompts: Sequence[Prompt]
    ) -> Generator[Step]:
        seen = self._seen(plane)
        out = probability_array(prompts, self.square)
        done, end = number * self.tiles_per_plane, (number + 1) * self.tiles_per_plane
        reading: dict[str, Any] = {"contrast": seen.contrast, "channels": seen.channels}
        for tile in self.segmenter.stream(seen.image, prompts, out, **reading):
            if tile.index < tile.total:
                yield Step(done + tile.index, number, None)
        yield Step(end, number, self._on_voxels(out))

    def _seen(self, plane: npt.NDArray[Any]) -> Plane:
        """Return the plane with square pixels."""
        contrast, channels = self.volume.contrast, self.volume.channels
        if self.square == self.shape:
            return Plane(plane, contrast, channels)
        rgb = Pixels(plane, contrast=contrast, channels=channels).read((0, 0, *self.shape))
        larger = resized(np.moveaxis(rgb, 2, 0), self.square)
        return Plane(np.moveaxis(larger, 0, 2), (0.0, 1.0), None)

    def _on_voxels(self, probability: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if self.square == self.shape:
            return probability
        return from_logits(resized(to_logits(probability), self.shape))

    def _without_axis(self, values: Sequence[float]) -> tuple[float, float]:
        first, second = (value for axis, value in enumerate(values) if axis != self.axis)
        return first, second


def across(axis: int, first: int, count: int) -> tuple[slice, ...]:
    """Return the index of planes from ``first`` on across an axis."""
    return (*[slice(None)] * axis, slice(first, first + count))


def to_logits(probability: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the logits of probabilities, which are finite also where these are 0 or 1."""
    logits: npt.NDArray[np.float32] = logit(np.clip(probability, MARGIN, 1 - MARGIN))
    return logits


def from_logits(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the probabilities of logits."""
    probability: npt.NDArray[np.float32] = expit(logits)
    return probability


def resized(values: npt.NDArray[np.float32], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return maps (K, h, w) with another height and width: bilinear, antialiased."""
    tensor = torch.from_numpy(np.array(values, order="C"))[None]
    return np.asarray(F.interpolate(tensor, shape, mode="bilinear", antialias=True)[0].numpy())
