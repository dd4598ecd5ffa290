"""All that can be set of one prompt: the controls below the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QCheckBox, QFrame, QLabel, QLineEdit, QPushButton, QSizePolicy, QSpinBox

from napari_clipseg.widget.controls import Combo, Slider, beside, form, sentence, show_row
from napari_clipseg.widget.prompt_model import HIGHEST, LOWEST, Entry, PromptModel

SELECTED = "selected"
"""What the label value says while the label that is selected in the layer counts."""

MOST_LABELS = 2**31 - 1


class PromptDetail(QFrame):
    """Shows one row of a :class:`PromptModel` and writes what is set there.

    Parameters
    ----------
    model : PromptModel
    """

    paint_asked = Signal(int)
    """Key of the row for which an example shall be painted."""

    suggestion_asked = Signal(int)
    """Key of the row whose threshold shall be taken from its example."""

    def __init__(self, model: PromptModel) -> None:
        super().__init__()
        self.model = model
        self.key, self.hint = 0, ""
        self._make()
        self._tell()
        self.setObjectName("PromptDetail")
        self._layout = form(self)
        self._layout.setContentsMargins(8, 2, 0, 2)
        self._arrange()
        self._connect()
        self.show_row_of(0)

    def show_row_of(self, key: int) -> None:
        """Show the row of a key, nothing if there is none."""
        self.key = key
        entry = self.model.entry(key)
        self.setVisible(entry is not None)
        if entry is not None:
            self._show(entry)

    def offer(self, examples: Iterable[Any], images: Iterable[Any]) -> None:
        """Offer layers, in place of those that were offered before."""
        with QSignalBlocker(self.example), QSignalBlocker(self.example_image):
            self.example.fill([("none", None), *((each.name, each) for each in examples)])
            self.example_image.fill([("this image", None), *((e.name, e) for e in images)])
        self.show_row_of(self.key)

    def show_picture(self, picture: npt.NDArray[np.uint8] | str) -> None:
        """Show what the model sees of the example, (S, S, 3) uint8, or say why there is none."""
        self.hint = picture if isinstance(picture, str) else ""
        self.picture.setVisible(not self.hint)
        if not isinstance(picture, str):
            side = len(picture)
            data = np.ascontiguousarray(picture).tobytes()
            image = QImage(data, side, side, 3 * side, QImage.Format.Format_RGB888)
            self.picture.setPixmap(QPixmap.fromImage(image.copy()))
        self.show_row_of(self.key)

    def _make(self) -> None:
        self.threshold = Slider(LOWEST, HIGHEST)
        self.suggest = QPushButton("Suggest")
        self.negative = QCheckBox("Not wanted (negative)")
        self.example, self.example_image = Combo(), Combo()
        self.paint = QPushButton("Paint …")
        self.label_value = QSpinBox()
        self.label_value.setRange(0, MOST_LABELS)
        self.label_value.setSpecialValueText(SELECTED)
        self.text_share = Slider(0.0, 1.0)
        self.name = QLineEdit()
        self.remove = QPushButton("Remove")
        self.remove.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.sentence = sentence()

    def _tell(self) -> None:
        self.threshold.set_tooltip(
            "Pixels of a higher probability are found. While you drag only the colours change; "
            "let go for new labels. The model never runs again for it."
        )
        tooltips = {
            self.suggest: "Take the threshold at which what is found fits the painted example "
            "best. Needs an example and a run.",
            self.negative: "What is not wanted: it takes pixels from the other prompts and gets "
            "no labels.",
            self.example: "A Labels layer with one object painted, or a Shapes layer with one "
            "drawn: more like it is found.",
            self.paint: "Add a Labels layer that lies on the image, with the brush in hand, "
            "as the example of this prompt.",
            self.label_value: "The label that counts in that layer; 'selected' follows the label "
            "that is selected there.",
            self.example_image: "The image under the example: this one, or another layer in "
            "which the object was painted.",
            self.name: "What results are called; empty: text and example make the name.",
            self.remove: "Take this prompt away (Delete in the table). Its layers stay.",
            self.picture: "The example as the model sees it: cut out, all else dim and blurred.",
            self.sentence: "What the last run said of this prompt.",
        }
        for widget, tooltip in tooltips.items():
            widget.setToolTip(tooltip)
        self.text_share.set_tooltip(
            "Text and example together: 1 listens to the text alone, 0 to the example alone."
        )

    def _arrange(self) -> None:
        self._example_row = beside(self.example, self.paint)
        self._threshold_row = beside(self.threshold, self.suggest)
        self._said = beside(self.picture, self.sentence)
        self._layout.addRow("Threshold", self._threshold_row)
        self._layout.addRow("Example", self._example_row)
        self._layout.addRow("Label", self.label_value)
        self._layout.addRow("Painted on", self.example_image)
        self._layout.addRow("Mix", self.text_share)
        self._layout.addRow("Name", self.name)
        self._layout.addRow(beside(self.negative, self.remove))
        self._layout.addRow(self._said)

    def _connect(self) -> None:
        self.threshold.moved.connect(lambda value: self.model.choose_threshold(self.key, value))
        self.threshold.settled.connect(lambda _: self.model.settled.emit(self.key))
        self.suggest.clicked.connect(lambda: self.suggestion_asked.emit(self.key))
        self.paint.clicked.connect(lambda: self.paint_asked.emit(self.key))
        self.negative.toggled.connect(self._writer("negative"))
        self.example.currentIndexChanged.connect(lambda _: self._write_value("example"))
        self.example_image.currentIndexChanged.connect(lambda _: self._write_value("example_image"))
        self.label_value.valueChanged.connect(
            lambda value: self.model.change(self.key, label_value=value or None)
        )
        self.text_share.settled.connect(self._writer("text_share"))
        self.name.editingFinished.connect(
            lambda: self.model.change(self.key, name=self.name.text().strip())
        )
        self.model.dataChanged.connect(lambda *_: self.show_row_of(self.key))

    def _writer(self, field: str) -> Callable[[Any], None]:
        return lambda value: self.model.change(self.key, **{field: value})

    def _write_value(self, field: str) -> None:
        combo: Combo = getattr(self, field)
        self.model.change(self.key, **{field: combo.value()})

    def _show(self, entry: Entry) -> None:
        row = entry.row
        # the bar on the left says to which row of the table all this belongs
        self.setStyleSheet(f"#PromptDetail {{ border-left: 3px solid {row.color}; }}")
        self.threshold.set_value(row.threshold)
        if not self.text_share.bar.isSliderDown():
            self.text_share.set_value(row.text_share)
        with (
            QSignalBlocker(self.negative),
            QSignalBlocker(self.example),
            QSignalBlocker(self.example_image),
            QSignalBlocker(self.label_value),
        ):
            self.negative.setChecked(row.negative)
            self.example.choose(row.example)
            self.example_image.choose(row.example_image)
            self.label_value.setValue(row.label_value or 0)
        if not self.name.hasFocus():
            self.name.setText(row.name)
        self.name.setPlaceholderText(row.title or "made of text and example")
        self.sentence.setText(entry.sentence or self.hint)
        self._show_rows(entry)

    def _show_rows(self, entry: Entry) -> None:
        painted = entry.row.example is not None
        self.suggest.setVisible(painted)
        show_row(self._layout, self.label_value, isinstance(entry.row.example, Labels))
        show_row(self._layout, self.example_image, painted)
        show_row(self._layout, self.text_share, painted and bool(entry.row.text.strip()))
        if not painted:
            self.picture.hide()
        show_row(self._layout, self._said, painted or bool(entry.sentence))
