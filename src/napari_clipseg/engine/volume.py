"""Stacks, volumes and time series: plane by plane, with agreement between planes if wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.consistency import LogitSum, RunningMean
from napari_clipseg.engine.pixels import Contrast, Pixels
from napari_clipseg.engine.prompts import Prompt, as_prompts, is_single
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.engine.views import SLAB, View, Volume, across, to_logits
from napari_clipseg.errors import ImageError, SettingError, UnknownName

VIEWS = ("axis", "orthogonal")
"""Planes across one axis, or across all three with their logits averaged."""

SAMPLED_PLANES, SAMPLED_SIDE = 8, 1024
"""A volume's contrast is measured on 8 planes, thinned to at most 1024 x 1024 pixels."""

Map: TypeAlias = npt.NDArray[np.float32]

Sink: TypeAlias = Callable[[int, Map], int]


@dataclasses.dataclass(frozen=True, slots=True)
class VolumeSettings:
    """How a volume is cut into planes, and how far its planes agree.

    Parameters
    ----------
    axis : {0, 1, 2}
        The axis along which the planes lie one behind the other: depth, or time.
    views : {"axis", "orthogonal"}
        "orthogonal" segments the planes across all three axes and averages the logits. It
        costs three times as much and needs a scratch file of 4 bytes per voxel and prompt
        in the folder for temporary files.
    smooth : float
        Standard deviation of the Gaussian with which logits are averaged along the axis: in
        planes or, with ``spacing``, in its unit. 0 leaves every plane as it is.
    spacing : (float, float, float), optional
        Size of a voxel along the three axes, in any one unit. Planes whose pixels are not
        square are resampled to the finer size before they are segmented, results back.
    contrast : "auto" or (float, float)
        The values that become black and white, the same in all planes.
    channels : tuple of int, optional
        Of (Z, Y, X, C): one channel as grey or three as R, G, B.

    Raises
    ------
    SettingError, UnknownName
        If a value cannot work.
    """

    axis: int = 0
    views: str = "axis"
    smooth: float = 0.0
    spacing: tuple[float, float, float] | None = None
    contrast: Contrast = "auto"
    channels: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.axis not in (0, 1, 2):
            raise SettingError(f"the axis of the planes is 0, 1 or 2, not {self.axis}")
        if self.views not in VIEWS:
            raise UnknownName(f"views {self.views!r} is unknown; there are {', '.join(VIEWS)}")
        if not (isfinite(self.smooth) and self.smooth >= 0):
            raise SettingError(f"smooth must be 0 or more, not {self.smooth}")
        sizes = (1.0, 1.0, 1.0) if self.spacing is None else tuple(self.spacing)
        if len(sizes) != 3 or not all(isfinite(size) and size > 0 for size in sizes):
            raise SettingError(f"spacing needs three positive numbers, not {self.spacing}")

    @property
    def other_axes(self) -> tuple[int, ...]:
        """The axes of the further views."""
        return () if self.views == "axis" else tuple({0, 1, 2} - {self.axis})

    @property
    def sigma(self) -> float:
        """Standard deviation of the averaging along the axis in planes."""
        return self.smooth / self.spacing[self.axis] if self.spacing else self.smooth


@dataclasses.dataclass(frozen=True, slots=True)
class VolumeProgress:
    """One tile further.

    Parameters
    ----------
    index, total : int
        Tiles done, counted from 1, and tiles in all planes of all views.
    planes : (int, int)
        Planes of the result, first and past the last, that became final with this tile.
    """

    index: int
    total: int
    planes: tuple[int, int]


def segment_volume(
    segmenter: Segmenter,
    image: Any,
    prompts: Prompt | Sequence[Prompt],
    out: Any,
    settings: VolumeSettings | None = None,
) -> Generator[VolumeProgress]:
    """Write the probability of every voxel, plane by plane, and yield after every tile.

    Parameters
    ----------
    segmenter : Segmenter
    image : array-like (Z, Y, X) or (Z, Y, X, C)
        A stack, a volume or a time series. numpy, dask and zarr arrays are read in planes.
    prompts : str, TextPrompt, MaskPrompt, Mix or a sequence of these
    out : array-like (Z, Y, X) of one prompt or (P, Z, Y, X) of a sequence, float32
        Every plane is written once, when it is final.
    settings : VolumeSettings, optional

    Yields
    ------
    VolumeProgress
        Stop iterating to cancel; planes reported as final stay.

    Raises
    ------
    ImageError
        If the array is no volume.
    SettingError
        If ``out`` has another shape, or the voxels are too far from cubes for the views.
    ClipSegError
        What :meth:`Segmenter.run` raises.

    Notes
    -----
    Memory does not grow with the number of planes: it holds one plane, with smoothing those
    within three standard deviations, and with orthogonal views 32 more.

    References
    ----------
    Averaging three orthogonal views: Roth et al. 2014, "A new 2.5D representation for lymph
    node detection using random sets of deep convolutional neural network observations",
    arXiv 1406.2639.
    """
    settings = settings or VolumeSettings()
    asked = as_prompts(prompts)
    volume = _volume(image, settings)
    shape = (len(asked), *volume.shape)
    write = _writer(out, shape, settings.axis, is_single(prompts))
    others = [View(segmenter, volume, axis, SLAB) for axis in settings.other_axes]
    view = View(segmenter, volume, settings.axis, 1)
    total, start = sum(each.depth * each.tiles_per_plane for each in (*others, view)), 0
    with TemporaryDirectory(prefix="napari-clipseg-") as folder:
        sinks = _sinks(settings, Path(folder), shape, write)
        for index, end in _counted([*others, view], sinks, asked):
            yield VolumeProgress(index, total, (start, end))
            start = end


