"""One run as the worker thread does it: no layers, no Qt, only arrays and events."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import nullcontext
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_clipseg.engine.prompts import MaskPrompt, TextPrompt
from napari_clipseg.engine.recipe import Recipe
from napari_clipseg.engine.region import Region
from napari_clipseg.layers.regions import WHOLE
from napari_clipseg.model.catalog import DEFAULT_MODEL
from napari_clipseg.widget.blank import nodata_of, remark_on
from napari_clipseg.widget.events import (
    Event,
    Loaded,
    PlaneBegun,
    PlaneDone,
    PlaneDropped,
    PlaneTask,
    Progress,
)
from napari_clipseg.widget.failures import translated
from napari_clipseg.widget.feature_cache import place_on_disk
from napari_clipseg.widget.pace import Pace
from napari_clipseg.widget.preload import (
    collecting_no_garbage,
    give_triton_its_own_llvm,
    load_torch_libraries,
    warm_label_colours,
)
from napari_clipseg.widget.prompting import AnyPrompt
from napari_clipseg.widget.replacing import PlaneStack, Replacement, receipts_of, to_make

if TYPE_CHECKING:
    from napari_clipseg.engine.decoding import TileDone
    from napari_clipseg.engine.features import Features
    from napari_clipseg.engine.segmenter import Segmenter
    from napari_clipseg.widget.request import RunRequest


@dataclasses.dataclass(frozen=True, slots=True)
class ModelChoice:
    """What must be loaded: all settings for which weights are read."""

    model: str = DEFAULT_MODEL
    device: str = "auto"
    precision: str = "float32"

    @classmethod
    def of(cls, request: RunRequest) -> ModelChoice:
        """Return the model that a request wants."""
        return cls(request.model, request.device, request.precision)


PIXELS_TOGETHER = 256**2
"""A run can be cancelled between batches, so that on a CPU one holds a single tile of CLIPSeg, for
which larger ones gain nothing. The starter's small tiles are a third faster four at a time."""

BRIEF_SECONDS = 4.0
"""A run that only decodes, and for less time, is shown when it is done, and until then has all
cores: to draw it meanwhile would make it twice as long."""

SAY_SECONDS = 0.05
"""Between two words to the GUI thread: the starter decodes a thousand tiles a second."""

Load: TypeAlias = "Callable[[ModelChoice], Segmenter]"
"""How a segmenter of zoom 1 is made."""


