"""What the panel asks for as a command line; what it cannot say stands in comments before it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_clipseg.engine.templates import PLAIN
from napari_clipseg.errors import ClipSegError
from napari_clipseg.io.opening import open_image
from napari_clipseg.layers.geometry import shown_plane
from napari_clipseg.layers.planes import SHOWN
from napari_clipseg.layers.query import AS_DISPLAYED
from napari_clipseg.layers.regions import WHOLE
from napari_clipseg.widget.example_file import example_of
from napari_clipseg.widget.request import ResultSettings, RunRequest
from napari_clipseg.widget.script import NO_IMAGE, NO_PROMPT, example_request

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_clipseg.io.picture import Picture

OUTPUT = "results"
"""Folder that the command line writes to."""

IMAGE_FILE = "IMAGE.tif"
"""Stands for a layer that has no file."""

EXAMPLE_FILE, SUPPORT_FILE = "EXAMPLE.tif", "SUPPORT.tif"
"""What a line in napari's console writes: the example, and the image under it."""

RULE = 60 * "-"
"""Sets code for napari's console apart from the sentences before it."""


def as_command(viewer: Viewer, request: RunRequest, results: ResultSettings) -> str:
    """Return a call of ``napari-clipseg segment`` that repeats a run as far as it can.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose plane is meant.
    request : RunRequest
    results : ResultSettings

    Returns
    -------
    str
        Comment lines that begin with ``#``, then one line for the shell. Where an example must
        be written first, the lines that do it stand last among the comments, set apart.
    """
    if request.image is None:
        return NO_IMAGE
    if not request.prompts:
        return NO_PROMPT
    words = ["napari-clipseg", "segment", _file(request.image, IMAGE_FILE), "--output", OUTPUT]
    for part in (_prompts(viewer, request), _image(viewer, request), _engine(request)):
        words += part
    words += _labels(request, results)
    comments = [f"# {each}" for each in limits(viewer, request, results)]
    comments += [f"# {each}" for each in _writing(viewer, request)]
    return "\n".join([*comments, shlex.join(words)])


def limits(viewer: Viewer, request: RunRequest, results: ResultSettings) -> Iterator[str]:
    """Yield a sentence for each thing that the command line cannot say."""
    yield from _limits_of_image(viewer, request)
    yield from _limits_of_prompts(viewer, request)
    positive = [row for row in request.prompts if not row.negative]
    if results.competition and len(request.prompts) > 1:
        yield "Prompts do not compete on the command line: their labels may overlap."
    if not results.instances and positive:
        yield "Labels number objects there, not prompts."


def _limits_of_image(viewer: Viewer, request: RunRequest) -> Iterator[str]:
    assert request.image is not None, "the caller has looked"
    if request.image.source.path is None:
        yield f"'{request.image.name}' has no file: save it, and put its path for {IMAGE_FILE}."
    if request.planes != SHOWN:
        yield "One plane is done there: repeat the line with --plane for the others."
    elif request.image.ndim > 2 and _plane(viewer, request) is None:
        yield "The plane that is shown does not lie on the last two axes: it cannot be named."
    if request.region != WHOLE:
        yield "The whole plane is done there, not only the region."
    if request.channels is not None and not isinstance(request.channels[0], int):
        yield "Colours made of several layers need one file that holds them all."
    elif request.channels is not None and not _file_shows_channels(viewer, request):
        given = ",".join(map(str, request.channels))
        yield f"--channels {given} was meant: it needs a file that calls that axis channels (C)."


def _limits_of_prompts(viewer: Viewer, request: RunRequest) -> Iterator[str]:
    rows = request.prompts
    examples = [row for row in rows if row.example is not None]
    if examples:
        yield from _lack_of_example(viewer, request)
    if len({(row.example, row.label_value, row.example_image) for row in examples}) > 1:
        yield "There is one example there: only the first is named."
    mixes = {row.text_share if row.text else None for row in rows if row.example is not None}
    plain = any(row.example is None for row in rows)
    if len(mixes) > 1 or (mixes - {None} and plain):
        yield "Text and example are mixed alike for all prompts there."
    if len({row.threshold for row in rows}) > 1:
        yield "All prompts have the threshold of the first there."
    if any(row.negative for row in rows):
        yield "There are no negative prompts there: they get labels like the others."


def _lack_of_example(viewer: Viewer, request: RunRequest) -> Iterator[str]:
    """Yield why the example cannot be written, where it cannot."""
    try:
        example_of(viewer, request)
    except ClipSegError as error:
        yield f"There is no example yet. {error}"


