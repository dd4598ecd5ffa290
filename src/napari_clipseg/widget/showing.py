"""How much of a run that goes on is shown, and how often."""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer

from napari_clipseg.layers.results import add_quietly
from napari_clipseg.widget import phrases

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Layer

    from napari_clipseg.widget.events import Progress
    from napari_clipseg.widget.run import Run
    from napari_clipseg.widget.shelf import Shelf
    from napari_clipseg.widget.view import View

SAY_SECONDS = 0.2
"""Time between two words on the progress: tiles may come faster than anybody can read."""

SHARE_FOR_SHOWING, SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 0.3, 30.0
"""Share of the time in which results are drawn while they grow, and the seconds between two looks
at them, at least and at most: napari sends the whole plane to the graphics card each time, which
without such a card takes the processor away from the model."""


class Showing:
    """Puts what a run has made into the viewer, at a pace that leaves time for the person.

    Parameters
    ----------
    viewer : napari.Viewer
    view : View
    shelf : Shelf
    """

    def __init__(self, viewer: Viewer, view: View, shelf: Shelf) -> None:
        self._viewer, self._view, self._shelf = viewer, view, shelf
        self._waiting: deque[tuple[Image, Layer]] = deque()
        self._said = self._next_look = 0.0
        self._in_bar = False
        self._withheld: Run | None = None

    def progress(self, run: Run, progress: Progress, worker: Any) -> None:
        """Say how far a run is, and show what it has made."""
        now, last = time.monotonic(), progress.done == progress.total
        if now - self._said > SAY_SECONDS or last:
            self._said = now
            self._view.show_progress(progress.done, progress.total)
            self._view.show_status(phrases.working(run, progress))
            self._advance(worker, progress)
        if last or progress.brief:
            self._withheld = run
            return
        self.results(run)
        if now > self._next_look:
            self._look(run, now)

    def withheld(self, run: Run) -> None:
        """Add the layers of a run that was to be shown when it is done, and ends before that."""
        if self._withheld is run:
            self.results(run)

    def results(self, run: Run) -> None:
        """Add the layers of a run: not before the first tile, so one that fails leaves none.

        Each is added in a turn of its own: napari takes up to 0.3 s for a large one.
        """
        self._withheld = None
        if run.shown:
            return
        run.shown = True
        for asked, result in zip(run.asked, run.results, strict=True):
            self._shelf.keep(run.query, result)
            if asked.row.negative:
                self._shelf.hide_negative(result.layer)
            else:
                self._shelf.show_positive(result.layer)
            if result.layer not in self._viewer.layers:
                self._waiting.append((run.query.layer, result.layer))
                QTimer.singleShot(0, self._add_next)

    def add_waiting(self) -> None:
        """Add at once what waits for its turn: whoever looks for our layers must find them."""
        while self._waiting:
            self._add_next()

    def stop(self) -> None:
        """Add no more layers."""
        self._waiting.clear()
        self._withheld = None

    def _add_next(self) -> None:
        if self._waiting:
            image, layer = self._waiting.popleft()
            if image in self._viewer.layers:
                add_quietly(self._viewer, layer)

    def _look(self, run: Run, now: float) -> None:
        """Draw what a run has made, and not again before that has paid off."""
        self._next_look = now + LONGEST_PAUSE
        for result in run.results:
            result.refresh()
        # drawing waits in the event loop as well, ahead of the timer
        QTimer.singleShot(0, partial(self._plan_next_look, now))

    def _plan_next_look(self, begun: float) -> None:
        now = time.monotonic()
        pause = (now - begun) / SHARE_FOR_SHOWING
        self._next_look = now + min(max(pause, SHORTEST_PAUSE), LONGEST_PAUSE)

    def _advance(self, worker: Any, progress: Progress) -> None:
        """Move the bar in the activity dock.

        napari handles all waiting events meanwhile, further tiles among them: those must not
        come here again, or a fast model would nest events without end.
        """
        if self._in_bar:
            return
        self._in_bar = True
        worker.pbar.total = progress.total
        worker.pbar.update(progress.done - worker.pbar.n)
        self._in_bar = False
