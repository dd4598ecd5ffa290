"""From the rows of the prompt table to the prompts that the engine understands."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from napari.layers import Image

from napari_clipseg.engine.prompts import MaskPrompt, Mix, TextPrompt
from napari_clipseg.errors import PromptError
from napari_clipseg.layers.query import QueryImage, QuerySettings, read_query
from napari_clipseg.layers.support import read_support

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_clipseg.widget.request import PromptRow, RunRequest

AnyPrompt: TypeAlias = TextPrompt | MaskPrompt | Mix

NOTHING: Mapping[int, AnyPrompt] = MappingProxyType({})


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """One prompt of a run.

    Parameters
    ----------
    row : PromptRow
    title : str
        What its results are called; no two of a run are called the same.
    prompt : TextPrompt, MaskPrompt or Mix
    """

    row: PromptRow
    title: str
    prompt: AnyPrompt


def query_settings(request: RunRequest) -> QuerySettings:
    """Return how the image of a request is read."""
    return QuerySettings(
        contrast=request.contrast,
        channels=request.channels,
        channel_axis=request.channel_axis,
        level=request.level,
    )


def read_layers(request: RunRequest, query: QueryImage) -> tuple[Layer, ...]:
    """Return the layers whose pixels are read."""
    channels = (each for each in request.channels or () if isinstance(each, Image))
    return tuple(dict.fromkeys([query.layer, *channels]))


def read_prompts(
    viewer: Viewer,
    request: RunRequest,
    query: QueryImage,
    given: Mapping[int, AnyPrompt] = NOTHING,
) -> tuple[Asked, ...]:
    """Return what a request asks for, at least one prompt that is not negative.

    What is painted is copied: the layer may change or go while the run is on. ``given`` holds
    the prompts of rows, by key, that a script brings itself.

    Raises
    ------
    PromptError
        If it asks for nothing, or nothing is painted.
    UnsupportedLayer
        If a painted layer or its image does not lie on the plane that is shown.
    """
    rows = [row for row in request.prompts if row.text.strip() or row.example is not None]
    if not rows:
        raise PromptError("Nothing to look for: type a prompt, or paint an example.")
    if all(row.negative for row in rows):
        raise PromptError(
            "All prompts are negative, so there is nothing to look for: add one for what is wanted."
        )
    titles = _told_apart([row.title for row in rows])
    return tuple(
        Asked(row, title, given.get(row.key) or _prompt(viewer, request, row, query))
        for row, title in zip(rows, titles, strict=True)
    )


def _prompt(viewer: Viewer, request: RunRequest, row: PromptRow, query: QueryImage) -> AnyPrompt:
    text = TextPrompt(row.text, request.templates) if row.text.strip() else None
    if row.example is None:
        assert text is not None, "rows that ask for nothing were left out"
        return text
    mask = read_example(viewer, row, query)
    return mask if text is None else Mix(text, mask, row.text_share)


def read_example(viewer: Viewer, row: PromptRow, query: QueryImage) -> MaskPrompt:
    """Return the example of a row as it is painted now.

    Raises
    ------
    PromptError
        If there is none, or nothing is painted.
    UnsupportedLayer
        If a painted layer or its image does not lie on the plane that is shown.
    """
    if row.example is None:
        raise PromptError("There is no example: paint or draw one first.")
    image = row.example_image
    seen = None if image is None or image == query.layer else read_query(viewer, image)
    return read_support(viewer, row.example, query, value=row.label_value, image=seen)


def _told_apart(titles: Sequence[str]) -> list[str]:
    """Return the titles, those that occurred before with a number: "cell", "cell (2)" ..."""
    taken: list[str] = []
    for title in titles:
        number, free = 1, title
        while free in taken:
            number += 1
            free = f"{title} ({number})"
        taken.append(free)
    return taken
