"""One plane of an image file, which is read box by box."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_clipseg.errors import ImageError

CENTIMETRES: Mapping[str, float] = {
    "nm": 1e-7,
    "µm": 1e-4,
    "mm": 0.1,
    "cm": 1.0,
    "in": 2.54,
    "m": 100.0,
}
"""Units of length a pixel size may have (symbols as in OME), each in centimetres."""

UNNAMED_AXES = "QI"
"""What tifffile calls an axis of planes of which the file does not say what it is."""

UNIT_NAMES: Mapping[str, str] = {
    "\\u00B5m": "µm",
    "\u03bcm": "µm",
    "um": "µm",
    "micron": "µm",
    "microns": "µm",
    "micrometer": "µm",
    "nanometer": "nm",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "metre": "m",
    "inch": "in",
}
"""Other spellings of units in files; the second has a Greek mu for the micro sign."""


@dataclasses.dataclass(frozen=True, slots=True)
class PixelSize:
    """Height and width of a pixel in a unit of :data:`CENTIMETRES`."""

    y: float
    x: float
    unit: str

    @classmethod
    def checked(cls, y: float | None, x: float | None, unit: str) -> PixelSize | None:
        """Return the pixel size that a file tells, None if it tells no possible one."""
        name = UNIT_NAMES.get(unit, unit)
        if y is None or x is None or name not in CENTIMETRES:
            return None
        return cls(y, x, name) if math.isfinite(x * y) and x > 0 and y > 0 else None

    def scaled(self, y: float, x: float) -> PixelSize:
        """Return the size of pixels that are so many times as high and wide."""
        return PixelSize(self.y * y, self.x * x, self.unit)


@dataclasses.dataclass(frozen=True, slots=True)
class Geo:
    """Where on Earth an image lies.

    Parameters
    ----------
    crs : str
        Coordinate reference system as WKT.
    affine : tuple of 6 float
        a, b, c, d, e, f of x = a * column + b * row + c and y = d * column + e * row + f.
    """

    crs: str
    affine: tuple[float, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """One plane of an image file.

    Parameters
    ----------
    data : array-like (H, W) or (H, W, C)
        Pixels as they are stored: an array, or something that reads boxes of rows and columns.
    pixel_size : PixelSize, optional
        None where the file does not tell.
    axes : str
        Axes of the file in their order, e.g. ``ZCYX``.
    geo : Geo, optional
        Of georeferenced images.
    nodata : float, optional
        The value that stands for "nothing here".
    """

    data: Any
    pixel_size: PixelSize | None = None
    axes: str = "YX"
    geo: Geo | None = None
    nodata: float | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return int(self.data.shape[0]), int(self.data.shape[1])


class NoSuchPlane(ImageError):
    """A stack has no plane of the given indices, or none were given.

    Parameters
    ----------
    fault : str
        What is wrong, without what to do.
    example : str
        Indices that are possible, with commas.
    of_all_channels : str, optional
        Such indices without that of the channels, None where that is not possible.
    """

    def __init__(self, fault: str, example: str, of_all_channels: str | None) -> None:
        also = "" if of_all_channels is None else f", or plane {of_all_channels} of all channels"
        super().__init__(f"{fault}; choose one, e.g. plane {example}{also}")
        self.fault, self.example, self.of_all_channels = fault, example, of_all_channels


@dataclasses.dataclass(frozen=True, slots=True)
class Stack:
    """An n-D image in a file.

    Parameters
    ----------
    path : Path
        Named in errors.
    source : array-like
        Takes one index or slice for each axis.
    axes : str
        Y, X, perhaps S for the samples of a colour, and any others.
    """

    path: Path
    source: Any
    axes: str

    def plane(self, indices: Sequence[int]) -> PlaneView:
        """Return a plane by an index for each axis but Y, X and S, in the file's order.

        Without indices it is the only plane, if there is no more than one. Where only the index
        of an axis C is missing, its channels are the last axis of the plane.

        Raises
        ------
        NoSuchPlane
            If one has to be chosen and was not, or is not there.
        ImageError
            If it is a single plane and one was chosen.
        """
        leading = [axis for axis in self.axes if axis not in "YXS"]
        counts = [self.source.shape[self.axes.index(axis)] for axis in leading]
        if not indices and set(counts) == {1}:
            indices = [0] * len(counts)
        if self._may_show_channels and len(indices) == len(leading) - 1:
            shown = self.axes.replace("C", "S")
            return dataclasses.replace(self, axes=shown).plane(indices)
        if len(indices) != len(leading) or not all(
            0 <= index < count for index, count in zip(indices, counts, strict=True)
        ):
            raise self._refused(dict(zip(leading, counts, strict=True)), indices)
        return PlaneView(self, dict(zip(leading, indices, strict=True)))

    @property
    def _may_show_channels(self) -> bool:
        return "C" in self.axes and "S" not in self.axes

    def _refused(self, counts: Mapping[str, int], indices: Sequence[int]) -> ImageError:
        """Return why so many planes along each axis have none of these indices."""
        if not counts:
            return ImageError(
                f"{self.path}: the image is a single plane, so no plane can be chosen"
            )
        sizes = " x ".join(
            str(count) if axis in UNNAMED_AXES else f"{axis}={count}"
            for axis, count in counts.items()
        )
        given = f" and has no plane {','.join(map(str, indices))}" if indices else ""
        fault = f"{self.path}: the image is a stack of {sizes} planes{given}"
        example = ["0"] * len(counts)
        without = ",".join(example[1:]) if self._may_show_channels and len(counts) > 1 else None
        return NoSuchPlane(fault, ",".join(example), without)


class PlaneView:
    """A plane of a stack as an array (H, W) or (H, W, C), of which only boxes are read.

    Parameters
    ----------
    stack : Stack
    fixed : dict
        Index of each axis that is not shown.

    Attributes
    ----------
    chunks : tuple of int
        Size of the stored chunks along the plane's axes; empty if it is not stored in chunks.
    """

    def __init__(self, stack: Stack, fixed: Mapping[str, int]) -> None:
        self._stack, self._fixed = stack, fixed
        sizes = dict(zip(stack.axes, stack.source.shape, strict=True))
        self.shape: tuple[int, ...] = tuple(int(sizes[axis]) for axis in "YXS" if axis in sizes)
        self.ndim = len(self.shape)
        self.dtype: np.dtype[Any] = np.dtype(stack.source.dtype)
        chunks = getattr(stack.source, "chunks", None) or ()
        by_axis = dict(zip(stack.axes, chunks, strict=False))
        self.chunks = tuple(by_axis[axis] for axis in "YXS" if axis in by_axis)

    def __getitem__(self, box: tuple[slice, slice]) -> npt.NDArray[Any]:
        wanted = {**self._fixed, "Y": box[0], "X": box[1]}
        axes = self._stack.axes
        try:
            values = self._stack.source[tuple(wanted.get(axis, slice(None)) for axis in axes)]
        except Exception as error:  # decoders raise whatever they like on damaged files
            raise ImageError(
                f"{self._stack.path} is damaged, rows {box[0].start} to {box[0].stop} "
                f"cannot be read: {error}"
            ) from error
        shown = [axis for axis in axes if axis in "YXS"]
        order = [shown.index(axis) for axis in "YXS" if axis in shown]
        return np.asarray(values).transpose(order)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[0 : self.shape[0], 0 : self.shape[1]].astype(dtype or self.dtype)


class ChannelView:
    """Some channels of an array, of which only boxes are read.

    Parameters
    ----------
    data : array-like (H, W) or (H, W, C)
    channels : sequence of int
        Those that are left, in their new order.

    Attributes
    ----------
    chunks : tuple of int
        As of :class:`PlaneView`; a chunk holds all channels that are left.
    """

    def __init__(self, data: Any, channels: Sequence[int]) -> None:
        self._data, self._channels = data, list(channels)
        self.shape: tuple[int, ...] = (*data.shape[:2], len(self._channels))
        self.ndim, self.dtype = 3, np.dtype(data.dtype)
        self.chunks = tuple(getattr(data, "chunks", ()))[:2]

    def __getitem__(self, box: tuple[slice, slice]) -> npt.NDArray[Any]:
        values = np.asarray(self._data[box])
        return (values[..., None] if values.ndim == 2 else values)[..., self._channels]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self[0 : self.shape[0], 0 : self.shape[1]].astype(dtype or self.dtype)


def chosen_level(path: Path, count: int, level: int) -> int:
    """Return a level of a pyramid if it is one of ``count``.

    Raises
    ------
    ImageError
        If it is not.
    """
    if not 0 <= level < count:
        raise ImageError(f"{path} has the levels 0 to {count - 1}, not {level}")
    return level