def volume_contrast(image: Any, settings: VolumeSettings | None = None) -> tuple[float, float]:
    """Return the values that become black and white in every plane of a volume.

    Parameters
    ----------
    image : array-like (Z, Y, X) or (Z, Y, X, C)
    settings : VolumeSettings, optional
        Its axis, contrast and channels count.

    Returns
    -------
    (float, float)
        What :class:`~napari_clipseg.engine.pixels.Pixels` finds for planes spread evenly over
        the volume, taken as one image.
    """
    settings = settings or VolumeSettings()
    depth = image.shape[settings.axis]
    count = min(depth, SAMPLED_PLANES) if settings.contrast == "auto" else 1
    numbers = np.linspace(0, depth - 1, count).round().astype(int)
    sample = np.concatenate([_thinned(image, settings.axis, number) for number in numbers])
    return Pixels(sample, contrast=settings.contrast, channels=settings.channels).contrast


def _thinned(image: Any, axis: int, number: int) -> npt.NDArray[Any]:
    (plane,) = np.moveaxis(np.asarray(image[across(axis, int(number), 1)]), axis, 0)
    height, width = (-(-length // SAMPLED_SIDE) for length in plane.shape[:2])
    return np.array(plane[::height, ::width])


def _counted(
    views: Sequence[View], sinks: Sequence[Sink], prompts: Sequence[Prompt]
) -> Generator[tuple[int, int]]:
    """Yield after every tile how many tiles are done and how many planes are final."""
    earlier, end = 0, 0
    for view, sink in zip(views, sinks, strict=True):
        for step in view.segmented(prompts):
            if step.probability is not None:
                end = sink(step.plane, step.probability)
            yield earlier + step.tiles, end
        earlier += view.depth * view.tiles_per_plane


def _volume(image: Any, settings: VolumeSettings) -> Volume:
    if image.ndim not in (3, 4) or 0 in image.shape:
        raise ImageError(
            "a volume has the shape (Z, Y, X) or (Z, Y, X, channels) and at least one voxel, "
            f"not {tuple(image.shape)}"
        )
    contrast = volume_contrast(image, settings)
    return Volume(image, contrast, settings.channels, settings.spacing or (1.0, 1.0, 1.0))


def _writer(out: Any, shape: tuple[int, int, int, int], axis: int, single: bool) -> Sink:
    """Return what writes the probability (P, h, w) of a plane and says how many are final."""
    expected = shape[1:] if single else shape
    if tuple(out.shape) != expected:
        raise SettingError(f"out has the shape {tuple(out.shape)}, the result {expected}")
    place: list[slice | int] = [slice(None)] * (axis if single else axis + 1)

    def write(plane: int, probability: Map) -> int:
        out[(*place, plane)] = probability[0] if single else probability
        return plane + 1

    return write


def _sinks(
    settings: VolumeSettings,
    folder: Path,
    shape: tuple[int, int, int, int],
    write: Sink,
) -> list[Sink]:
    """Return, for each view, what takes a plane's probability and says how many are final."""
    axis = settings.axis
    if not settings.other_axes and not settings.sigma:
        return [write]
    mean = RunningMean(shape[axis + 1], settings.sigma, write)
    if not settings.other_axes:
        return [lambda plane, probability: mean.take(plane, to_logits(probability))]
    others = LogitSum(folder, shape)
    sum_of_others = others.planes(axis)

    def take(plane: int, probability: Map) -> int:
        return mean.take(plane, (to_logits(probability) + sum_of_others(plane)) / np.float32(3))

    return [*(others.adding(each) for each in settings.other_axes), take]
