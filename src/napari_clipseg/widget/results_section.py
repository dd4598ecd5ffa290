"""How labels are made of probability, and what was done as text to copy."""

from __future__ import annotations

from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QPushButton, QSpinBox, QWidget

from napari_clipseg.widget.controls import REST_MS, Combo, beside, form
from napari_clipseg.widget.request import ResultSettings

MOST_PIXELS = 100_000_000


class ResultsSection(QWidget):
    """Competition, objects or classes, clean-up, and the buttons that copy."""

    changed = Signal()
    """Labels are to be made in another way; emitted once numbers have come to rest."""

    def __init__(self) -> None:
        super().__init__()
        self._make()
        self._tell()
        layout = form(self)
        layout.addRow("Layers", self.mode)
        layout.addRow("Numbers", self.output)
        layout.addRow("Min. size", self.min_size)
        layout.addRow("Fill holes", self.fill_holes)
        layout.addRow("Smoothing", self.smoothing)
        layout.addRow("Copy as", beside(self.copy_python, self.copy_command))
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self.changed)
        for combo in (self.mode, self.output):
            combo.currentIndexChanged.connect(self.changed)
        for box in (self.min_size, self.fill_holes, self.smoothing):
            box.valueChanged.connect(lambda _: self._rest.start())

    def settings(self) -> ResultSettings:
        """Return what is set now."""
        return ResultSettings(
            competition=self.mode.value(),
            instances=self.output.value(),
            min_size=self.min_size.value(),
            fill_holes=self.fill_holes.value(),
            smoothing=self.smoothing.value(),
        )

    def _make(self) -> None:
        self.mode, self.output = Combo(), Combo()
        self.mode.fill([("one, competing", True), ("one per prompt", False)])
        self.output.fill([("one per object", True), ("one per prompt", False)])
        self.min_size, self.fill_holes, self.smoothing = QSpinBox(), QSpinBox(), QDoubleSpinBox()
        for box in (self.min_size, self.fill_holes):
            box.setRange(0, MOST_PIXELS)
            box.setSuffix(" px")
        self.smoothing.setRange(0, 50)
        self.smoothing.setSingleStep(0.5)
        self.smoothing.setDecimals(1)
        self.smoothing.setSuffix(" px")
        self.copy_python = QPushButton("Python")
        self.copy_command = QPushButton("Command line")

    def _tell(self) -> None:
        tooltips: dict[QWidget, str] = {
            self.mode: "One label layer in which each pixel goes to the prompt that fits best, "
            "with a legend; or one label layer for each prompt, which may overlap.",
            self.output: "A number for each object (instances), or one for each prompt (semantic).",
            self.min_size: "Objects of fewer pixels are left out.",
            self.fill_holes: "Holes of up to so many pixels are filled.",
            self.smoothing: "Width (sigma) of a blur on the probability before the threshold: "
            "smoother edges, fewer specks.",
            self.copy_python: "Copy a Python script that repeats what the panel asks for now.",
            self.copy_command: "Copy a command line that repeats it; what it cannot say stands "
            "in comments.",
        }
        for widget, tooltip in tooltips.items():
            widget.setToolTip(tooltip)