def _writing(viewer: Viewer, request: RunRequest) -> Iterator[str]:
    """Yield what a person does to have the first example in a file, and the code for it."""
    files = _example_files(viewer, request)
    if not files:
        return
    row = next(each for each in request.prompts if each.example is not None)
    also = "" if len(files) == 1 else f" and the image under it to {SUPPORT_FILE}"
    yield "First paste the lines between the two rules, without the leading '# ',"
    yield f"into napari's console: they write the example to {EXAMPLE_FILE}{also},"
    yield f"in the folder {Path.cwd()}. Then run the command in that folder."
    yield RULE
    yield "from napari_clipseg.widget.example_file import write_example"
    yield "from napari_clipseg.widget.request import PromptRow, RunRequest"
    names = "".join(f", {each!r}" for each in files)
    yield f"write_example(viewer, {example_request(request, row)}{names})"
    yield RULE


def _prompts(viewer: Viewer, request: RunRequest) -> Iterator[str]:
    for row in request.prompts:
        if row.text.strip():
            yield from ("--prompt", row.text.strip())
    if request.templates != PLAIN:
        for each in request.templates:
            yield from ("--template", each)
    painted = [row for row in request.prompts if row.example is not None]
    if painted:
        yield from ("--support-mask", EXAMPLE_FILE)
        if SUPPORT_FILE in _example_files(viewer, request):
            yield from ("--support-image", SUPPORT_FILE)
        if painted[0].text.strip():
            yield from ("--mix", f"{painted[0].text_share:g}")


def _image(viewer: Viewer, request: RunRequest) -> Iterator[str]:
    image = request.image
    assert image is not None, "the caller has looked"
    plane = _plane(viewer, request)
    if plane:
        yield from ("--plane", ",".join(map(str, plane)))
    if request.level:
        yield from ("--level", str(request.level))
    if request.contrast == AS_DISPLAYED and not image.rgb and request.channels is None:
        low, high = image.contrast_limits
        yield f"--contrast={float(low)!r},{float(high)!r}"
    if request.channels is not None and _file_shows_channels(viewer, request):
        yield from ("--channels", ",".join(map(str, request.channels)))
    yield from _nodata(viewer, request)


def _nodata(viewer: Viewer, request: RunRequest) -> Iterator[str]:
    """Yield the option for gaps: to the panel NaN alone is one, whatever the file says."""
    image = request.image
    assert image is not None, "the caller has looked"
    if np.dtype(image.dtype).kind == "f" or _file_has_nodata(viewer, request):
        yield from ("--nodata", "nan")


def _file_has_nodata(viewer: Viewer, request: RunRequest) -> bool:
    picture = _picture(viewer, request)
    return picture is not None and picture.nodata is not None


def _file_shows_channels(viewer: Viewer, request: RunRequest) -> bool:
    """Return whether the command line finds the channels of an axis of the image in its file."""
    image, picture = request.image, _picture(viewer, request)
    assert image is not None, "the caller has looked"
    if request.channel_axis is None or picture is None:
        return False
    return tuple(picture.data.shape[2:]) == (image.data.shape[request.channel_axis],)


def _picture(viewer: Viewer, request: RunRequest) -> Picture | None:
    """Return what the command line reads of the file, None where it cannot or there is none."""
    image = request.image
    assert image is not None, "the caller has looked"
    if image.source.path is None:
        return None
    try:
        return open_image(Path(image.source.path), _plane(viewer, request) or (), request.level)
    except (ClipSegError, OSError):
        return None


def _example_files(viewer: Viewer, request: RunRequest) -> tuple[str, ...]:
    """Return the files that hold the first example, none where there is no example yet."""
    try:
        _, on_query = example_of(viewer, request)
    except ClipSegError:
        return ()
    return (EXAMPLE_FILE,) if on_query else (EXAMPLE_FILE, SUPPORT_FILE)


def _engine(request: RunRequest) -> Iterator[str]:
    yield from ("--model", request.model, "--device", request.device)
    yield from ("--precision", request.precision, "--zoom", f"{request.zoom:g}")


def _labels(request: RunRequest, results: ResultSettings) -> Iterator[str]:
    if request.prompts:
        yield from ("--threshold", f"{request.prompts[0].threshold:g}")
    yield from ("--min-size", str(results.min_size))
    if results.fill_holes:
        yield from ("--fill-holes", str(results.fill_holes))
    if results.smoothing:
        yield from ("--smoothing", f"{results.smoothing:g}")


def _plane(viewer: Viewer, request: RunRequest) -> tuple[int, ...] | None:
    """Return the index of the plane that is shown, without that of an axis of channels.

    None where the last two of the other axes do not span it.
    """
    image, channel_axis = request.image, request.channel_axis
    assert image is not None, "the caller has looked"
    try:
        plane = shown_plane(viewer, image)
    except ClipSegError:
        return None
    axes = list(range(image.ndim))
    if channel_axis is not None:
        del axes[channel_axis]
    if plane.axes != tuple(axes[-2:]):
        return None
    return tuple(
        index for axis, index in enumerate(plane.index) if axis in axes and index is not None
    )


def _file(layer: Layer, otherwise: str) -> str:
    return str(layer.source.path or otherwise)
