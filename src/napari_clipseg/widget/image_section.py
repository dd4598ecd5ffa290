"""Which image, and which part of it: layer, planes, level, region, channels, contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QLabel, QSpinBox, QWidget

from napari_clipseg.layers.geometry import spatial_shape
from napari_clipseg.layers.planes import ALL, SHOWN, plane_axes
from napari_clipseg.layers.query import AS_DISPLAYED, AUTOMATIC
from napari_clipseg.layers.regions import ON_SCREEN, WHOLE
from napari_clipseg.layers.results import is_ours
from napari_clipseg.widget.controls import Combo, Section, beside, column, form, show_row

if TYPE_CHECKING:
    from napari import Viewer

RANGE = "range"
"""Value of the planes combo that asks the two numbers below it."""

THREE_LAYERS = "three layers"
"""Value of the channels combo that asks the three layer combos below it."""

MOST_CHANNELS = 64
"""An axis longer than this is not taken for channels."""


class ImageSection(QWidget):
    """The query image as the person wants it read.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    changed = Signal()
    """Something else is asked for than before."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._make()
        self._tell()
        self._arrange()
        self._before = self.choices()
        self._before_channels: Any = None
        self._before_planes: Any = None
        for combo in self._combos():
            combo.currentIndexChanged.connect(self._on_change)
        for box in (*self.range, *self.indices, self.zoom):
            box.valueChanged.connect(self._on_change)
        self.image.currentIndexChanged.connect(self._on_image)

    def refill(self) -> None:
        """Offer the layers that are there now."""
        layers = list(self._viewer.layers)
        images = [each for each in layers if isinstance(each, Image) and not is_ours(each)]
        self.image.fill((each.name, each) for each in images)
        areas = [each for each in layers if isinstance(each, Shapes | Labels)]
        self.region.fill(
            [(WHOLE, WHOLE), (ON_SCREEN, ON_SCREEN), *((each.name, each) for each in areas)]
        )
        grey = [each for each in images if not each.rgb]
        for combo in self.layers:
            combo.fill((each.name, each) for each in grey)
        self._on_image()

    def choices(self) -> dict[str, Any]:
        """Return what is chosen, as fields of a run request."""
        return {
            "image": self.image.value(),
            "channels": self._channels(),
            "channel_axis": self._channel_axis(),
            "level": self.level.value() or 0,
            "region": self.region.value(),
            "planes": self._planes(),
            "contrast": self.contrast.value(),
            "zoom": self.zoom.value(),
        }

    def _make(self) -> None:
        self.image, self.level, self.planes, self.region = Combo(), Combo(), Combo(), Combo()
        self.channels, self.contrast = Combo(), Combo()
        self.layers = (Combo(), Combo(), Combo())
        self.range = (QSpinBox(), QSpinBox())
        self.indices = (QSpinBox(), QSpinBox(), QSpinBox())
        self.zoom = QDoubleSpinBox()
        self.zoom.setRange(0.1, 16.0)
        self.zoom.setSingleStep(0.25)
        self.zoom.setValue(1.0)
        self.planes.fill([(SHOWN, SHOWN), (ALL, ALL), ("from … to …", RANGE)])
        self.contrast.fill([(AS_DISPLAYED, AS_DISPLAYED), (AUTOMATIC, AUTOMATIC)])
        self.region.fill([(WHOLE, WHOLE), (ON_SCREEN, ON_SCREEN)])
        self.channels.fill([("as the layer is", None)])
        for box in (*self.range, *self.indices):
            # napari's buttons leave no room for the digits of three boxes side by side
            box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
            box.setStyleSheet("QSpinBox { min-width: 40px; }")

    def _tell(self) -> None:
        tooltips: dict[QWidget, str] = {
            self.image: "The image to segment: grey or colour, of any number of dimensions.",
            self.level: "Level of the pyramid. Coarser levels are faster and show the model "
            "larger things; results have the pixels of the level.",
            self.planes: "Of a stack: the plane that is shown, all planes, or some of them. "
            "The plane that is shown comes first.",
            self.region: "The part that is segmented: all of it, what is on the screen, or what "
            "a Shapes or Labels layer marks. Only tiles that touch it are computed.",
            self.channels: "How grey channels become the colours that the model sees: three "
            "layers, or three positions on an axis.",
            self.contrast: "What the model sees as black and white: the contrast limits of the "
            "layer, or what suits the plane. Colour images are always taken as they are.",
            self.zoom: "2 shows the model everything twice as large, for small objects; "
            "0.5 half as large, for objects larger than a tile.",
            self.range[0]: "First plane.",
            self.range[1]: "Last plane; it is segmented too.",
        }
        for color, layer, index in zip(
            ("red", "green", "blue"), self.layers, self.indices, strict=True
        ):
            tooltips[layer] = f"The layer that the model sees in {color}."
            tooltips[index] = f"Position on the axis that the model sees in {color}."
        for widget, tooltip in tooltips.items():
            widget.setToolTip(tooltip)

    def _arrange(self) -> None:
        basic, self.more = (
            QWidget(),
            Section("Channels, contrast, zoom", "How the image is shown to the model."),
        )
        self._basic, self._advanced = form(basic), form(self.more.content)
        self._range_row = beside(self.range[0], QLabel("to"), self.range[1])
        self._basic.addRow("Image", self.image)
        self._basic.addRow("Level", self.level)
        self._basic.addRow("Planes", self.planes)
        self.range_label = QLabel()
        self._basic.addRow(self.range_label, self._range_row)
        self._basic.addRow("Region", self.region)
        self._indices_row = beside(*self.indices)
        self._advanced.addRow("Channels", self.channels)
        for color, combo in zip(("Red", "Green", "Blue"), self.layers, strict=True):
            self._advanced.addRow(color, combo)
        self._advanced.addRow("R, G, B", self._indices_row)
        self._advanced.addRow("Contrast", self.contrast)
        self._advanced.addRow("Zoom", self.zoom)
        column(self, basic, self.more)
        self._show_rows()

    def _combos(self) -> Sequence[Combo]:
        return (self.level, self.planes, self.region, self.channels, self.contrast, *self.layers)

    def _on_image(self) -> None:
        layer = self.image.value()
        # all that depends on the image is changed before anything is made of it
        with QSignalBlocker(self.level), QSignalBlocker(self.channels):
            self.level.fill(_levels(layer))
            self.channels.fill(self._channel_choices(layer))
        self._on_change()

    def _on_change(self) -> None:
        self._limit_indices()
        self._limit_range()
        before_channels, self._before_channels = self._before_channels, self.channels.value()
        if self._before_channels != before_channels:
            self._start_channels()
        self._show_rows()
        before, self._before = self._before, self.choices()
        if self._before != before:
            self.changed.emit()

    def _limit_indices(self) -> None:
        """Let the three numbers stay on the axis of the channels."""
        axis = self._channel_axis()
        if axis is not None:
            for box in self.indices:
                with QSignalBlocker(box):
                    box.setMaximum(spatial_shape(self.image.value())[axis] - 1)

    def _limit_range(self) -> None:
        """Let the range stay on the axis of the planes; of another axis it is all planes."""
        layer, axis = self.image.value(), self._range_axis()
        last = 0 if axis is None else max(spatial_shape(layer)[axis] - 1, 0)
        before, self._before_planes = self._before_planes, (layer, axis, last)
        for box, end in zip(self.range, (0, last), strict=True):
            with QSignalBlocker(box):
                box.setMaximum(last)
                if self._before_planes != before:
                    box.setValue(end)

    def _start_channels(self) -> None:
        """Let red, green and blue be different ones, where there are so many, to begin with."""
        for number, (combo, box) in enumerate(zip(self.layers, self.indices, strict=True)):
            with QSignalBlocker(combo), QSignalBlocker(box):
                combo.setCurrentIndex(min(number, combo.count() - 1))
                box.setValue(number)

    def _show_rows(self) -> None:
        axis = self._range_axis()
        stack = axis is not None
        show_row(self._basic, self.level, self.level.count() > 1)
        show_row(self._basic, self.planes, stack)
        show_row(self._basic, self._range_row, stack and self.planes.value() == RANGE)
        self.range_label.setText("" if axis is None else _axis_name(self.image.value(), axis))
        for combo in self.layers:
            show_row(self._advanced, combo, self.channels.value() == THREE_LAYERS)
        show_row(self._advanced, self._indices_row, self._channel_axis() is not None)

    def _channel_choices(self, layer: Image | None) -> list[tuple[str, Any]]:
        choices: list[tuple[str, Any]] = [("as the layer is", None)]
        if layer is None or layer.rgb:
            return choices
        choices.append(("three layers", THREE_LAYERS))
        if layer.ndim > 2:
            lengths = enumerate(spatial_shape(layer))
            choices += [(f"axis {a} ({n})", a) for a, n in lengths if 1 < n <= MOST_CHANNELS]
        return choices

    def _channels(self) -> tuple[Image, ...] | tuple[int, ...] | None:
        if self.channels.value() == THREE_LAYERS:
            return tuple(combo.value() for combo in self.layers)
        if self._channel_axis() is not None:
            return tuple(box.value() for box in self.indices)
        return None

    def _channel_axis(self) -> int | None:
        value = self.channels.value()
        return value if isinstance(value, int) else None

    def _planes(self) -> str | tuple[int, int]:
        if self._range_axis() is None:
            return SHOWN
        if self.planes.value() != RANGE:
            return str(self.planes.value())
        first, last = sorted(box.value() for box in self.range)
        return first, last + 1

    def _range_axis(self) -> int | None:
        """Return the axis that a range of planes lies on, None where the image has one plane."""
        layer = self.image.value()
        axes = [] if layer is None else plane_axes(self._viewer, layer, self._channel_axis())
        return axes[0] if axes else None


def _axis_name(layer: Image, axis: int) -> str:
    """Return what a person calls an axis: its label, or where there is none, its number."""
    label = str(layer.axis_labels[axis])
    return f"Axis {axis}" if label == str(axis - layer.ndim) else f"Axis {label}"


def _levels(layer: Image | None) -> list[tuple[str, int]]:
    if layer is None or not layer.multiscale:
        return [("0", 0)]
    shapes = [data.shape[: layer.ndim][-2:] for data in layer.data]
    return [(f"{k}: {h} x {w}", k) for k, (h, w) in enumerate(shapes)]
