"""What the form says, frozen at the press of Run."""

from __future__ import annotations

import dataclasses

from napari.layers import Image, Labels, Shapes

from napari_clipseg.engine.templates import PLAIN
from napari_clipseg.model.catalog import DEFAULT_MODEL


@dataclasses.dataclass(frozen=True, slots=True)
class PromptRow:
    """One line of the prompt table: what to find, and how its result is shown.

    Parameters
    ----------
    key : int
        Of the row, for as long as it lives. Rows that a script gives are numbered anew.
    text : str
        A phrase, as one would say it: "nuclei".
    example : napari.layers.Labels or Shapes, optional
        Where an example is painted or drawn.
    label_value : int, optional
        The label that counts in that layer; by default the one selected there.
    example_image : napari.layers.Image, optional
        What is seen under the example; by default the query image.
    text_share : float
        Weight in [0, 1] of the text where both text and example are given.
    name : str
        What the person calls it; empty: made of text and example.
    color : str
        Of its results, as "#rrggbb".
    threshold : float
        Probability in (0, 1) above which a pixel is found.
    negative : bool
        Whether it is something that is not wanted: it takes pixels from the others.
    """

    key: int = 0
    text: str = ""
    example: Labels | Shapes | None = None
    label_value: int | None = None
    example_image: Image | None = None
    text_share: float = 0.5
    name: str = ""
    color: str = "#ff9e1a"
    threshold: float = 0.5
    negative: bool = False

    @property
    def title(self) -> str:
        """What the results are called."""
        if self.name:
            return self.name
        parts = [self.text.strip(), "" if self.example is None else "example"]
        return " + ".join(part for part in parts if part)


@dataclasses.dataclass(frozen=True, slots=True)
class ResultSettings:
    """How labels are made of probability; the model has no part in it.

    Parameters
    ----------
    competition : bool
        True: each pixel goes to one prompt, and all prompts share a label layer with a legend.
        False: each prompt has a label layer of its own.
    instances : bool
        True: each object has a number of its own. False: each prompt has.
    min_size : int
        Pixels of the smallest object that is kept.
    fill_holes : int
        Pixels of the largest hole that is filled.
    smoothing : float
        Sigma in pixels of a Gaussian on the probability before the threshold.
    """

    competition: bool = True
    instances: bool = True
    min_size: int = 0
    fill_holes: int = 0
    smoothing: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class RunRequest:
    """The form at the moment Run was pressed.

    Parameters
    ----------
    image : napari.layers.Image or None
        Query image.
    prompts : tuple of PromptRow
        Those that are switched on.
    channels : tuple of 3 Image, tuple of int or None
        Three layers as red, green and blue, or indices on ``channel_axis``.
    channel_axis : int, optional
        The axis of the image that holds channels.
    level : int
        Of a pyramid; 0 is full resolution.
    region : str, Shapes or Labels
        A name in :mod:`napari_clipseg.layers.regions`, or a layer that marks the part to do.
    planes : str or (int, int)
        A name in :mod:`napari_clipseg.layers.planes`, or first and past last along the first
        axis that is not shown.
    templates : tuple of str
        Sentences with ``{}`` in the place of a text.
    contrast : str
        A name in :mod:`napari_clipseg.layers.query`.
    model : str
        Name or path.
    device, precision : str
        As for :class:`napari_clipseg.Segmenter`.
    zoom : float
        2 shows the model everything twice as large.
    memory_mb : int
        Megabytes of encoded images kept in memory; beyond it they go to a folder in the
        person's cache.
    """

    image: Image | None
    prompts: tuple[PromptRow, ...]
    channels: tuple[Image, ...] | tuple[int, ...] | None = None
    channel_axis: int | None = None
    level: int = 0
    region: str | Shapes | Labels = "whole plane"
    planes: str | tuple[int, int] = "plane shown"
    templates: tuple[str, ...] = PLAIN
    contrast: str = "as displayed"
    model: str = DEFAULT_MODEL
    device: str = "auto"
    precision: str = "float32"
    zoom: float = 1.0
    memory_mb: int = 2000