class Feed:
    """Planes on their way to the worker, which waits where it is ahead of the GUI thread."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[PlaneTask | None] = SimpleQueue()

    def put(self, task: PlaneTask) -> None:
        """Hand over a plane."""
        self._queue.put(task)

    def end(self) -> None:
        """Say that there are no more."""
        self._queue.put(None)

    def __iter__(self) -> Iterator[PlaneTask]:
        return iter(self._queue.get, None)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Job:
    """All that a run needs.

    Parameters
    ----------
    choice : ModelChoice
    zoom : float
    prompts : tuple of TextPrompt, MaskPrompt or Mix
    feed : Feed
    planes : int
        How many will come.
    memory_bytes : int
        Features of a plane that take more go to disk.
    pace : Pace
    segmenter : Segmenter, optional
        Loaded by an earlier run.
    stop : threading.Event
        Set by whoever wants the run to end after the tile it is at.
    """

    choice: ModelChoice
    zoom: float
    prompts: tuple[AnyPrompt, ...]
    feed: Feed
    planes: int
    memory_bytes: int
    pace: Pace = dataclasses.field(default_factory=Pace)
    segmenter: Segmenter | None = None
    stop: threading.Event = dataclasses.field(default_factory=threading.Event)


def load_segmenter(choice: ModelChoice) -> Segmenter:
    """Return a segmenter; torch is imported here, in the worker, where it may take its time."""
    with collecting_no_garbage():
        give_triton_its_own_llvm()
        load_torch_libraries()
        from napari_clipseg.engine.segmenter import Segmenter

        segmenter = Segmenter(choice.model, device=choice.device, precision=choice.precision)
    if segmenter.device != "cpu":
        return segmenter
    return segmenter.with_settings(batch=PIXELS_TOGETHER // segmenter.tile**2 or 1)


def perform(job: Job, load: Load) -> Generator[Event]:
    """Do a run and say what happens, often enough to be watched.

    Raises
    ------
    ClipSegError
        If the run fails. Never a RuntimeError: napari's workers keep those to themselves.
    """
    with translated():
        loaded = job.segmenter or load(job.choice)
        yield Loaded(loaded, tuple(_remark(loaded, each) for each in job.prompts))
        if job.stop.is_set():
            return
        warm_label_colours()
        segmenter = segmenter_of(job, loaded)
        described = tuple(
            Recipe.of(segmenter, [each], (0.0, 1.0), segmenter.threshold) for each in job.prompts
        )
        run = _Worker(job, segmenter, described)
        for task in job.feed:
            if job.stop.is_set():
                return
            yield from run.plane(task)


def segmenter_of(job: Job, loaded: Segmenter) -> Segmenter:
    """Return the loaded model with the settings of a run; no weights are read."""
    return loaded.with_settings(zoom=job.zoom)


def features_of(job: Job, segmenter: Segmenter, task: PlaneTask) -> tuple[Features, bool]:
    """Return the features of a plane, encoded or not, and whether they are kept on disk.

    Raises
    ------
    ClipSegError
        If the plane is no image, or there is no room for its features.
    """
    height, width = task.image.shape[:2]
    expected = segmenter.feature_bytes((int(height), int(width)))
    on_disk = expected > job.memory_bytes
    if task.features is not None:
        return task.features, on_disk
    folder = place_on_disk(task, segmenter, expected) if on_disk else None
    nodata = nodata_of(task.image)
    made = segmenter.prepare(task.image, contrast=task.contrast, nodata=nodata, folder=folder)
    return made, on_disk


@dataclasses.dataclass(slots=True)
class _Worker:
    """The state of a run in its worker."""

    job: Job
    segmenter: Segmenter
    described: tuple[Recipe, ...]
    done: int = 0

    def plane(self, task: PlaneTask) -> Generator[Event]:
        """Segment a plane, or bring back what was there before."""
        features, on_disk = features_of(self.job, self.segmenter, task)
        recipes = self._recipes(task, features)
        anew = to_make(task, features, recipes)
        made = Replacement(
            [task.targets[n] for n in anew],
            [task.earlier[n] for n in anew],
            [recipes[n] for n in anew],
            whole=task.region is None,
        )
        yield PlaneBegun(task, features, on_disk, remark_on(task.image, features))
        prompts = [self.job.prompts[n] for n in anew]
        try:
            yield from self._segment(task, features, prompts, made.out)
        except Exception:
            yield PlaneDropped(task, made.restore())
            raise
        if self.job.stop.is_set():
            yield PlaneDropped(task, made.restore())
            return
        if self.job.pace.decode is None:
            self.job.pace.measure(features, self.job.prompts)
        receipts = receipts_of(task, features, anew)
        yield PlaneDone(task, features, _with_regions(recipes, task, made.extends), receipts)

    def _segment(
        self, task: PlaneTask, features: Features, prompts: Sequence[AnyPrompt], out: PlaneStack
    ) -> Generator[Progress]:
        """Segment what is asked for of a plane, first what the person is looking at."""
        from napari_clipseg.engine.threads import a_core_spared

        brief = self._is_brief(features, len(prompts))
        parts = _parts(task) if prompts else ()
        with nullcontext() if brief else a_core_spared():
            for to_come, part in zip(reversed(range(len(parts))), parts, strict=True):
                for done, encoding in self._part(features, prompts, out, part):
                    total = self._total(task, done, features, to_come)
                    yield Progress(task, self.done, total, encoding, brief)
                if self.job.stop.is_set():
                    return

    def _is_brief(self, features: Features, prompts: int) -> bool:
        """Return whether all planes take so little time that nobody needs to see a part."""
        decode = self.job.pace.decode
        if decode is None or features.missing():
            return False
        return decode * prompts * features.tiles * self.job.planes < BRIEF_SECONDS

    def _part(
        self,
        features: Features,
        prompts: Sequence[AnyPrompt],
        out: PlaneStack,
        region: Region | None,
    ) -> Generator[tuple[TileDone, bool]]:
        """Segment a region as far as nobody asks to stop; say if it is encoded or only decoded."""
        encoding = features.missing(region) > 0
        begun, said, told = time.perf_counter(), -math.inf, 0.0
        done: TileDone | None = None
        for done in features.run(prompts, out, region=region):
            self.done += 1
            now = time.perf_counter()
            if now - said > SAY_SECONDS or done.index == done.total:
                yield done, encoding
                said = time.perf_counter()
                told += said - now
            if self.job.stop.is_set():
                return
        if done is not None:
            seconds = time.perf_counter() - begun - told
            self.job.pace.note(seconds / done.total, len(prompts), encoding=encoding)

    def _total(self, task: PlaneTask, done: TileDone, features: Features, parts: int) -> int:
        """Return the tiles of all planes, taking those to come to be like this one.

        ``parts`` of this plane are still to come.
        """
        each = features.tiles if task.region is None else done.total
        to_come = parts + self.job.planes - task.number
        return self.done + done.total - done.index + to_come * each

    def _recipes(self, task: PlaneTask, features: Features) -> tuple[Recipe, ...]:
        nodata = nodata_of(task.image)
        read = {} if nodata is None else {"options": {"nodata": str(nodata)}}
        return tuple(
            dataclasses.replace(each, contrast=features.contrast, job={**task.record, **read})
            for each in self.described
        )


def _remark(segmenter: Segmenter, prompt: AnyPrompt) -> str:
    """Return a sentence if the model has not learned the text of a prompt, else nothing."""
    if isinstance(prompt, MaskPrompt):
        return ""
    text = prompt.text if isinstance(prompt, TextPrompt) else prompt.text.text
    knowledge = segmenter.knows(text)
    return "" if knowledge is None or knowledge.known else str(knowledge)


def _parts(task: PlaneTask) -> tuple[Region | None, ...]:
    """Return the parts of a plane in the order in which they are done."""
    return (task.region,) if task.first_look is None else (task.first_look, task.region)


def _with_regions(
    recipes: tuple[Recipe, ...], task: PlaneTask, extends: list[bool]
) -> tuple[Recipe, ...]:
    """Return recipes that name all regions that were made on the plane; none: the whole."""
    if task.region is None:
        return recipes
    new = [task.region.to_json()]
    return tuple(
        dataclasses.replace(
            recipe, job={**recipe.job, "regions": _earlier_regions(old, extended) + new}
        )
        for recipe, old, extended in zip(recipes, task.earlier, extends, strict=True)
    )


def _earlier_regions(earlier: Recipe | None, extends: bool) -> list[Any]:
    if earlier is None or not extends:
        return []
    return list(earlier.job.get("regions", [WHOLE]))
