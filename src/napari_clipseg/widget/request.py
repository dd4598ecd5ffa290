"""What the form says, frozen, and the prompts it asks for."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from napari.layers import Image, Labels

from napari_clipseg.engine.prompts import MaskPrompt, Mix, TextPrompt
from napari_clipseg.errors import PromptError
from napari_clipseg.layers.query import QueryImage
from napari_clipseg.layers.support import read_support

if TYPE_CHECKING:
    from napari import Viewer

AnyPrompt = TextPrompt | MaskPrompt | Mix


@dataclasses.dataclass(frozen=True, slots=True)
class RunRequest:
    """The form at the moment Run was pressed.

    Parameters
    ----------
    image : napari.layers.Image or None
        Query image.
    texts : tuple of str
        Phrases, each to be found by itself.
    example : napari.layers.Labels or None
        Where an example is painted.
    text_share : float
        Weight in [0, 1] of the text where both text and example are given.
    contrast : {"as displayed", "auto"}
    model : str
        Name or path.
    zoom : float
    """

    image: Image | None
    texts: tuple[str, ...]
    example: Labels | None
    text_share: float
    contrast: str
    model: str
    zoom: float


def split_texts(line: str) -> tuple[str, ...]:
    """Return the phrases of a prompt line; they are separated by ``;`` or line breaks."""
    return tuple(dict.fromkeys(part.strip() for part in re.split(r"[;\n]", line) if part.strip()))


def read_prompts(viewer: Viewer, request: RunRequest, query: QueryImage) -> tuple[AnyPrompt, ...]:
    """Return what a request asks for, at least one prompt.

    Raises
    ------
    PromptError
        If it asks for nothing or nothing is painted.
    UnsupportedLayer
        If the painted layer does not lie on the image.
    """
    texts = tuple(TextPrompt(text) for text in request.texts)
    if request.example is None:
        if not texts:
            raise PromptError("Nothing to look for: type a prompt, or paint an example.")
        return texts
    example = read_support(viewer, request.example, query)
    return tuple(Mix(text, example, request.text_share) for text in texts) or (example,)
