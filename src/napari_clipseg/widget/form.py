"""The controls of the panel, each with its label, limits and tooltip."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import (
    ComboBox,
    Container,
    FloatSlider,
    FloatSpinBox,
    Label,
    LineEdit,
    ProgressBar,
    PushButton,
    SpinBox,
    Widget,
)
from qtpy.QtWidgets import QComboBox, QSizePolicy

from napari_clipseg.layers.query import AS_DISPLAYED, AUTOMATIC
from napari_clipseg.model.catalog import DEFAULT_MODEL

Choices = Callable[[Any], list[Any]]


class Form(Container[Widget]):
    """All controls in the order of the keyboard; no control does anything by itself.

    Parameters
    ----------
    images, examples, models : callable
        Return what can be chosen; asked again whenever the layers change.
    """

    def __init__(self, images: Choices, examples: Choices, models: Choices) -> None:
        super().__init__()
        self._make_query(images)
        self._make_example(examples)
        self._make_settings(models)
        self._make_run()
        self._make_labels()
        self.margins = (6, 6, 6, 6)
        for combo in (self.image, self.example, self.model, self.contrast):
            _keep_narrow(combo)

    def _make_query(self, images: Choices) -> None:
        self.image = ComboBox(
            label="Image",
            choices=images,
            tooltip="The image to segment. Of a stack, the plane that is shown is taken.",
        )
        self.prompt = LineEdit(
            label="Prompt",
            tooltip="What to find, e.g. nuclei. Several things are separated by ; and get a "
            "probability and a label layer each. Enter runs.",
        )
        self.prompt.native.setPlaceholderText("e.g. nuclei; background")
        self.extend([self.image, self.prompt])

    def _make_example(self, examples: Choices) -> None:
        self.example = ComboBox(
            label="Example",
            choices=examples,
            nullable=True,
            tooltip="A Labels layer with one object painted: more like it is found. The label "
            "that is selected in that layer counts. Leave empty to use the text alone.",
        )
        self.paint = PushButton(
            text="Paint an example",
            tooltip="Add a Labels layer that lies on the image, with the brush in hand.",
        )
        self.text_share = FloatSlider(
            label="Text share",
            value=0.5,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="Where prompt and example are both given: 1 listens to the text alone, "
            "0 to the example alone.",
        )
        self.extend([self.example, self.paint, self.text_share])

    def _make_settings(self, models: Choices) -> None:
        self.model = ComboBox(label="Model", choices=models, value=DEFAULT_MODEL)
        self.browse = PushButton(
            text="Browse …", tooltip="Choose a weights file on this computer instead."
        )
        self.contrast = ComboBox(
            label="Contrast",
            choices=[AS_DISPLAYED, AUTOMATIC],
            tooltip="What the model sees as black and white: the contrast limits of the layer, or "
            "what suits the plane. Colour images are always taken as they are.",
        )
        self.zoom = FloatSpinBox(
            label="Zoom",
            value=1.0,
            min=0.1,
            max=16.0,
            step=0.25,
            tooltip="2 shows the model everything twice as large, for small objects; "
            "0.5 half as large, for objects larger than a tile.",
        )
        self.extend([self.model, self.browse, self.contrast, self.zoom])

    def _make_run(self) -> None:
        self.run = PushButton(text="Run", tooltip="Segment the plane that is shown (Enter).")
        self.cancel = PushButton(
            text="Cancel", enabled=False, tooltip="Stop after the tile that is being computed."
        )
        self.progress = ProgressBar(min=0, max=1, value=0, label="", tooltip="Tiles done.")
        self.status = Label(value="Ready.", tooltip="What was done last, or is being done.")
        self.status.native.setWordWrap(True)
        self.status.native.setMinimumWidth(1)
        # else the text is wrapped in half the width and stands in the middle
        self.status.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.extend([_row(self.run, self.cancel), self.progress, self.status])

    def _make_labels(self) -> None:
        self.threshold = FloatSlider(
            label="Threshold",
            value=0.5,
            min=0.01,
            max=0.99,
            step=0.01,
            tooltip="Pixels of a higher probability belong to an object. "
            "Moving it never runs the model again.",
        )
        self.min_size = SpinBox(
            label="Min. size",
            value=0,
            min=0,
            max=1_000_000,
            tooltip="Objects of fewer pixels are left out.",
        )
        self.extend([self.threshold, self.min_size])


def _row(*widgets: Widget) -> Container[Widget]:
    row = Container(widgets=widgets, layout="horizontal", labels=False, label="")
    row.margins = (0, 0, 0, 0)
    return row


def _keep_narrow(combo: ComboBox) -> None:
    """Let a long name be cut off in a combo rather than widen the dock."""
    combo.native.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    combo.native.setMinimumContentsLength(8)
