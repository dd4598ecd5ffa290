"""An image of any kind, read box by box as RGB through one contrast window."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.chunks import held
from napari_clipseg.errors import ImageError, SettingError

Box: TypeAlias = tuple[int, int, int, int]
"""Half-open pixel box (y0, x0, y1, x1)."""

Contrast: TypeAlias = str | tuple[float, float]
"""``"auto"`` or the two values that become black and white."""

LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.8
"""The automatic contrast window; the bundled model was trained with it."""

SAMPLE_BLOCKS, SAMPLE_SIDE = 8, 128
"""A large image's contrast is measured on 8 x 8 blocks of 128 x 128 pixels."""


class NotFinite(ImageError):
    """Pixels are NaN or infinite and were not said to hold no data."""


class Pixels:
    """An image read by box as RGB in [0, 1], every box through the same contrast window.

    Parameters
    ----------
    image : array-like (H, W) or (H, W, C)
        Grey, RGB, RGBA or, with ``channels``, any number of channels. Boolean,
        integer or float. numpy, dask and zarr arrays are read by box, never whole.
    contrast : "auto" or (float, float)
        The values that become 0 and 1; what lies outside is clipped. "auto" takes RGB of
        8 bits as it is, float RGB within [0, 1] too, and for all else the 0.5 and 99.8
        percentile of the whole image (of a sample where it is large).
    channels : tuple of int, optional
        One channel to be shown as grey or three as R, G, B.
    nodata : float, optional
        The value that stands for "nothing here", which may be NaN. A pixel is left out where
        all its channels have this value, for NaN where one has it, and where alpha is 0. Such
        pixels have no part in the contrast and are black.

    Attributes
    ----------
    shape : (int, int)
        Height and width.
    contrast : (float, float)
        The window in use.
    nodata : float or None
    may_leave_out : bool
        Whether there is a nodata value or an alpha channel.

    Raises
    ------
    ImageError
        If the array is empty, not real numbers, not 2-D with optional channels, or holds
        NaN or infinite pixels that are not nodata.
    """

    def __init__(
        self,
        image: Any,
        *,
        contrast: Contrast = "auto",
        channels: tuple[int, ...] | None = None,
        nodata: float | None = None,
    ) -> None:
        self._image = image if hasattr(image, "shape") else np.asarray(image)
        _check_array(self._image)
        self._image = held(self._image)
        self._channels = _choose_channels(self._image.shape, channels)
        self._alpha = channels is None and self._image.shape[2:] == (4,)
        self.nodata = nodata
        self.may_leave_out = self._alpha or nodata is not None
        self.shape: tuple[int, int] = (int(self._image.shape[0]), int(self._image.shape[1]))
        if type(self._image) is np.ndarray and self._image.dtype.kind == "f":
            for box in bands(self.shape):
                self._raw(box)
        self.contrast = self._auto_contrast() if contrast == "auto" else _check_contrast(contrast)

    def read(self, box: Box) -> npt.NDArray[np.float32]:
        """Return RGB (h, w, 3) float32 in [0, 1] of a box inside the image."""
        low, high = self.contrast
        raw = self._raw(box)
        values = raw.values.astype(np.result_type(raw.values.dtype, np.float32))
        values -= low
        values /= high - low  # its reciprocal would overflow where the window is very narrow
        np.clip(values, 0, 1, out=values)
        values[~raw.valid] = 0
        rgb = values.astype(np.float32, copy=False)
        return np.broadcast_to(rgb, (*rgb.shape[:2], 3))

    def valid(self, box: Box) -> npt.NDArray[np.bool_]:
        """Return which pixels (h, w) of a box inside the image are not left out."""
        return self._raw(box).valid

    def digest(self) -> str:
        """Return a hash of all pixels that are read, of a few rows at a time."""
        digest = hashlib.blake2b(f"{self._image.shape} {self._image.dtype}".encode())
        for box in bands(self.shape):
            raw = self._raw(box)
            digest.update(raw.values.tobytes())
            digest.update(raw.valid.tobytes())
        return digest.hexdigest()

    def _raw(self, box: Box) -> _Raw:
        """Return the chosen channels of a box as they are stored."""
        y0, x0, y1, x1 = box
        stored = np.asarray(self._image[y0:y1, x0:x1])
        stored = stored[..., None] if stored.ndim == 2 else stored
        values = stored[..., list(self._channels)]
        valid = _holds_data(values, self.nodata)
        if self._alpha:
            valid &= stored[..., 3] != 0
        _check_finite(values, valid)
        return _Raw(values, valid)

    def _auto_contrast(self) -> tuple[float, float]:
        colour, kind = len(self._channels) == 3, np.dtype(self._image.dtype)
        if colour and kind == np.uint8:
            return 0.0, 255.0
        sample = self._sample()
        if colour and kind.kind == "f" and sample.min() >= 0 and sample.max() <= 1:
            return 0.0, 1.0
        low, high = np.percentile(
            sample.astype(np.float64, copy=False), (LOW_PERCENTILE, HIGH_PERCENTILE)
        )
        if not high > low:
            low, high = float(sample.min()), float(sample.max())
        low, high = float(low), float(high)
        return (low, high) if high > low else (low, low + max(1.0, abs(low)))

    def _sample(self) -> npt.NDArray[Any]:
        """Return values of the image, a single 0 if all that was looked at is left out."""
        raws = (self._raw(box) for box in sample_boxes(self.shape))
        sample = np.concatenate([raw.values[raw.valid].ravel() for raw in raws])
        return sample if sample.size else np.zeros(1, sample.dtype)


