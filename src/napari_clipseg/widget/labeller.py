"""The worker that keeps labels true to the form, one task at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from napari_clipseg.widget.background import Listener, Worker, in_background
from napari_clipseg.widget.labelling import Labelled, LabelTask, label_planes
from napari_clipseg.widget.labels_of_run import LabelsOfRun
from napari_clipseg.widget.notices import report

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_clipseg.layers.geometry import Plane
    from napari_clipseg.widget.run import Run
    from napari_clipseg.widget.shelf import Shelf
    from napari_clipseg.widget.view import View


class Labeller:
    """Labels what a run has completed, and again whenever thresholds or settings change.

    Parameters
    ----------
    shelf : Shelf
    view : View
    on_done : callable
        Called when nothing is left to be labelled.

    Attributes
    ----------
    labels : LabelsOfRun or None
        Those of the last run that completed a plane.
    busy : bool
        Whether something is being labelled.
    """

    def __init__(self, shelf: Shelf, view: View, on_done: Callable[[], None]) -> None:
        self._shelf, self._view, self._on_done = shelf, view, on_done
        self.labels: LabelsOfRun | None = None
        self._worker: Worker | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether something is being labelled."""
        return self._worker is not None

    def add(self, run: Run, plane: Plane) -> None:
        """Label a plane that a run has completed, together with its other planes."""
        if self.labels is not None and self.labels.run is run:
            self.labels.add(plane)
            self._next()
            return
        self._leave()
        self.labels = LabelsOfRun(run, self._shelf)
        self.restart()

    def restart(self) -> None:
        """Label all complete planes anew, as the form says now."""
        if self.labels is not None:
            self.labels.restart(self._view.thresholds(), self._view.result_settings())
            self._next()

    def catch_up(self) -> None:
        """Label what a run has given back, or what a preview was left of, as the form says."""
        if self.labels is None or not self.labels.behind:
            return
        self.restart()
        if not self.busy:
            self.end_preview()

    def forget(self, image: Layer) -> bool:
        """Label nothing more of an image that left the viewer; return if that cut work short."""
        if self.labels is None or self.labels.run.query.layer != image:
            return False
        self._leave()
        self.labels = None
        return self.busy

    def end_preview(self) -> None:
        """Show the layers as they are without a preview."""
        if self.labels is not None:
            self.labels.end_preview()

    def close(self) -> None:
        """Stop, and call nobody any more."""
        self._closed = True
        self._leave()

    def _leave(self) -> None:
        """Make no more of the labels of the last run, and leave none of them hidden."""
        if self.labels is not None:
            self.labels.stop()
            self.labels.end_preview()

    def _next(self) -> None:
        """Start the next task, once the one before has ended: none writes beside another."""
        if self._worker is not None or self.labels is None:
            return
        task = self.labels.next_task()
        if task is None:
            return
        on_value = partial(self._on_labelled, self.labels, task)
        listener = Listener(on_value, self._on_error, self._on_finished)
        self._worker = in_background(partial(label_planes, task), listener, task.stop.set)

    def _on_labelled(self, labels: LabelsOfRun, task: LabelTask, labelled: Labelled) -> None:
        if not self._closed and labels is self.labels:
            labels.take(task, labelled)

    def _on_error(self, error: Exception) -> None:
        if not self._closed:
            report(error)

    def _on_finished(self) -> None:
        self._worker = None
        if self._closed:
            return
        self._next()
        if self._worker is None:
            self.end_preview()
            self._on_done()
