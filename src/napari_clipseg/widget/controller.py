"""One run after another: from the frozen form to layers, with a worker in between."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from napari.qt.threading import create_worker

from napari_clipseg.errors import ClipSegError
from napari_clipseg.layers.query import QueryImage, read_query
from napari_clipseg.layers.results import Results
from napari_clipseg.widget.job import Encoded, Event, Finished, Job, Load, load_segmenter, perform
from napari_clipseg.widget.labelling import Cut, Labelling
from napari_clipseg.widget.memory import Memory
from napari_clipseg.widget.models import check_present
from napari_clipseg.widget.notices import advise, gist, report
from napari_clipseg.widget.request import RunRequest, read_prompts

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

    from napari_clipseg.engine.decoding import TileDone
    from napari_clipseg.engine.features import Features

REFRESH_SECONDS = 0.1
"""Time between two looks at a run for each megapixel of its image, and at least this long.

Tiles may come faster than they can be shown: napari draws the whole plane each time.
"""


class View(Protocol):
    """What a controller asks of the form."""

    def show_status(self, text: str) -> None:
        """Say in one line how things stand."""

    def show_progress(self, done: int, total: int) -> None:
        """Show how many tiles are done; a total of 0 is not known yet."""

    def show_running(self, running: bool) -> None:
        """Show whether a run is going on."""

    def suggest_threshold(self, threshold: float) -> None:
        """Offer the threshold that a model's makers recommend."""

    def cut(self) -> Cut:
        """Return threshold and minimum size as they are set now."""


@dataclasses.dataclass(slots=True)
class Run:
    """A run that is going on; only the GUI thread sees it."""

    request: RunRequest
    query: QueryImage
    job: Job
    results: list[Results]
    worker: Any = None
    shown: float = 0.0
    in_bar: bool = False
    abandoned: bool = False

    @property
    def pause(self) -> float:
        """Seconds to be left between two looks at the run."""
        return REFRESH_SECONDS * max(1.0, self.job.out.size / 1e6)

    @property
    def reuses(self) -> bool:
        """Whether the image is encoded already."""
        return self.job.known is not None and self.job.known.features is not None


