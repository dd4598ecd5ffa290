"""How long a run would take, found out by encoding one place of the image."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING

from napari_clipseg.engine.prompts import TextPrompt
from napari_clipseg.errors import ClipSegError
from napari_clipseg.layers.query import QueryImage, read_query
from napari_clipseg.layers.regions import read_region
from napari_clipseg.widget import phrases
from napari_clipseg.widget.background import Listener, Worker, in_background
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
    from napari_clipseg.layers.geometry import Plane
    from napari_clipseg.widget.request import RunRequest
    from napari_clipseg.widget.view import View

ANY_PROMPT = TextPrompt("object")
"""Every prompt takes the decoder as long."""

LOOKED_AT_PX = 1 << 28
"""So many pixels are looked at for a region that layers mark: a second's work. Of a larger stack
planes spread over it are looked at, and each stands for those beside it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """What was learned of an image: its features, of which some tiles are encoded now."""

    segmenter: Segmenter
    features: Features
    on_disk: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Further:
    """A further plane with something to do: its features, if it was encoded, and its region."""

    features: Features | None
    region: Region | None


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
    others : tuple of Further
        Those of the further planes that were looked at.
    stands_for : float
        How many planes each of them stands for.
    """

    request: RunRequest
    layers: tuple[Layer, ...]
    wanted: Wanted
    task: PlaneTask
    job: Job
    others: tuple[Further, ...] = ()
    stands_for: float = 1.0

    def work(self, features: Features) -> Work:
        """Return what a run would have to do, given the features of its first plane."""
        region = self.task.region
        tiles = [_tiles_of(features, each.region) for each in self.others]
        missing = [
            here if each.features is None else each.features.missing(each.region)
            for here, each in zip(tiles, self.others, strict=True)
        ]
        return Work(
            features.missing(region) + round(sum(missing) * self.stands_for),
            _tiles_of(features, region) + round(sum(tiles) * self.stands_for),
            1 + round(len(self.others) * self.stands_for),
        )


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
        receipts=(),
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
    rest = [plane for plane in planes if plane != query.plane]
    looked_at = _spread(rest, request, query)
    others = tuple(_further(viewer, request, memory, query, looked_at))
    stands_for = len(rest) / max(len(looked_at), 1)
    return Question(request, read_layers(request, query), wanted, task, job, others, stands_for)


def _spread(planes: list[Plane], request: RunRequest, query: QueryImage) -> list[Plane]:
    """Return the planes on which a region is looked for: all, where it is no layer."""
    if isinstance(request.region, str):
        return planes
    most = max(LOOKED_AT_PX // math.prod(query.data.shape[:2]), 1)
    return planes[:: -(-len(planes) // most)] if planes else planes


def _further(
    viewer: Viewer,
    request: RunRequest,
    memory: Memory,
    query: QueryImage,
    planes: list[Plane],
) -> Iterator[Further]:
    """Yield those of the planes that have something to do: a run passes over the others."""
    settings = query_settings(request)
    for plane in planes:
        try:
            there = read_query(viewer, query.layer, settings, plane)
            region = read_region(viewer, request.region, there)
        except ClipSegError:
            continue
        yield Further(memory.features(Wanted.of(request, there)), region)


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
        self._worker: Worker | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being measured."""
        return self._worker is not None

    def start(self, question: Question) -> None:
        """Begin to find out."""
        self._question = question
        self._view.show_encoded("measuring …")
        listener = Listener(partial(self._on_answer, question), self._on_error, self._on_end)
        work = partial(estimate, question, self._load)
        # a place takes a moment and cannot be cut short
        self._worker = in_background(work, listener, stop=_nobody)

    def forget(self, layer: Layer) -> None:
        """Let an answer that is still to come be: a layer is not what it was."""
        if self._question is not None and self.busy and layer in self._question.layers:
            self._question = None
            self._view.show_encoded("the image was changed while the time was measured")

    def close(self) -> None:
        """Stop, and call nobody any more."""
        self._question = None
        self._on_finished = _nobody

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
