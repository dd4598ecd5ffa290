"""One run after another: from the frozen form to layers, with a worker in between."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from napari_clipseg.errors import ClipSegError
from napari_clipseg.widget import phrases
from napari_clipseg.widget.background import Listener, Worker, in_background
from napari_clipseg.widget.estimate import Estimator, ask
from napari_clipseg.widget.events import (
    Event,
    Loaded,
    PlaneBegun,
    PlaneDone,
    PlaneDropped,
    Progress,
)
from napari_clipseg.widget.job import Load, load_segmenter, perform
from napari_clipseg.widget.labeller import Labeller
from napari_clipseg.widget.memory import Memory
from napari_clipseg.widget.notices import advise, report
from napari_clipseg.widget.prompting import NOTHING, AnyPrompt
from napari_clipseg.widget.run import Run, is_ready, prepare
from napari_clipseg.widget.shelf import Shelf
from napari_clipseg.widget.showing import Showing
from napari_clipseg.widget.suggesting import fitting_threshold
from napari_clipseg.widget.view import View
from napari_clipseg.widget.watch import Watch

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_clipseg.widget.request import PromptRow, RunRequest

__all__ = ["Controller", "View"]


class Controller:
    """Runs what the form asks for, one run at a time, and puts results into the viewer.

    Parameters
    ----------
    viewer : napari.Viewer
    view : View
    load : callable
        Makes the segmenter of a model, in the worker thread.
    memory : Memory, optional
        Model and encoded images; empty if there is none.
    shelf : Shelf, optional
        Result layers of the viewer; empty if there is none.
    """

    def __init__(
        self,
        viewer: Viewer,
        view: View,
        load: Load = load_segmenter,
        memory: Memory | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self._viewer, self._view, self._load = viewer, view, load
        self._memory = Memory() if memory is None else memory
        self._shelf = Shelf(viewer) if shelf is None else shelf
        self._watch = Watch(viewer, self._on_data, self._on_removed)
        self._run: Run | None = None
        self._estimator = Estimator(view, self._memory, load, self._on_estimated)
        self._next: tuple[RunRequest, Mapping[int, AnyPrompt]] | None = None
        self._worker: Worker | None = None
        self._labeller = Labeller(self._shelf, view, self._say_found)
        self._showing = Showing(viewer, view, self._shelf)
        self._why_stopped = ""
        self._headline = self._remark = ""
        self._closed = False

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The probability layers that the run is filling, or going to."""
        return () if self._run is None else tuple(each.layer for each in self._run.results)

    def fills(self, shelf: Shelf) -> bool:
        """Return whether layers of a shelf are being filled, with probability or labels."""
        return self._shelf is shelf and (self._run is not None or self._labeller.busy)

    def start(self, request: RunRequest, given: Mapping[int, AnyPrompt] = NOTHING) -> None:
        """Start a run, or say why there can be none.

        Parameters
        ----------
        request : RunRequest
        given : mapping
            Row key -> prompt, where a script brings the prompt itself.
        """
        if self._run is not None:
            advise("A run is going on: wait until it is done, or press Cancel.")
            return
        if self._estimator.busy:
            self._next = request, given
            self._view.show_status("Starting as soon as the time is measured …")
            return
        self._showing.add_waiting()
        try:
            run = prepare(self._viewer, request, self._shelf, self._memory, given)
        except (ClipSegError, MemoryError) as error:
            self._view.show_status(phrases.sentence(error))
            advise(str(error))
            return
        self._launch(run)

    def cancel(self) -> None:
        """Stop the run after the tile it is at."""
        if self._run is not None and not self._run.job.stop.is_set():
            loaded = self._memory.segmenter(self._run.job.choice) is not None
            self._view.show_status(
                "Cancelling after this tile …"
                if loaded
                else "The model is being loaded; the run ends after that …"
            )
            self._run.stop()

    def ready(self, request: RunRequest) -> bool:
        """Return whether all planes are encoded as they are asked for: a run only decodes."""
        try:
            return is_ready(self._viewer, request, self._memory)
        except (ClipSegError, MemoryError):
            return False

    def estimate(self, request: RunRequest) -> None:
        """Time one place of the image in a worker, and say how long a run would take."""
        if self._run is not None or self._estimator.busy:
            return
        try:
            question = ask(self._viewer, request, self._memory)
        except (ClipSegError, MemoryError) as error:
            self._view.show_encoded(phrases.sentence(error))
            return
        self._watch.follow(question.layers)
        self._estimator.start(question)

    def preview(self, key: int, threshold: float) -> None:
        """Show at once what of a row is above a threshold; the model has no part in it."""
        if self._labeller.labels is not None:
            self._labeller.labels.preview(key, threshold)

    def relabel(self) -> None:
        """Make the labels of the last run anew, as the form says now."""
        if self._run is None:
            self._headline = ""
        self._labeller.restart()

    def restyle(self, key: int, color: str) -> None:
        """Give the results of a row another colour."""
        if self._labeller.labels is not None:
            self._labeller.labels.restyle(key, color)

    def fitting_threshold(self, row: PromptRow) -> float:
        """Return the threshold that fits the painted example of a row; PromptError if none can."""
        labels = self._labeller.labels
        return fitting_threshold(self._viewer, labels.run if labels else None, row)

    def close(self) -> None:
        """Stop all work; the form is gone and is not spoken to any more."""
        self._closed = True
        self._watch.close()
        self._labeller.close()
        self._estimator.close()
        self._showing.stop()
        if self._run is not None:
            self._run.stop()

    def _launch(self, run: Run) -> None:
        self._run, self._why_stopped, self._headline, self._remark = run, "", "", ""
        self._watch.follow(run.layers)
        anew = self._memory.why_anew(run.wanted[run.planes[0]])
        loading = "Starting …" if run.job.segmenter else f"Loading {run.request.model} …"
        self._view.show_running(True)
        self._view.show_progress(0, 0)
        self._view.show_status(anew or loading)
        listener = Listener(partial(self._on_event, run), self._on_error, self._on_finished)
        work = partial(perform, run.job, self._load)
        self._worker = in_background(work, listener, run.stop, bar="CLIPSeg")

    def _on_event(self, run: Run, event: Event) -> None:
        if self._closed:
            run.settle(event)
            return
        match event:
            case Loaded():
                self._memory.keep_segmenter(run.job.choice, event.segmenter, run.job.pace)
                self._view.suggest_threshold(event.segmenter.threshold)
                run.remarks = event.remarks
            case PlaneBegun():
                self._on_begun(run, event)
            case Progress():
                self._on_progress(run, event)
            case PlaneDone():
                self._on_done(run, event)
            case PlaneDropped():
                run.drop(event)
                self._say_cancelled(run, event)

    def _on_begun(self, run: Run, begun: PlaneBegun) -> None:
        run.begin(begun)
        self._labeller.end_preview()
        if begun.task.number == 1:
            # an empty plane further on is nothing to be surprised at
            self._remark = begun.remark

    def _on_progress(self, run: Run, progress: Progress) -> None:
        if not run.job.stop.is_set() and self._worker is not None:
            self._showing.progress(run, progress, self._worker)

    def _on_done(self, run: Run, done: PlaneDone) -> None:
        run.finish(done)
        self._view.show_encoded(phrases.encoded(done.features, run.job.pace))
        if not self._why_stopped:
            self._showing.results(run)
            self._labeller.add(run, done.task.plane)

    def _on_error(self, error: Exception) -> None:
        if self._closed or self._why_stopped:
            return
        self._headline = f"The run failed. {phrases.sentence(error)}"
        self._view.show_status(self._headline)
        report(error)

    def _on_finished(self) -> None:
        run, self._run, self._worker = self._run, None, None
        if run is None or self._closed:
            return
        if not self._headline and run.job.stop.is_set():
            self._headline = "Cancelled."
        if not self._headline and len(run.planes) > 1:
            self._headline = f"{len(run.complete)} planes done."
        self._labeller.catch_up()
        if run.complete:
            self._say_found()
        elif self._headline:
            self._view.show_status(self._headline)
        # last, for the form may start the next run at once
        self._view.show_running(False)

    def _say_cancelled(self, run: Run, dropped: PlaneDropped) -> None:
        if run.job.stop.is_set() and not self._why_stopped:
            kept = "the result of before is back" if dropped.restored else "what is done stays"
            self._headline = f"Cancelled; {kept} in the layers."
            self._showing.withheld(run)
            self._view.show_status(self._headline)

    def _on_data(self, layer: Layer) -> None:
        """Forget what was made of a layer whose data were replaced."""
        self._memory.forget(layer.unique_id)
        self._estimator.forget(layer)
        if self._run is not None and layer in self._run.layers:
            self._abandon("The image was changed during the run, so the run was cancelled.")

    def _on_removed(self, layer: Layer) -> None:
        self._shelf.remove(layer)
        if self._labeller.forget(layer):
            self._view.show_status("The image was removed before its labels were made.")
        self._memory.forget(layer.unique_id)
        self._estimator.forget(layer)
        if self._run is None:
            return
        if layer in self._run.layers:
            self._abandon("The image was removed during the run, so the run was cancelled.")
        elif layer in [result.layer for result in self._run.results]:
            self._abandon("A result layer was removed during its run, so the run was cancelled.")

    def _abandon(self, why: str) -> None:
        """Stop the run and say why; what it had begun to replace comes back."""
        if self._run is not None and not self._why_stopped:
            self._why_stopped = self._headline = why
            self._run.stop()
            self._showing.stop()
            self._view.show_status(why)
            advise(why)

    def _say_found(self) -> None:
        """Say what was found, once both the run and its labels are done."""
        labels = self._labeller.labels
        if labels is None or self._labeller.busy or self._run is not None:
            return
        self._view.show_presence(labels.presence())
        told = (self._headline, f"{labels.counts()}.", self._remark)
        self._view.show_status(" ".join(each for each in told if each))

    def _on_estimated(self) -> None:
        """Start the run that has waited for the model to be free."""
        waiting, self._next = self._next, None
        if waiting is not None:
            self.start(*waiting)
