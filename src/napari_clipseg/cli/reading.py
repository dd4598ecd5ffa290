"""The image and the prompts of a job, and what to type where they cannot be used."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from napari_clipseg.cli.segment import SegmentJob
from napari_clipseg.engine.pixels import Contrast, NotFinite, bands
from napari_clipseg.engine.prompts import MaskPrompt, Mix, TextPrompt
from napari_clipseg.errors import ImageError
from napari_clipseg.io.opening import open_image
from napari_clipseg.io.picture import ChannelView, NoSuchPlane, Picture

COLOURS, STAINS = (1, 3, 4), (1, 3)
"""Numbers of channels that need no choice: grey, RGB and, where they are samples of a colour, RGBA;
four channels on an axis C are four stains, of which none is alpha."""


def open_picture(job: SegmentJob, path: Path) -> Picture:
    """Return an image as a job wants it read: its plane, level, channels and nodata value.

    Raises
    ------
    ImageError, FileNotFoundError
        If there is no such image, plane, level or channel.
    """
    try:
        picture = open_image(path, job.plane, job.level)
    except NoSuchPlane as error:
        raise ImageError(f"{error.fault}; {_choice(job, error)}") from error
    if job.channels is not None:
        data = ChannelView(picture.data, _checked(path, picture, job.channels))
        picture = dataclasses.replace(picture, data=data)
    elif _channel_count(picture) not in (STAINS if "C" in picture.axes.upper() else COLOURS):
        raise _no_choice(path, picture, job.plane)
    return picture if job.nodata is None else dataclasses.replace(picture, nodata=job.nodata)


def _choice(job: SegmentJob, error: NoSuchPlane) -> str:
    """Return what to type where a plane has to be chosen."""
    if job.recipe is not None and job.recipe.plane and not job.plane:
        indices = ",".join(map(str, job.recipe.plane))
        return f"{job.recipe.path} was made on one plane: give --plane {indices} for the same"
    if error.of_all_channels is None:
        return f"choose one, e.g. --plane {error.example}"
    return (
        f"choose one, e.g. --plane {error.example} for one channel, or --plane "
        f"{error.of_all_channels} --channels 0,1,2 for three"
    )


def _channel_count(picture: Picture) -> int:
    return int(picture.data.shape[2]) if picture.data.ndim == 3 else 1


def _checked(path: Path, picture: Picture, channels: tuple[int, ...]) -> tuple[int, ...]:
    """Return channels that are all there."""
    count = _channel_count(picture)
    if not all(-count <= each < count for each in channels):
        told = "one channel, 0" if count == 1 else f"the channels 0 to {count - 1}"
        given = ",".join(map(str, channels))
        raise ImageError(f"{path} has {told}: there is no --channels {given}")
    return channels


def _no_choice(path: Path, picture: Picture, plane: Sequence[int]) -> ImageError:
    """Return an error that names both ways to choose channels."""
    count = _channel_count(picture)
    several = "0,1,2" if count > 2 else "0,1,1"
    stacked = [axis for axis in picture.axes if axis not in "YXS"]
    one = "--channels 0"
    if "C" in stacked:
        indices = [*map(str, plane)]
        indices.insert(stacked.index("C"), "0")
        one = f"--plane {','.join(indices)}"
    return ImageError(
        f"{path} has {count} channels; choose one, e.g. {one}, or three as red, green and blue, "
        f"e.g. --channels {several}"
    )


def example_of(job: SegmentJob) -> MaskPrompt | None:
    """Return the example of a job's own support image, None if it has none.

    Raises
    ------
    ClipSegError, FileNotFoundError
        If image or mask cannot be used.
    """
    if job.support_image is None or job.support_mask is None:
        return None
    try:
        example = _example(_open_support(job.support_image), job.support_mask, "auto")
        example.pixels().digest()
    except NotFinite as error:
        raise ImageError(
            f"{job.support_image} holds NaN or infinite pixels; replace them in the file, "
            "or give another --support-image"
        ) from error
    return example


def prompts_of(
    job: SegmentJob, picture: Picture, example: MaskPrompt | None
) -> Sequence[TextPrompt | MaskPrompt | Mix]:
    """Return the prompts of a job for a picture, to which a support mask alone belongs.

    Raises
    ------
    ClipSegError, FileNotFoundError
        If a text says nothing or the mask cannot be used.
    """
    texts = [TextPrompt(text, job.template) for text in job.prompt]
    if job.support_mask is None:
        return texts
    example = example or _example(picture, job.support_mask, job.contrast)
    if job.mix is None:
        return [*texts, example]
    return [Mix(text, example, job.mix) for text in texts]


def _example(support: Picture, mask: Path, contrast: Contrast) -> MaskPrompt:
    painted = np.asarray(_open_support(mask).data)
    if painted.ndim == 3:
        raise ImageError(f"{mask}: a support mask is a grey image, not one in colour")
    if np.isnan(painted).any():
        raise ImageError(
            f"{mask} holds NaN: a support mask is 0 but for the example; replace NaN in the file"
        )
    return MaskPrompt(support.data, painted, contrast, nodata=support.nodata)


def _open_support(path: Path) -> Picture:
    """Return a support image or mask: --plane is not about them."""
    try:
        return open_image(path)
    except NoSuchPlane as error:
        raise ImageError(f"{error.fault}; save the plane that is meant as a file") from error


@contextmanager
def naming(path: Path, picture: Picture) -> Iterator[None]:
    """Tell of pixels that are no numbers by the name of the file and by the option for them."""
    try:
        yield
    except NotFinite as error:
        boxes = (picture.data[y0:y1, x0:x1] for y0, x0, y1, x1 in bands(picture.shape))
        if any(np.isinf(box).any() for box in boxes):
            raise ImageError(f"{path} holds infinite pixels; replace them in the file") from error
        raise ImageError(
            f"{path} holds NaN pixels; add --nodata nan if NaN means that there is no data, or "
            "replace them in the file"
        ) from error
