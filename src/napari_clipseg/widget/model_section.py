"""Which model, where it is computed, and getting its weights onto this computer."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QFileDialog, QProgressBar, QPushButton, QSpinBox, QWidget

from napari_clipseg.widget.controls import Combo, beside, form, sentence, show_row
from napari_clipseg.widget.fetching import Download
from napari_clipseg.widget.models import (
    PRECISIONS,
    WEIGHTS_FILTER,
    can_be_fetched,
    catalog_choices,
    describe,
    device_choices,
    facts,
    licence_note,
    local_choice,
)
from napari_clipseg.widget.settings import Settings

BAR_STEPS = 1000


class ModelSection(QWidget):
    """Model, device, precision, memory, and the download of weights.

    Parameters
    ----------
    settings : Settings
        What the controls begin with.
    """

    changed = Signal()
    """Another model, device or precision is asked for than before."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._own: list[str] = []
        self._applied: Settings | None = None
        self.downloading = Download()
        self._make()
        self._tell()
        self._arrange()
        self._connect()
        self.apply(settings)

    def choices(self) -> dict[str, Any]:
        """Return what is chosen, as fields of a run request."""
        return {
            "model": self.model.value(),
            "device": self.device.value(),
            "precision": self.precision.value(),
            "memory_mb": self.memory.value(),
        }

    def apply(self, settings: Settings) -> None:
        """Take over what the preferences say, as far as it is not what they said before.

        What a person chose in the panel stays when another preference is changed.
        """
        before, self._applied = self._applied, settings
        if before is None or settings.model != before.model:
            self._choose_model(settings.model)
        elif settings.cache_folder != before.cache_folder:
            self.refill()
        if before is None or settings.device != before.device:
            self._choose_device(settings.device)
        if before is None or settings.precision != before.precision:
            self.precision.choose(settings.precision)
        if before is None or settings.memory_mb != before.memory_mb:
            self.memory.setValue(settings.memory_mb)

    def refill(self) -> None:
        """Offer the models anew: one may have come onto this computer."""
        self.model.fill([*catalog_choices(), *map(local_choice, self._own)])
        self._on_model()

    def add_model(self, path: str) -> None:
        """Offer a weights file or folder of the person's own, and choose it."""
        self._choose_model(path)

    def _choose_model(self, model: str) -> None:
        if model not in self.model.values():
            self._own.append(model)
        self.refill()
        self.model.choose(model)

    def _choose_device(self, device: str) -> None:
        if device not in self.device.values():
            self.device.addItem(device, device)
        self.device.choose(device)

    def _make(self) -> None:
        self.model, self.device, self.precision = Combo(), Combo(), Combo()
        self.model.fill(catalog_choices())
        self.device.fill((each, each) for each in device_choices())
        self.precision.fill((each, each) for each in PRECISIONS)
        self.file, self.folder = QPushButton("File …"), QPushButton("Folder …")
        self.facts, self.licence, self.outcome = sentence(), sentence(), sentence()
        self.download = QPushButton("Download")
        self.accept, self.decline = QPushButton("Accept and download"), QPushButton("Not now")
        self.bar = QProgressBar()
        self.stop = QPushButton("Cancel")
        self.memory = QSpinBox()
        self.memory.setRange(100, 1_000_000)
        self.memory.setSingleStep(500)
        self.memory.setSuffix(" MB")

    def _tell(self) -> None:
        tooltips: dict[QWidget, str] = {
            self.file: "Use a weights file on this computer instead.",
            self.folder: "Use the weights in a folder on this computer instead.",
            self.facts: "What the model is, its licence, and whether it is on this computer.",
            self.download: "Fetch the weights from the Hugging Face hub; the licence comes first.",
            self.licence: "What to know before the weights are fetched.",
            self.accept: "Fetch the weights now; it can be cancelled at any time.",
            self.decline: "Fetch nothing.",
            self.bar: "How much of the weights is here.",
            self.stop: "Stop the download at once; the next one goes on where it stopped.",
            self.outcome: "How the last download ended.",
            self.device: "Where to compute: auto takes the graphics card if torch can use one.",
            self.precision: "float32 is exact; the others are faster where the device has them "
            "and change probabilities a little.",
            self.memory: "Room for encoded images. What is beyond it goes to a folder in your "
            "cache, so that stacks and large images are still encoded only once.",
        }
        for widget, tooltip in tooltips.items():
            widget.setToolTip(tooltip)

    def _arrange(self) -> None:
        self._layout = form(self)
        self._fetch_row = beside(self.bar, self.stop)
        self._licence_row = beside(self.accept, self.decline)
        self._layout.addRow("Model", self.model)
        self._layout.addRow(self.facts)
        self._layout.addRow("Your own", beside(self.file, self.folder))
        self._layout.addRow(self.download)
        self._layout.addRow(self.licence)
        self._layout.addRow(self._licence_row)
        self._layout.addRow(self._fetch_row)
        self._layout.addRow(self.outcome)
        self._layout.addRow("Device", self.device)
        self._layout.addRow("Precision", self.precision)
        self._layout.addRow("Memory", self.memory)
        self._ask(False)
        show_row(self._layout, self._fetch_row, False)
        self.outcome.hide()

    def _connect(self) -> None:
        self.model.currentIndexChanged.connect(self._on_model)
        for combo in (self.model, self.device, self.precision):
            combo.currentIndexChanged.connect(self.changed)
        self.file.clicked.connect(self._on_file)
        self.folder.clicked.connect(self._on_folder)
        self.download.clicked.connect(lambda: self._ask(True))
        self.decline.clicked.connect(lambda: self._ask(False))
        self.accept.clicked.connect(self._on_accept)
        self.stop.clicked.connect(self.downloading.cancel)
        self.downloading.progressed.connect(self._on_progress)
        self.downloading.ended.connect(self._on_ended)

    def _on_model(self) -> None:
        model = self.model.value()
        self.model.setToolTip(describe(model))
        self.facts.setText(facts(model))
        self._ask(False)

    def _ask(self, asking: bool) -> None:
        """Show the licence and ask, or offer the download where there is something to fetch."""
        model = self.model.value()
        self.licence.setText(licence_note(model) if asking else "")
        for widget in (self.licence, self._licence_row):
            widget.setVisible(asking)
        free = can_be_fetched(model) and not self.downloading.running
        self.download.setVisible(free and not asking)

    def _on_accept(self) -> None:
        self.outcome.hide()
        self.bar.setRange(0, 0)
        show_row(self._layout, self._fetch_row, True)
        self.downloading.start(self.model.value())
        self._ask(False)

    def _on_progress(self, done: float, total: float) -> None:
        if total > 0:
            self.bar.setRange(0, BAR_STEPS)
            self.bar.setValue(round(BAR_STEPS * done / total))
            self.bar.setFormat(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")

    def _on_ended(self, outcome: str) -> None:
        show_row(self._layout, self._fetch_row, False)
        self.outcome.setText(outcome or "The weights are here.")
        self.outcome.show()
        chosen = self.model.value()
        with QSignalBlocker(self.model):
            self.refill()
            self.model.choose(chosen)
        self.changed.emit()

    def _on_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Weights", "", WEIGHTS_FILTER)
        if path:
            self.add_model(path)

    def _on_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder with weights")
        if path:
            self.add_model(path)
