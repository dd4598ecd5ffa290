"""What the panel asks for as a Python script, to be repeated elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Layer

from napari_clipseg.layers.query import AS_DISPLAYED
from napari_clipseg.layers.regions import ON_SCREEN
from napari_clipseg.widget.request import PromptRow, ResultSettings, RunRequest

if TYPE_CHECKING:
    from napari import Viewer

HEAD = '''"""Repeats a run of the CLIPSeg panel. In napari's console it runs as it is."""

from napari_clipseg import segment_layer
from napari_clipseg.widget.request import PromptRow
'''

NO_IMAGE = "# The panel has no image: choose one, then copy again."
NO_PROMPT = "# The panel has no prompt: type one, then copy again."

NOT_SAID = {"image", "prompts", "key"}
"""Fields that are written in another way than as keywords."""


def as_python(viewer: Viewer, request: RunRequest, results: ResultSettings) -> str:
    """Return a Python script that repeats a run.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose planes and layers are meant.
    request : RunRequest
    results : ResultSettings

    Notes
    -----
    Where there is no ``viewer``, the script makes one without a window and opens the files of
    the layers; a layer that has no file is named in a comment.
    """
    if request.image is None:
        return f"{HEAD}\n{NO_IMAGE}\n"
    if not request.prompts:
        return f"{HEAD}\n{NO_PROMPT}\n"
    request = _settled(request)
    lines = [HEAD, *_opening(request), *_view(viewer, request), "prompts = ["]
    lines += [f"    {_call('PromptRow', row, PromptRow())}," for row in request.prompts]
    lines += ["]", "layers = segment_layer(", "    viewer,", f"    {_value(request.image)},"]
    lines += ["    prompts,"]
    usual = (RunRequest(None, ()), ResultSettings())
    for given, default in zip((request, results), usual, strict=True):
        lines += [f"    {each}," for each in _keywords(given, default)]
    return "\n".join([*lines, ")", ""])


def example_request(request: RunRequest, row: PromptRow) -> str:
    """Return, as Python, the request that reads the example of a row and nothing else."""
    read = dataclasses.replace(
        RunRequest(request.image, ()),
        level=request.level,
        channels=request.channels,
        channel_axis=request.channel_axis,
        contrast=request.contrast,
    )
    alone = PromptRow(
        example=row.example, label_value=row.label_value, example_image=row.example_image
    )
    prompt = _call("PromptRow", _selected(alone), PromptRow())
    image = _value(request.image)
    return _call("RunRequest", read, RunRequest(None, ()), image, f"({prompt},)")


def _settled(request: RunRequest) -> RunRequest:
    """Return a request that names the labels that are selected now."""
    return dataclasses.replace(request, prompts=tuple(map(_selected, request.prompts)))


def _selected(row: PromptRow) -> PromptRow:
    if row.label_value is not None or not isinstance(row.example, Labels):
        return row
    return dataclasses.replace(row, label_value=int(row.example.selected_label))


def _opening(request: RunRequest) -> Iterator[str]:
    """Yield what makes a viewer where there is none."""
    yield 'if "viewer" not in globals():'
    yield "    from napari.components import ViewerModel"
    layers = layers_of(request)
    files = any(layer.source.path for layer in layers)
    if files:
        yield "    from npe2 import PluginManager"
    yield ""
    if files:
        yield "    PluginManager.instance().discover()  # what reads the files"
    yield "    viewer = ViewerModel()"
    yield from map(_adding, layers)
    yield ""


def _adding(layer: Layer) -> str:
    """Return the line that has a layer in a viewer where it is not."""
    kind, path = type(layer).__name__, layer.source.path
    if not path:
        return f"    # the {kind} layer {layer.name!r} has no file: add it to the viewer here"
    reader = layer.source.reader_plugin
    plugin = f", plugin={reader!r}" if reader else ""
    options = f"name={layer.name!r}, layer_type={kind.lower()!r}{plugin}"
    return f"    viewer.open({str(path)!r}, {options})"


def _view(viewer: Viewer, request: RunRequest) -> Iterator[str]:
    """Yield what puts plane and contrast where they are now."""
    image = request.image
    assert image is not None, "the caller has looked"
    if image.ndim > 2:
        yield f"viewer.dims.order = {tuple(viewer.dims.order)}"
        yield f"viewer.dims.point = {tuple(float(each) for each in viewer.dims.point)}"
    shown = [image, *(each for each in request.channels or () if isinstance(each, Layer))]
    shown = shown if request.contrast == AS_DISPLAYED else []
    # what is under an example is always seen as it is displayed
    shown += [row.example_image for row in request.prompts if row.example_image is not None]
    for layer in dict.fromkeys(shown):
        if not layer.rgb:
            limits = tuple(float(each) for each in layer.contrast_limits)
            yield f"{_value(layer)}.contrast_limits = {limits}"
    if request.region == ON_SCREEN:
        yield "# 'on screen' is what the viewer shows while the script runs"


def layers_of(request: RunRequest) -> list[Layer]:
    """Return the layers that a run reads, each once."""
    rows = [each for row in request.prompts for each in (row.example, row.example_image)]
    named = [request.image, *(request.channels or ()), request.region, *rows]
    found: list[Layer] = []
    for each in named:
        if isinstance(each, Layer) and each not in found:
            found.append(each)
    return found


def _call(name: str, given: Any, default: Any, *first: str) -> str:
    return f"{name}({', '.join([*first, *_keywords(given, default)])})"


def _keywords(given: Any, default: Any) -> list[str]:
    """Return the fields that are not what they are by default, as keywords."""
    names = [field.name for field in dataclasses.fields(given) if field.name not in NOT_SAID]
    values = [(name, getattr(given, name)) for name in names]
    # a threshold that is not said would be the model's own, not the default of the row
    return [
        f"{name}={_value(value)}"
        for name, value in values
        if value != getattr(default, name) or name == "threshold"
    ]


def _value(value: Any) -> str:
    if isinstance(value, Layer):
        return f"viewer.layers[{value.name!r}]"
    if isinstance(value, tuple):
        inside = ", ".join(map(_value, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return repr(value)