class Controller:
    """Runs what the form asks for, one run at a time, and puts results into the viewer.

    Parameters
    ----------
    viewer : napari.Viewer
    view : View
    load : callable
        Makes a segmenter of model and zoom, in the worker thread.
    """

    def __init__(self, viewer: Viewer, view: View, load: Load = load_segmenter) -> None:
        self._viewer, self._view, self._load = viewer, view, load
        self._memory = Memory()
        self._made: dict[tuple[Any, str], Results] = {}
        self._labelling: Labelling | None = None
        self._run: Run | None = None
        self._watched: Image | None = None
        self._headline = ""
        viewer.layers.events.removed.connect(self._on_removed)

    def start(self, request: RunRequest) -> None:
        """Start a run, or say why there can be none."""
        if self._run is not None:
            advise("A run is going on: wait until it is done, or press Cancel.")
            return
        try:
            run = self._prepare(request)
        except (ClipSegError, MemoryError) as error:
            self._view.show_status(gist(error))
            advise(str(error))
            return
        self._watch(run.query.layer)
        self._launch(run)

    def cancel(self) -> None:
        """Stop the run after the tile it is at."""
        if self._run is not None:
            self._view.show_status("Cancelling after this tile …")
            self._run.worker.quit()

    def preview(self, threshold: float) -> None:
        """Show at once what is above a threshold; the model has no part in it."""
        if self._labelling is not None:
            self._labelling.preview(threshold)

    def relabel(self) -> None:
        """Make the labels of the last run anew, as the form says now."""
        if self._labelling is not None:
            self._labelling.start(self._view.cut())

    def close(self) -> None:
        """Stop all work; the form is gone and is not spoken to any more."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._watch(None)
        if self._labelling is not None:
            self._labelling.stop()
            self._labelling = None
        if self._run is not None:
            self._run.worker.quit()
            self._run = None

    def _prepare(self, request: RunRequest) -> Run:
        query = read_query(self._viewer, request.image, request.contrast)
        prompts = read_prompts(self._viewer, request, query)
        check_present(request.model)
        results = [self._results(query.layer, prompt.name) for prompt in prompts]
        out = np.zeros((len(prompts), *query.data.shape[:2]), np.float32)
        known = self._memory.recall(request, query)
        job = Job(query.data, query.contrast, prompts, request.model, request.zoom, out, known)
        return Run(request, query, job, results)

    def _results(self, image: Image, title: str) -> Results:
        """Return our layers of this prompt on this image, new ones if they no longer fit."""
        made = self._made.get((image.unique_id, title))
        return made if made and made.fit(self._viewer, image) else Results(image, title)

    def _launch(self, run: Run) -> None:
        if self._labelling is not None and set(self._labelling.results) & set(run.results):
            self._labelling.stop()
            self._labelling = None
        run.worker = create_worker(
            perform,
            run.job,
            self._load,
            _start_thread=False,
            _progress={"desc": "CLIPSeg"},
            _connect={
                "yielded": self._on_event,
                "errored": self._on_error,
                "aborted": self._on_aborted,
                "finished": self._on_finished,
            },
        )
        self._run = run
        self._view.show_running(True)
        self._view.show_progress(0, 0)
        self._view.show_status("Starting …" if run.job.known else f"Loading {run.request.model} …")
        run.worker.start()

    def _on_event(self, event: Event) -> None:
        run = self._run
        if run is None or run.abandoned:
            return
        if isinstance(event, Encoded):
            self._memory.keep(run.request, run.query, run.job.known or event)
            self._view.suggest_threshold(event.segmenter.threshold)
        elif isinstance(event, Finished):
            self._on_complete(run, event)
        else:
            self._on_tile(run, event)

    def _on_tile(self, run: Run, done: TileDone) -> None:
        if done.index == 1:
            self._show_results(run)
        for result, probability in zip(run.results, run.job.out, strict=True):
            result.write_rows(run.query.plane, done.rows, probability)
        now = time.monotonic()
        if now - run.shown > run.pause or done.index == done.total:
            run.shown = now
            self._show_tile(run, done)

    def _show_results(self, run: Run) -> None:
        """Add the layers: not before the first tile, so that a run that fails leaves none."""
        for result in run.results:
            self._made[run.query.layer.unique_id, result.title] = result
            if result.shown(self._viewer):
                result.begin(run.query.plane)
            else:
                result.show(self._viewer)

    def _show_tile(self, run: Run, done: TileDone) -> None:
        for result in run.results:
            result.refresh()
        verb = "Decoding" if run.reuses else "Encoding"
        self._view.show_progress(done.index, done.total)
        self._view.show_status(f"{verb}: tile {done.index} of {done.total}")
        _advance(run, done)

    def _on_complete(self, run: Run, finished: Finished) -> None:
        self._memory.keep(run.request, run.query, finished.encoded)
        for result, recipe in zip(run.results, finished.recipes, strict=True):
            result.finish(run.query.plane, recipe)
        self._headline = _headline(finished.encoded.features, run.reuses)
        self._view.show_status(f"{self._headline} Making labels …")
        if self._labelling is not None:
            self._labelling.stop()
        self._labelling = Labelling(run.results, self._on_labelled)
        self._labelling.start(self._view.cut())

    def _on_labelled(self, counts: str) -> None:
        self._view.show_status(f"{self._headline} {counts}.")

    def _on_error(self, error: Exception) -> None:
        if self._run is not None and not self._run.abandoned:
            self._restore(self._run)
            self._view.show_status(f"The run failed. {gist(error)}")
            report(error)

    def _on_aborted(self) -> None:
        if self._run is not None and not self._run.abandoned:
            restored = self._restore(self._run)
            kept = "the result of before is back" if restored else "what is done so far stays"
            self._view.show_status(f"Cancelled; {kept} in the layers.")

    def _restore(self, run: Run) -> bool:
        """Bring back the results that a run which did not end had begun to replace."""
        return any([result.restore() for result in run.results])

    def _on_finished(self) -> None:
        if self._run is not None:
            self._run = None
            self._view.show_running(False)

    def _watch(self, layer: Image | None) -> None:
        """Notice when the data of this layer, and of no other, are replaced."""
        if self._watched is not None:
            self._watched.events.data.disconnect(self._on_data)
        self._watched = layer
        if layer is not None:
            layer.events.data.connect(self._on_data)

    def _on_data(self, event: Any) -> None:
        self._memory.forget_image()
        self._abandon("The image was changed during the run, so the run was cancelled.")

    def _on_removed(self, event: Any) -> None:
        self._made = {key: each for key, each in self._made.items() if each.shown(self._viewer)}
        if self._watched is not None and event.value == self._watched:
            self._watch(None)
            self._memory.forget_image()
            self._abandon("The image was removed during the run, so the run was cancelled.")

    def _abandon(self, why: str) -> None:
        """Stop the run and take no more results from it."""
        if self._run is not None and not self._run.abandoned:
            self._run.abandoned = True
            self._run.worker.quit()
            self._view.show_status(why)
            advise(why)


def _advance(run: Run, done: TileDone) -> None:
    """Move the bar in the activity dock.

    napari handles all waiting events meanwhile, further tiles among them: those must not
    come here again, or a fast model would nest events without end.
    """
    if run.in_bar:
        return
    run.in_bar = True
    run.worker.pbar.total = done.total
    run.worker.pbar.update(done.index - run.worker.pbar.n)
    run.in_bar = False


def _headline(features: Features | None, reused: bool) -> str:
    if features is None:
        return ""
    size = f"{features.nbytes / 1e6:.1f} MB"
    return f"Encoded, {features.tiles} tiles ({size}){'; reused' if reused else ''}."
