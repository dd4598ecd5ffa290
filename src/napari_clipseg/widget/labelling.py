"""From the probability of a run to its labels, anew whenever the threshold moves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.qt.threading import create_worker

from napari_clipseg.engine.labels import label
from napari_clipseg.layers.geometry import Plane
from napari_clipseg.layers.results import Results
from napari_clipseg.widget.notices import report


@dataclasses.dataclass(frozen=True, slots=True)
class Cut:
    """What makes objects of probability.

    Parameters
    ----------
    threshold : float
        In (0, 1).
    min_size : int
        Pixels of the smallest object that is kept.
    """

    threshold: float
    min_size: int


@dataclasses.dataclass(frozen=True, slots=True)
class LabelTask:
    """One plane to be labelled: which result (by number), which plane, its probability."""

    result: int
    plane: Plane
    probability: npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """A task done."""

    task: LabelTask
    labels: npt.NDArray[np.int32]


def label_planes(tasks: Sequence[LabelTask], cut: Cut) -> Generator[Labelled]:
    """Label plane after plane; runs in a worker and touches no layer."""
    for task in tasks:
        yield Labelled(task, label(task.probability, cut.threshold, min_size=cut.min_size))


class Labelling:
    """Keeps the label layers of one run true to the threshold.

    Parameters
    ----------
    results : sequence of Results
        With at least one complete plane.
    on_done : callable
        Called with one sentence once all labels are in place.
    """

    def __init__(self, results: Sequence[Results], on_done: Callable[[str], None]) -> None:
        self.results = tuple(results)
        self._on_done = on_done
        self._cut: Cut | None = None
        self._worker: Any = None
        self._counts: dict[str, int] = {}

    def preview(self, threshold: float) -> None:
        """Show at once what is above a threshold, without making labels."""
        for result in self.results:
            result.preview(threshold)

    def start(self, cut: Cut) -> None:
        """Make labels in the background; what was under way with another cut is dropped."""
        self._quit()
        self._cut, self._counts = cut, {}
        tasks = [
            LabelTask(number, plane, probability)
            for number, result in enumerate(self.results)
            for plane, probability in result.planes.items()
        ]
        self._worker = create_worker(
            label_planes,
            tasks,
            cut,
            _connect={
                "yielded": partial(self._on_labelled, cut),
                "returned": partial(self._on_returned, cut),
                "errored": report,
            },
        )

    def stop(self) -> None:
        """Drop what is under way and show the labels as they are."""
        self._quit()
        self._end_preview()

    def _quit(self) -> None:
        self._cut = None
        if self._worker is not None:
            self._worker.quit()

    def _end_preview(self) -> None:
        for result in self.results:
            result.end_preview()

    def _on_labelled(self, cut: Cut, done: Labelled) -> None:
        if cut is not self._cut:
            return
        result = self.results[done.task.result]
        result.write_labels(done.task.plane, done.labels, cut.threshold)
        count = int(done.labels.max(initial=0))
        self._counts[result.title] = self._counts.get(result.title, 0) + count

    def _on_returned(self, cut: Cut, _: None) -> None:
        if cut is self._cut and self._counts:
            self._end_preview()
            counts = (f"{title}: {count} objects" for title, count in self._counts.items())
            self._on_done(", ".join(counts))
