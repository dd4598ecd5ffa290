"""How long a run would take, found out by encoding one place of the image."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker

from napari_clipseg.engine.prompts import TextPrompt
from napari_clipseg.layers.query import read_query
from napari_clipseg.layers.regions import read_region
from napari_clipseg.widget import phrases
from napari_clipseg.widget.events import PlaneTask
from napari_clipseg.widget.failures import translated
from napari_clipseg.widget.job import Feed, Job, Load, ModelChoice, features_of, segmenter_of
from napari_clipseg.widget.memory import MEGABYTE, Memory, Wanted
from napari_clipseg.widget.models import check_present
from napari_clipseg.widget.prompting import query_settings, read_layers
from napari_clipseg.widget.run import read_planes

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_clipseg.engine.features import Features
    from napari_clipseg.engine.region import Region
    from napari_clipseg.engine.segmenter import Segmenter
    from napari_clipseg.widget.request import RunRequest
    from napari_clipseg.widget.view import View

ANY_PROMPT = TextPrompt("object")
"""Every prompt takes the decoder as long."""


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """What was learned of an image: its features, of which some tiles are encoded now."""

    segmenter: Segmenter
    features: Features
    on_disk: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """A run that is asked about, not made.

    Parameters
    ----------
    request : RunRequest
    layers : tuple of napari layers
        Those whose pixels are read.
    wanted : Wanted
    task : PlaneTask
        The plane that the run would begin with, on which the time is measured.
    job : Job
    others : tuple of Features or None
        Of each further plane; None where nothing is encoded.
    """

    request: RunRequest
    layers: tuple[Layer, ...]
    wanted: Wanted
    task: PlaneTask
    job: Job
    others: tuple[Features | None, ...] = ()

    def work(self, features: Features) -> Work:
        """Return what a run would have to do, given the features of its first plane.

        The region is taken to be on every plane as it is on the first.
        """
        region = self.task.region
        tiles = _tiles_of(features, region)
        missing = [tiles if each is None else each.missing(region) for each in self.others]
        planes = 1 + len(self.others)
        return Work(features.missing(region) + sum(missing), tiles * planes, planes)


@dataclasses.dataclass(frozen=True, slots=True)
class Work:
    """How many tiles a run has to encode and to decode, over how many planes."""

    encode: int
    decode: int
    planes: int


def ask(viewer: Viewer, request: RunRequest, memory: Memory) -> Question:
    """Freeze what is needed to estimate a run.

    Raises
    ------
    ClipSegError
        If there can be no run.
    """
    query, planes = read_planes(viewer, request)
    check_present(request.model)
    choice, wanted = ModelChoice.of(request), Wanted.of(request, query)
    task = PlaneTask(
        number=1,
        plane=query.plane,
        name=query.layer.name,
        image=query.data,
        contrast=query.contrast,
        targets=(),
        earlier=(),
        region=read_region(viewer, request.region, query),
        features=memory.features(wanted),
    )
    job = Job(
        choice=choice,
        zoom=request.zoom,
        prompts=(ANY_PROMPT,),
        feed=Feed(),
        planes=1,
        memory_bytes=request.memory_mb * MEGABYTE,
        pace=memory.pace(choice),
        segmenter=memory.segmenter(choice),
    )
    settings = query_settings(request)
    others = tuple(
        memory.features(Wanted.of(request, read_query(viewer, query.layer, settings, plane)))
        for plane in planes
        if plane != query.plane
    )
    return Question(request, read_layers(request, query), wanted, task, job, others)


def estimate(question: Question, load: Load) -> Generator[Estimate]:
    """Time one place; the work of a worker thread.

    Raises
    ------
    ClipSegError
        If the model cannot be loaded or fails.
    """
    job = question.job
    with translated():
        loaded = job.segmenter or load(job.choice)
        features, on_disk = features_of(job, segmenter_of(job, loaded), question.task)
        job.pace.measure(features, job.prompts)
        yield Estimate(loaded, features, on_disk)


class Estimator:
    """Estimates in a worker, one question at a time; what was encoded for it is kept.

    Parameters
    ----------
    view : View
        Is told the answer.
    memory : Memory
    load : callable
        Makes the segmenter of a model.
    on_finished : callable
        Called when an estimate has come to its end, whatever that was.
    """

    def __init__(
        self, view: View, memory: Memory, load: Load, on_finished: Callable[[], None]
    ) -> None:
        self._view, self._memory, self._load = view, memory, load
        self._on_finished = on_finished
        self._question: Question | None = None
        self._worker: Any = None

    @property
    def busy(self) -> bool:
        """Whether something is being measured."""
        return self._worker is not None

    def start(self, question: Question) -> None:
        """Begin to find out."""
        self._question = question
        self._view.show_encoded("measuring …")
        self._worker = create_worker(
            estimate,
            question,
            self._load,
            _connect={
                "yielded": partial(self._on_answer, question),
                "errored": self._on_error,
                "finished": self._on_end,
            },
        )

    def forget(self, layer: Layer) -> None:
        """Let an answer that is still to come be: a layer is not what it was."""
        if self._question is not None and self.busy and layer in self._question.layers:
            self._question = None
            self._view.show_encoded("the image was changed while the time was measured")

    def close(self) -> None:
        """Stop, and call nobody any more."""
        self._question = None
        self._on_finished = _nobody
        if self._worker is not None:
            self._worker.quit()

    def _on_answer(self, question: Question, made: Estimate) -> None:
        if question is not self._question:
            return
        request, job = question.request, question.job
        self._memory.keep_segmenter(job.choice, made.segmenter, job.pace)
        budget = request.memory_mb
        self._memory.keep(question.wanted, made.features, budget, on_disk=made.on_disk)
        prompts, device = max(len(request.prompts), 1), made.segmenter.device
        work = question.work(made.features)
        self._view.show_encoded(phrases.estimated(work, job.pace, prompts, device))

    def _on_error(self, error: Exception) -> None:
        if self._question is not None:
            self._view.show_encoded(phrases.sentence(error))

    def _on_end(self) -> None:
        self._worker = None
        self._on_finished()


def _tiles_of(features: Features, region: Region | None) -> int:
    """Return about how many tiles a region touches: where none is encoded yet, exactly."""
    if region is None:
        return features.tiles
    share = region.area_px / math.prod(features.shape)
    return max(features.missing(region), math.ceil(features.tiles * share))


def _nobody() -> None:
    """Take a call that nobody waits for."""
