"""One run as the GUI thread sees it: what was frozen at its start, and what it has written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from napari_clipseg.errors import ClipSegError, UnsupportedLayer
from napari_clipseg.layers.planes import planes_of
from napari_clipseg.layers.query import QueryImage, read_query
from napari_clipseg.layers.regions import read_region, visible_region
from napari_clipseg.layers.results import ProbabilityResult
from napari_clipseg.widget.events import Event, PlaneBegun, PlaneDone, PlaneDropped, PlaneTask
from napari_clipseg.widget.job import Feed, Job, ModelChoice
from napari_clipseg.widget.memory import MEGABYTE, Memory, Wanted
from napari_clipseg.widget.models import check_present
from napari_clipseg.widget.prompting import (
    NOTHING,
    AnyPrompt,
    Asked,
    query_settings,
    read_layers,
    read_prompts,
)

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_clipseg.engine.region import Region
    from napari_clipseg.layers.geometry import Plane
    from napari_clipseg.widget.request import RunRequest
    from napari_clipseg.widget.shelf import Shelf

PLANES_AHEAD = 2
"""Planes that are frozen before the worker needs them; freezing all at once would be felt."""

WORTH_A_FIRST_LOOK = 0.3
"""What is on screen is done first where it is less than this share of the plane."""


@dataclasses.dataclass(slots=True)
class Run:
    """What a run asks for and where its results go; layers are touched in the GUI thread only.

    Parameters
    ----------
    viewer : napari.Viewer
    request : RunRequest
    query : QueryImage
        The plane that was shown at the start.
    asked : tuple of Asked
    results : tuple of ProbabilityResult
        One for each prompt.
    planes : tuple of Plane
        In the order in which they are done.
    memory : Memory
    job : Job
        The worker's half.
    complete : list of Plane
        Those that are done.
    wanted : dict
        Plane -> what is to be encoded of it.
    shown : bool
        Whether the results were handed to the viewer.
    remarks : tuple of str
        For each prompt what is to be said of it beside what was found, mostly nothing.
    """

    viewer: Viewer
    request: RunRequest
    query: QueryImage
    asked: tuple[Asked, ...]
    results: tuple[ProbabilityResult, ...]
    planes: tuple[Plane, ...]
    memory: Memory
    job: Job
    complete: list[Plane] = dataclasses.field(default_factory=list)
    wanted: dict[Plane, Wanted] = dataclasses.field(default_factory=dict)
    shown: bool = False
    remarks: tuple[str, ...] = ()
    _tasks: Iterator[PlaneTask] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self._tasks = self._all_tasks()
        for _ in range(PLANES_AHEAD):
            self.feed()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers whose pixels are read."""
        return read_layers(self.request, self.query)

    def feed(self) -> None:
        """Freeze the next plane and hand it to the worker, or say that there are no more."""
        task = next(self._tasks, None)
        if task is None:
            self.job.feed.end()
        else:
            self.job.feed.put(task)

    def stop(self) -> None:
        """Have the worker end after the tile it is at."""
        self.job.stop.set()
        self.job.feed.end()

    def begin(self, begun: PlaneBegun) -> None:
        """Note that a plane is being written, and keep its features."""
        plane, budget = begun.task.plane, self.request.memory_mb
        if not self.job.stop.is_set():
            # else the image may not be any more what was encoded
            self.memory.keep(self.wanted[plane], begun.features, budget, on_disk=begun.on_disk)
        for result in self.results:
            result.begin(plane)
        self.feed()

    def finish(self, done: PlaneDone) -> None:
        """Note that a plane is complete."""
        self.complete.append(done.task.plane)
        made = zip(self.results, done.recipes, done.receipts, strict=True)
        for result, recipe, receipt in made:
            result.finish(done.task.plane, recipe, receipt)

    def drop(self, dropped: PlaneDropped) -> None:
        """Note that a plane is again what it was."""
        for result in self.results:
            result.restore(dropped.task.plane)

    def settle(self, event: Event) -> None:
        """Note only what became of a plane, for a run that nobody follows any more."""
        match event:
            case PlaneDone():
                self.finish(event)
            case PlaneDropped():
                self.drop(event)

    def _all_tasks(self) -> Iterator[PlaneTask]:
        yield self._task(1, self.query)
        settings = query_settings(self.request)
        for number, plane in enumerate(self.planes[1:], start=2):
            try:
                query = read_query(self.viewer, self.query.layer, settings, plane)
                yield self._task(number, self._as_at_the_start(query))
            except ClipSegError:
                # a region drawn on one plane is not there on others: they have nothing to do
                continue

    def _as_at_the_start(self, query: QueryImage) -> QueryImage:
        """Return a plane seen through the contrast of the first, which may have been changed."""
        if query.contrast == self.query.contrast:
            return query
        return dataclasses.replace(query, contrast=self.query.contrast, key=object())

    def _task(self, number: int, query: QueryImage) -> PlaneTask:
        region = self._region(query)
        wanted = Wanted.of(self.request, query)
        self.wanted[query.plane] = wanted
        look = self._first_look(query) if number == 1 and region is None else None
        return PlaneTask(
            number=number,
            plane=query.plane,
            name=query.layer.name,
            image=query.data,
            contrast=query.contrast,
            targets=tuple(each.target(query.plane) for each in self.results),
            earlier=tuple(each.recipes.get(query.plane) for each in self.results),
            receipts=tuple(each.receipts.get(query.plane) for each in self.results),
            region=region,
            first_look=look,
            features=self.memory.features(wanted),
            record=self._record(query),
        )

    def _region(self, query: QueryImage) -> Region | None:
        return read_region(self.viewer, self.request.region, query)

    def _first_look(self, query: QueryImage) -> Region | None:
        """Return what is on screen, where that is a good deal less than the plane."""
        try:
            look = visible_region(self.viewer, query)
        except UnsupportedLayer:
            return None
        height, width = query.data.shape[:2]
        worth = look is not None and look.area_px < WORTH_A_FIRST_LOOK * height * width
        return look if worth else None

    def _record(self, query: QueryImage) -> dict[str, Any]:
        """Return what a recipe must name of a layer to be repeated, as JSON values."""
        channels = [getattr(each, "name", each) for each in self.request.channels or ()]
        return {
            "image": query.layer.name,
            "plane": str(query.plane),
            "axes": list(query.plane.axes),
            "level": query.level,
            "channels": channels or None,
            "channel_axis": self.request.channel_axis,
            "contrast": self.request.contrast,
        }


