"""The dock widget: a form whose controls do something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_clipseg.errors import ClipSegError, PromptError
from napari_clipseg.layers.planes import SHOWN
from napari_clipseg.layers.query import read_query
from napari_clipseg.layers.results import is_ours
from napari_clipseg.layers.support import paint_example
from napari_clipseg.widget.command_line import as_command
from napari_clipseg.widget.controller import Controller
from napari_clipseg.widget.controls import REST_MS
from napari_clipseg.widget.form import Form
from napari_clipseg.widget.intention import intention
from napari_clipseg.widget.job import Load, load_segmenter
from napari_clipseg.widget.notices import advise
from napari_clipseg.widget.phrases import sentence
from napari_clipseg.widget.preset_menu import offer_presets
from napari_clipseg.widget.presets import Preset
from napari_clipseg.widget.prompting import query_settings, read_example, read_prompts
from napari_clipseg.widget.request import ResultSettings, RunRequest
from napari_clipseg.widget.script import as_python
from napari_clipseg.widget.settings import apply_cache_folder, read_settings, watch_settings
from napari_clipseg.widget.thumbnail import Thumbnails

if TYPE_CHECKING:
    from napari import Viewer

    from napari_clipseg.engine.prompts import MaskPrompt

ASKS_AGAIN = {"on", "text", "example", "label_value", "example_image", "text_share", "negative"}
"""Fields of a row with which a run has another result; the others only change its looks."""


class Panel(Form):
    """Find things in an image by texts and by painted examples.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        napari hands it over by this very name.
    load : callable
        Makes a segmenter.
    """

    def __init__(self, napari_viewer: Viewer, load: Load = load_segmenter) -> None:
        self._viewer = napari_viewer
        settings = read_settings()
        apply_cache_folder(settings.cache_folder)
        super().__init__(napari_viewer, settings)
        self.controller = Controller(napari_viewer, self, load)
        self._running = self._waiting = False
        self._missing = ""
        self._image: Image | None = None
        self._ran_on: Image | None = None
        self._steps: Any = None
        self._templates = self.templates()
        self._thumbnails = Thumbnails(self._read_example)
        self._slider_rest = QTimer(self)
        self._slider_rest.setSingleShot(True)
        self._slider_rest.setInterval(REST_MS)
        offer_presets(self.presets, self.add_preset)
        self._connect()
        self._follow_viewer()
        self.refill()
        self.image.image.choose(napari_viewer.layers.selection.active)
        self._say_intention()

    def show_running(self, running: bool) -> None:
        """Show whether a run is going on."""
        self._running = running
        if running:
            self._ran_on = self._image
        self._slider_rest.stop()  # what a run says stays until the slider moves again
        for button in (self.run, self.how_long):
            button.setEnabled(not running)
        self.cancel.setEnabled(running)
        if not running:
            if self.progress.maximum() == 0:
                self.progress.setRange(0, 1)
            if self._waiting:
                self._waiting = False
                self._run_if_ready()

    def show_encoded(self, text: str) -> None:
        """Say what is encoded of the image, not what a run has encoded of another."""
        if not self._running or self._ran_on == self._image:
            super().show_encoded(text)

    def show_presence(self, sentences: Mapping[int, str]) -> None:
        """Say of rows whether they were found on the image, not on that of an earlier run."""
        if self._ran_on in (None, self._image):
            super().show_presence(sentences)

    def refill(self, _: Any = None) -> None:
        """Offer the layers that are there now."""
        self.image.refill()
        layers = list(self._viewer.layers)
        # results too: one object of a result may be the example of the next search
        examples = [each for each in layers if isinstance(each, Labels | Shapes)]
        images = [e for e in layers if isinstance(e, Image) and not is_ours(e)]
        lost = self.prompts.keep_layers(layers)
        self.detail.offer(examples, images)
        if lost:
            self._on_current(self.table.current_key())
            self._say_intention()

    def add_preset(self, preset: Preset) -> None:
        """Add the prompts of a preset, and take over its template if it has one."""
        if preset.template:
            self.template.setEditText(preset.template)
        self._go_to(self.prompts.add_texts(preset.prompts, preset.negative))

    def _connect(self) -> None:
        self.line.added.connect(lambda texts: self._go_to(self.prompts.add_texts(texts)))
        self.line.entered.connect(self._on_run)
        self.run.clicked.connect(self._on_run)
        self.cancel.clicked.connect(self._on_cancel)
        self.how_long.clicked.connect(lambda: self.controller.estimate(self.request()))
        self.table.current.connect(self._on_current)
        self.prompts.edited.connect(self._on_edited)
        self.prompts.settled.connect(lambda _: self.controller.relabel())
        self.prompts.counted.connect(self._run_if_ready)
        self.detail.remove.clicked.connect(self.table.remove_selected)
        self.detail.paint_asked.connect(self._on_paint)
        self.detail.suggestion_asked.connect(self._on_suggest)
        self._thumbnails.made.connect(self._on_picture)
        self.image.changed.connect(self._on_image)
        self.image.changed.connect(self._say_intention)
        self.image.changed.connect(lambda: self._on_current(self.table.current_key()))
        self.model.changed.connect(self._say_intention)
        self.results.changed.connect(self.controller.relabel)
        self.results.copy_python.clicked.connect(lambda: self._copy(as_python))
        self.results.copy_command.clicked.connect(lambda: self._copy(as_command))
        self.template.activated.connect(self._on_template)
        editor = self.template.lineEdit()
        assert editor is not None
        editor.editingFinished.connect(self._on_template)

    def _follow_viewer(self) -> None:
        events = self._viewer.layers.events
        emitters = (events.inserted, events.removed, events.reordered, events.renamed)
        for emitter in emitters:
            emitter.connect(self.refill)
        dims = self._viewer.dims.events
        sliders = (dims.current_step, dims.order, dims.ndisplay)
        for emitter in sliders:
            emitter.connect(self._on_slider)
        self._slider_rest.timeout.connect(self._on_plane)
        end_settings = watch_settings(self._on_settings)
        ends: list[Callable[..., Any]] = [end_settings, self.controller.close]
        ends += [self.model.downloading.close, self._thumbnails.stop]
        ends += [partial(each.disconnect, self.refill) for each in emitters]
        ends += [partial(each.disconnect, self._on_slider) for each in sliders]
        self.destroyed.connect(partial(_end, ends))

    def _on_run(self) -> None:
        if self.line.commit() and self._running:
            return  # what was typed has started a run, or waits for the one that is going on
        self.controller.start(self.request())

    def _on_cancel(self) -> None:
        self._waiting = False
        self.controller.cancel()

    def _on_template(self) -> None:
        """Run again for another template; leaving the field alone changes nothing."""
        if self.templates() != self._templates:
            self._run_if_ready()

    def _run_if_ready(self, *_: Any) -> None:
        """Run again where that takes no time, else say what Run will do."""
        request = self.request()
        self._templates = request.templates
        if self._running:
            self._waiting = True
        elif not self._is_ready(request):
            self.show_status(intention(request, False))
        elif obstacle := self._obstacle(request):
            self._missing = obstacle
            self.show_status(obstacle)
        else:
            self.controller.start(request)

    def _is_ready(self, request: RunRequest) -> bool:
        """Return whether a run takes no time; of other planes than one that is never known."""
        one = bool(request.prompts) and request.planes == SHOWN
        return one and self.controller.ready(request)

    def _obstacle(self, request: RunRequest) -> str:
        """Return why there can be no run, as when nothing is painted yet; empty if there can."""
        try:
            query = read_query(self._viewer, request.image, query_settings(request))
            read_prompts(self._viewer, request, query)
        except ClipSegError as error:
            return sentence(error)
        return ""

    def _say_intention(self) -> None:
        if not self._running:
            request = self.request()
            self.show_status(intention(request, self._is_ready(request)))

    def _on_image(self) -> None:
        """Forget what was said of another image."""
        before, self._image = self._image, self.image.image.value()
        if self._image != before:
            super().show_encoded("")
            super().show_presence(dict.fromkeys(self.thresholds(), ""))

    def _on_picture(self, picture: npt.NDArray[np.uint8] | str) -> None:
        """Show an example; once there is one, say no more that it is missing."""
        self.detail.show_picture(picture)
        if isinstance(picture, str):
            self._missing = sentence(picture)
        elif not self._running and self.status.text() == self._missing:
            request = self.request()
            self._missing = self._obstacle(request)
            self.show_status(self._missing or intention(request, self._is_ready(request)))

    def _on_slider(self, _: Any) -> None:
        """Wait until the slider rests: reading a plane may take time."""
        steps = self._viewer.dims.current_step, self._viewer.dims.order, self._viewer.dims.ndisplay
        if steps != self._steps:
            self._steps = steps
            self._slider_rest.start()
            self._thumbnails.refresh()

    def _on_plane(self) -> None:
        self.image.refill()
        self._say_intention()

    def _go_to(self, keys: list[int]) -> None:
        if keys:
            self.table.go_to(keys[0])

    def _on_current(self, key: int) -> None:
        self.detail.show_row_of(key)
        entry = self.prompts.entry(key)
        self._thumbnails.follow(None if entry is None else entry.row.example)

    def _on_edited(self, key: int, fields: set[str]) -> None:
        entry = self.prompts.entry(key)
        if entry is None:
            return
        if "color" in fields:
            self.controller.restyle(key, entry.row.color)
        if "threshold" in fields:
            self.controller.preview(key, entry.row.threshold)
        if fields & ASKS_AGAIN:
            self._on_current(self.table.current_key())
            self._run_if_ready()

    def _on_settings(self) -> None:
        settings = read_settings()
        apply_cache_folder(settings.cache_folder)
        self.model.apply(settings)

    def _on_paint(self, key: int) -> None:
        try:
            read_query(self._viewer, self.image.image.value(), query_settings(self.request()))
        except ClipSegError as error:
            advise(str(error))
            return
        layer = paint_example(self.image.image.value())
        self._viewer.add_layer(layer)
        self.refill()
        self.prompts.change(key, example=layer, label_value=None, example_image=None)

    def _on_suggest(self, key: int) -> None:
        """Take the threshold that fits the example of a row best."""
        entry = self.prompts.entry(key)
        if entry is None:
            return
        try:
            threshold = self.controller.fitting_threshold(entry.row)
        except ClipSegError as error:
            self.show_status(str(error))
            return
        self.prompts.choose_threshold(key, threshold)
        self.prompts.settled.emit(key)

    def _read_example(self) -> MaskPrompt:
        """Return the example of the current row as it is painted now."""
        entry = self.prompts.entry(self.table.current_key())
        if entry is None or entry.row.example is None:
            raise PromptError("")
        query = read_query(self._viewer, self.image.image.value(), query_settings(self.request()))
        return read_example(self._viewer, entry.row, query)

    def _copy(self, write: Callable[[Any, RunRequest, ResultSettings], str]) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(write(self._viewer, self.request(), self.result_settings()))
        self.show_status("Copied to the clipboard.")


def _end(ends: list[Callable[..., Any]], *_: Any) -> None:
    for end in ends:
        end()
