"""What the model sees of a painted example, as a small picture that follows the brush."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels, Shapes
from qtpy.QtCore import QObject, QTimer, Signal

from napari_clipseg.engine.prompts import MaskPrompt
from napari_clipseg.engine.visual_prompt import prompt_image, separate_objects
from napari_clipseg.errors import ClipSegError
from napari_clipseg.widget.background import Listener, in_background

SIDE_PX = 96

REST_MS = 250
"""A brush has come to rest when it has not moved for so long."""


def thumbnail(example: MaskPrompt) -> npt.NDArray[np.uint8]:
    """Return the prompt image of the largest painted object, (96, 96, 3) uint8.

    Reads the part of the support image around the object: call it in a worker.
    """
    largest = separate_objects(np.asarray(example.mask))[0]
    picture = prompt_image(example.pixels(), largest, side=SIDE_PX)
    return np.asarray(np.rint(np.clip(picture, 0, 1) * 255), np.uint8)


class Thumbnails(QObject):
    """Keeps the picture of one example up to date.

    Parameters
    ----------
    read : callable
        Returns the example as it is painted now; called in the GUI thread.
    """

    made = Signal(object)
    """The picture (96, 96, 3) uint8, or a sentence that says why there is none."""

    def __init__(self, read: Callable[[], MaskPrompt]) -> None:
        super().__init__()
        self._read = read
        self._layer: Labels | Shapes | None = None
        self._latest: MaskPrompt | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._start)

    def follow(self, layer: Labels | Shapes | None) -> None:
        """Watch this layer, and no other, being painted or drawn."""
        if layer != self._layer:
            self.stop()
            self._layer = layer
            for emitter in _emitters(layer):
                emitter.connect(self._on_paint)
        self.refresh()

    def refresh(self) -> None:
        """Make the picture anew, soon: the plane or the layer may be another one."""
        if self._layer is not None:
            self._rest.start()

    def stop(self) -> None:
        """Watch nothing; a picture that is under way is dropped."""
        self._latest = None
        for emitter in _emitters(self._layer):
            emitter.disconnect(self._on_paint)
        self._layer = None

    def _on_paint(self, _: Any) -> None:
        self.refresh()

    def _start(self) -> None:
        if self._layer is None:
            return
        try:
            example = self._read()
        except ClipSegError as error:
            self._latest = None
            self.made.emit(str(error))
            return
        self._latest = example
        listener = Listener(
            on_value=partial(self._on_made, example),
            on_failure=lambda error: self._on_made(example, str(error)),
            on_end=_nothing,
        )
        in_background(partial(_pictures, example), listener, stop=_nothing)

    def _on_made(self, example: MaskPrompt, picture: Any) -> None:
        if example is self._latest:
            self._latest = None
            self.made.emit(picture)


def _pictures(example: MaskPrompt) -> Generator[npt.NDArray[np.uint8]]:
    yield thumbnail(example)


def _nothing() -> None:
    """Take a call that needs no answer: a picture takes a moment."""


def _emitters(layer: Labels | Shapes | None) -> list[Any]:
    """Return what tells that the example in a layer is another one."""
    if layer is None:
        return []
    if isinstance(layer, Shapes):
        return [layer.events.data]
    return [layer.events.labels_update, layer.events.selected_label, layer.events.data]