def prepare(
    viewer: Viewer,
    request: RunRequest,
    shelf: Shelf,
    memory: Memory,
    given: Mapping[int, AnyPrompt] = NOTHING,
) -> Run:
    """Freeze all that a run needs.

    Parameters
    ----------
    viewer : napari.Viewer
    request : RunRequest
    shelf : Shelf
    memory : Memory
    given : mapping
        Row key -> prompt, where a script brings the prompt itself.

    Raises
    ------
    ClipSegError
        If there can be no run; the message says what to do.
    """
    shown = read_query(viewer, request.image, query_settings(request))
    asked = read_prompts(viewer, request, shown, given)
    query, planes = read_planes(viewer, request)
    check_present(request.model)
    results = tuple(shelf.probability(query, each.title, each.row.color) for each in asked)
    choice = ModelChoice.of(request)
    job = Job(
        choice=choice,
        zoom=request.zoom,
        prompts=tuple(each.prompt for each in asked),
        feed=Feed(),
        planes=len(planes),
        memory_bytes=request.memory_mb * MEGABYTE,
        pace=memory.pace(choice),
        segmenter=memory.segmenter(choice),
    )
    return Run(viewer, request, query, asked, results, planes, memory, job)


def read_planes(viewer: Viewer, request: RunRequest) -> tuple[QueryImage, tuple[Plane, ...]]:
    """Return the plane that a run begins with, and all its planes in the order of the run.

    Raises
    ------
    ClipSegError
        If there is no such image or plane.
    """
    settings, axis = query_settings(request), request.channel_axis
    query = read_query(viewer, request.image, settings)
    planes = planes_of(viewer, query.layer, request.planes, request.level, channel_axis=axis)
    if query.plane not in planes:
        query = read_query(viewer, query.layer, settings, planes[0])
    return query, planes


def is_ready(viewer: Viewer, request: RunRequest, memory: Memory) -> bool:
    """Return whether a run would only decode, on every plane that is asked for.

    Raises
    ------
    ClipSegError
        If there can be no run.
    """
    query, planes = read_planes(viewer, request)
    if len(planes) > len(memory):
        return False
    settings = query_settings(request)
    queries = (read_query(viewer, query.layer, settings, plane) for plane in planes)
    return all(
        _is_ready(memory, Wanted.of(request, each), read_region(viewer, request.region, each))
        for each in queries
    )


def _is_ready(memory: Memory, wanted: Wanted, region: Region | None) -> bool:
    features = memory.features(wanted)
    return features is not None and features.missing(region) == 0
