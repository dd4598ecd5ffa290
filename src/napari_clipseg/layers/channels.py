"""Several grey planes read together as the colours of one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.pixels import Contrast, Pixels


class ChannelStack:
    """Planes of one shape as the channels of one image, read box by box.

    Parameters
    ----------
    planes : sequence of array-like (H, W)
        One for each channel.

    Attributes
    ----------
    shape : (int, int, int)
        (H, W, C).
    dtype : numpy.dtype
        The smallest that holds the values of all planes.
    ndim : int
    """

    def __init__(self, planes: Sequence[Any]) -> None:
        self._planes = tuple(planes)
        height, width = planes[0].shape
        self.shape = (int(height), int(width), len(planes))
        self.dtype, self.ndim = np.result_type(*(each.dtype for each in planes)), 3

    def __getitem__(self, box: tuple[slice, slice]) -> npt.NDArray[Any]:
        """Read the rows and columns of a box, (h, w, C)."""
        parts = [np.asarray(each[box]) for each in self._planes]
        return np.stack(parts, axis=-1, dtype=self.dtype)


class ContrastPlane:
    """A grey plane as float32 in [0, 1], read box by box through its own contrast window.

    Parameters
    ----------
    plane : array-like (H, W)
    contrast : "auto" or (float, float)
        The values that become 0 and 1; what lies outside is clipped. "auto" is measured when
        the first box is read, as for any other image.

    Attributes
    ----------
    shape : (int, int)
    dtype : numpy.dtype
    ndim : int
    """

    def __init__(self, plane: Any, contrast: Contrast) -> None:
        self._plane, self._contrast = plane, contrast
        self.shape: tuple[int, int] = (int(plane.shape[0]), int(plane.shape[1]))
        self.dtype, self.ndim = np.dtype(np.float32), 2

    def __getitem__(self, box: tuple[slice, slice]) -> npt.NDArray[np.float32]:
        """Read the rows and columns of a box; NaN stays NaN."""
        low, high = self._window()
        stored = np.asarray(self._plane[box])
        values = stored.astype(np.result_type(stored.dtype, np.float32))
        values -= low
        values *= 1 / (high - low)
        np.clip(values, 0, 1, out=values)
        return values.astype(np.float32, copy=False)

    def _window(self) -> tuple[float, float]:
        if isinstance(self._contrast, str):
            self._contrast = Pixels(self._plane, contrast=self._contrast).contrast
        return self._contrast