@dataclasses.dataclass(frozen=True, slots=True)
class _Raw:
    """Stored values (h, w, 1 or 3) of a box and which pixels (h, w) are not left out."""

    values: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]


def sample_boxes(shape: tuple[int, int]) -> Iterator[Box]:
    """Yield boxes spread evenly over an image; together all of it where it is small."""
    height, width = shape
    if height * width <= (SAMPLE_BLOCKS * SAMPLE_SIDE) ** 2:
        yield 0, 0, height, width
        return
    for y0 in _spread(height):
        for x0 in _spread(width):
            yield y0, x0, min(y0 + SAMPLE_SIDE, height), min(x0 + SAMPLE_SIDE, width)


def bands(shape: tuple[int, int]) -> Iterator[Box]:
    """Yield boxes of a few rows that make up the whole image."""
    height, width = shape
    for y0 in range(0, height, SAMPLE_SIDE):
        yield y0, 0, min(y0 + SAMPLE_SIDE, height), width


def _spread(length: int) -> list[int]:
    last = max(length - SAMPLE_SIDE, 0)
    return sorted({round(last * i / (SAMPLE_BLOCKS - 1)) for i in range(SAMPLE_BLOCKS)})


def _check_array(image: Any) -> None:
    kind = np.dtype(image.dtype)
    if kind.kind not in "buif":
        raise ImageError(
            f"an image of {kind} cannot be segmented; give real numbers, "
            "e.g. the magnitude numpy.abs(image)"
        )
    if image.ndim not in (2, 3):
        raise ImageError(
            f"an image has the shape (H, W) or (H, W, channels), not {tuple(image.shape)}; "
            "give one plane, e.g. image[0]"
        )
    if 0 in image.shape:
        raise ImageError(f"the image of shape {tuple(image.shape)} holds no pixels")


def _choose_channels(shape: tuple[int, ...], channels: tuple[int, ...] | None) -> tuple[int, ...]:
    count = 1 if len(shape) == 2 else int(shape[2])
    if channels is None:
        defaults: dict[int, tuple[int, ...]] = {1: (0,), 3: (0, 1, 2), 4: (0, 1, 2)}
        if count not in defaults:
            raise ImageError(
                f"the last axis of an image of shape {tuple(shape)} is taken for {count} channels; "
                "choose one or three with channels=..., or put channels last with numpy.moveaxis, "
                "or give one plane of a stack"
            )
        return defaults[count]
    if len(channels) not in (1, 3) or not all(-count <= each < count for each in channels):
        raise ImageError(f"channels={channels}: choose one or three of the {count} channels")
    return tuple(channels)


def _check_contrast(contrast: Contrast) -> tuple[float, float]:
    if isinstance(contrast, str):
        raise SettingError(f'contrast is "auto" or two numbers, not {contrast!r}')
    try:
        low, high = (float(value) for value in contrast)
    except (TypeError, ValueError) as error:
        raise SettingError(f'contrast is "auto" or two numbers, not {contrast!r}') from error
    if not (np.isfinite(high - low) and high > low):
        raise SettingError(f"contrast needs two rising numbers, not {low} and {high}")
    return low, high


def _holds_data(values: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    """Return which pixels (h, w) of values (h, w, C) are not nodata."""
    if nodata is None:
        return np.ones(values.shape[:2], bool)
    missing = np.isnan(values).any(-1) if np.isnan(nodata) else (values == nodata).all(-1)
    return np.asarray(~missing)


def _check_finite(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values[valid]).all():
        raise NotFinite(
            "the image holds NaN or infinite pixels; replace them first, e.g. with "
            "numpy.nan_to_num(image), or give NaN as the nodata value if nothing is there"
        )
