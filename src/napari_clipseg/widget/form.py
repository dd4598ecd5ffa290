"""All controls of the panel in the order of the keyboard; none does anything to the viewer."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QComboBox,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_clipseg.engine.templates import TEMPLATES
from napari_clipseg.widget.controls import Scroll, Section, beside, column, form, sentence
from napari_clipseg.widget.image_section import ImageSection
from napari_clipseg.widget.model_section import ModelSection
from napari_clipseg.widget.prompt_detail import PromptDetail
from napari_clipseg.widget.prompt_model import PromptModel
from napari_clipseg.widget.prompt_table import PromptLine, PromptTable
from napari_clipseg.widget.request import ResultSettings, RunRequest
from napari_clipseg.widget.results_section import ResultsSection

if TYPE_CHECKING:
    from napari import Viewer

    from napari_clipseg.widget.settings import Settings


class Form(QWidget):
    """Image, prompts and Run; what is needed less often folds away.

    Parameters
    ----------
    viewer : napari.Viewer
        Its layers can be chosen.
    settings : Settings
        What the model's controls begin with.
    """

    def __init__(self, viewer: Viewer, settings: Settings) -> None:
        super().__init__()
        self.image = ImageSection(viewer)
        self.prompts = PromptModel()
        self.line, self.table = PromptLine(), PromptTable(self.prompts)
        self.detail = PromptDetail(self.prompts)
        self.results, self.model = ResultsSection(), ModelSection(settings)
        self._make_prompts()
        self._make_run()
        self._arrange()
        self._order_keys()

    def templates(self) -> tuple[str, ...]:
        """Return the sentences a text is put into: those of a name, or what is typed."""
        text = self.template.currentText().strip()
        return TEMPLATES.get(text, (text,))

    def request(self) -> RunRequest:
        """Return what the form says now."""
        return RunRequest(
            prompts=self.prompts.prompts(),
            templates=self.templates(),
            **self.image.choices(),
            **self.model.choices(),
        )

    def thresholds(self) -> Mapping[int, float]:
        """Return the threshold of every row, by key, as it is set now."""
        return {each.row.key: each.row.threshold for each in self.prompts.entries}

    def result_settings(self) -> ResultSettings:
        """Return how labels are to be made, as it is set now."""
        return self.results.settings()

    def show_status(self, text: str) -> None:
        """Say in one line how things stand."""
        self.status.setText(text)

    def show_encoded(self, text: str) -> None:
        """Say what is encoded, or what encoding would cost."""
        self.encoded.setText(f"{text[:1].upper()}{text[1:]}")

    def show_progress(self, done: int, total: int) -> None:
        """Show how many tiles are done; a total of 0 is not known yet."""
        self.progress.setRange(0, total)
        self.progress.setValue(done)

    def show_presence(self, sentences: Mapping[int, str]) -> None:
        """Say of rows, by key, whether what they ask for was found."""
        for key, text in sentences.items():
            self.prompts.say(key, text)

    def suggest_threshold(self, threshold: float) -> None:
        """Take over a recommended threshold for the rows for which nobody chose one."""
        self.prompts.suggest_threshold(threshold)

    def _make_prompts(self) -> None:
        self.line.setToolTip(
            "What to find, as you would say it. Enter adds it; several are separated by ; or "
            "pasted as lines. Enter on an empty line runs."
        )
        self.table.setToolTip("What is looked for: on/off, colour, prompt, threshold, found.")
        self.presets = QPushButton("Presets")
        self.template = QComboBox()
        self.template.setEditable(True)
        self.template.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.template.addItems(list(TEMPLATES))
        self.template.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.template.setMinimumContentsLength(6)
        self.template.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        tooltip = (
            "The sentence a text is put into before the model reads it. Choose one, or type your "
            "own with {} for the text, e.g. a microscope image of {}."
        )
        self.template.setToolTip(tooltip)
        editor = self.template.lineEdit()
        if editor is not None:
            editor.setToolTip(tooltip)

    def _make_run(self) -> None:
        self.run, self.cancel = QPushButton("Run"), QPushButton("Cancel")
        self.run.setStyleSheet("QPushButton { font-weight: bold; }")
        self.how_long = QPushButton("How long?")
        self.cancel.setEnabled(False)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1)
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(8)
        self.status, self.encoded = sentence(), sentence()
        tooltips = {
            self.run: "Find what is switched on in the table (Enter on the empty line).",
            self.cancel: "Stop after the tile that is being computed.",
            self.how_long: "Time one tile and say how long the image will take.",
            self.progress: "Tiles done.",
            self.status: "What was done last, is being done, or will be done by Run.",
            self.encoded: "What is encoded: another prompt on it takes no time.",
        }
        for widget, text in tooltips.items():
            widget.setToolTip(text)

    def _arrange(self) -> None:
        self.model_fold = Section(
            "Model and template", "Which model, where it runs, its weights, and its sentences."
        )
        self.results_fold = Section("Results", "From probability to labels; copy what was done.")
        wording = QWidget()
        form(wording).addRow("Template", self.template)
        inside = QWidget()
        layout = column(
            inside,
            self.image,
            beside(self.line, self.presets),
            self.table,
            self.detail,
            self.results_fold,
            self.model_fold,
        )
        layout.setContentsMargins(6, 6, 6, 2)
        layout.setSpacing(6)
        layout.addStretch()
        column(self.results_fold.content, self.results)
        column(self.model_fold.content, self.model, wording)
        self.area = Scroll(inside)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.area)
        outer.addWidget(self._run_bar())

    def _order_keys(self) -> None:
        """Let Tab go through the controls from top to bottom, Run at the end."""
        image, detail, model = self.image, self.detail, self.model
        results = self.results
        stops: list[QWidget] = [
            *(image.image, image.level, image.planes, *image.range, image.region),
            *(image.more.header, image.channels, *image.layers, *image.indices),
            *(image.contrast, image.zoom, self.line, self.presets, self.table),
            *(detail.threshold.bar, detail.threshold.number, detail.suggest, detail.example),
            *(detail.paint, detail.label_value, detail.example_image, detail.text_share.bar),
            *(detail.text_share.number, detail.name, detail.negative, detail.remove),
            *(self.results_fold.header, results.mode, results.output, results.min_size),
            *(results.fill_holes, results.smoothing, results.copy_python, results.copy_command),
            *(self.model_fold.header, model.model, model.file, model.folder, model.download),
            *(model.accept, model.decline, model.stop, model.device, model.precision),
            *(model.memory, self.template, self.run, self.cancel, self.how_long),
        ]
        for before, after in itertools.pairwise(stops):
            QWidget.setTabOrder(before, after)

    def _run_bar(self) -> QWidget:
        bar = QWidget()
        buttons = beside(self.run, self.cancel, self.how_long)
        layout = column(bar, buttons, self.progress, self.status, self.encoded)
        layout.setContentsMargins(6, 4, 6, 6)
        bar.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        return bar
