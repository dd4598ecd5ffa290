"""The dock widget: a form whose controls do something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtWidgets import QFileDialog
from superqt.utils import qdebounced

from napari_clipseg.errors import ClipSegError
from napari_clipseg.layers.query import read_query
from napari_clipseg.layers.results import is_ours
from napari_clipseg.layers.support import paint_example
from napari_clipseg.widget.controller import Controller
from napari_clipseg.widget.form import Form
from napari_clipseg.widget.job import Load, load_segmenter
from napari_clipseg.widget.labelling import Cut
from napari_clipseg.widget.models import (
    WEIGHTS_FILTER,
    catalog_choices,
    describe,
    local_choice,
)
from napari_clipseg.widget.notices import advise
from napari_clipseg.widget.request import RunRequest, split_texts

if TYPE_CHECKING:
    from napari import Viewer

RELABEL_MS = 150
"""The threshold has come to rest when it has not moved for so long."""


class Panel(Form):
    """Find things in an image by a text or by a painted example.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        napari hands it over by this very name.
    load : callable
        Makes a segmenter of model and zoom.
    """

    def __init__(self, napari_viewer: Viewer, load: Load = load_segmenter) -> None:
        self._viewer = napari_viewer
        self._own_models: list[str] = []
        super().__init__(self._images, self._examples, self._models)
        self.controller = Controller(napari_viewer, self, load)
        self._threshold_chosen = False
        self._relabel = qdebounced(self.controller.relabel, timeout=RELABEL_MS)
        self._connect()
        self._choose_active()
        self._on_example()
        self._on_model()

    def request(self) -> RunRequest:
        """Return what the form says now."""
        return RunRequest(
            image=self.image.value,
            texts=split_texts(self.prompt.value),
            example=self.example.value,
            text_share=self.text_share.value,
            contrast=self.contrast.value,
            model=self.model.value,
            zoom=self.zoom.value,
        )

    def cut(self) -> Cut:
        """Return threshold and minimum size as they are set now."""
        return Cut(self.threshold.value, self.min_size.value)

    def show_status(self, text: str) -> None:
        """Say in one line how things stand."""
        self.status.value = text

    def show_progress(self, done: int, total: int) -> None:
        """Show how many tiles are done; a total of 0 is not known yet."""
        self.progress.max = total
        self.progress.value = done

    def show_running(self, running: bool) -> None:
        """Show whether a run is going on."""
        self.run.enabled, self.cancel.enabled = not running, running
        if not running and self.progress.max == 0:
            self.progress.max = 1

    def suggest_threshold(self, threshold: float) -> None:
        """Take over a recommended threshold, unless the person has chosen one."""
        if not self._threshold_chosen:
            with self.threshold.changed.blocked():
                self.threshold.value = threshold

    def add_model(self, path: str) -> None:
        """Offer a weights file of the person's own, and choose it."""
        if path not in self._own_models:
            self._own_models.append(path)
        self.model.reset_choices()
        self.model.value = path

    def _connect(self) -> None:
        self.prompt.native.returnPressed.connect(self._on_run)
        self.run.changed.connect(self._on_run)
        self.cancel.changed.connect(self.controller.cancel)
        self.paint.changed.connect(self._on_paint)
        self.browse.changed.connect(self._on_browse)
        self.example.changed.connect(self._on_example)
        self.prompt.changed.connect(self._on_example)
        self.model.changed.connect(self._on_model)
        self.threshold.changed.connect(self._on_threshold)
        self.min_size.changed.connect(self._relabel)
        self.native.destroyed.connect(self.controller.close)

    def _images(self, _: Any) -> list[Image]:
        return [
            each for each in self._viewer.layers if isinstance(each, Image) and not is_ours(each)
        ]

    def _examples(self, _: Any) -> list[Labels]:
        return [each for each in self._viewer.layers if isinstance(each, Labels)]

    def _models(self, _: Any) -> list[tuple[str, str]]:
        return [*catalog_choices(), *map(local_choice, self._own_models)]

    def _choose_active(self) -> None:
        self.reset_choices()
        active = self._viewer.layers.selection.active
        if active in self.image.choices:
            self.image.value = active

    def _on_run(self) -> None:
        self.controller.start(self.request())

    def _on_threshold(self, threshold: float) -> None:
        self._threshold_chosen = True
        self.controller.preview(threshold)
        self._relabel()

    def _on_example(self) -> None:
        """Offer the mix only where there are two things to mix."""
        both = self.example.value is not None and bool(split_texts(self.prompt.value))
        self.text_share.enabled = both

    def _on_model(self) -> None:
        self.model.tooltip = describe(self.model.value)

    def _on_browse(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self.native, "Weights", "", WEIGHTS_FILTER)
        if path:
            self.add_model(path)

    def _on_paint(self) -> None:
        try:
            read_query(self._viewer, self.image.value)
        except ClipSegError as error:
            advise(str(error))
            return
        layer = paint_example(self.image.value)
        self._viewer.add_layer(layer)
        self.reset_choices()
        self.example.value = layer
