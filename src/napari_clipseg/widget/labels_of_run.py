"""The label layers of a run: what is to be labelled next, and what was."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_clipseg.engine.prompts import quoted
from napari_clipseg.layers.results import LabelledPlane, LabelResult, add_quietly
from napari_clipseg.widget.labelling import (
    Group,
    Labelled,
    LabelTask,
    Member,
    PlaneToLabel,
    groups_of,
    sentences,
)

if TYPE_CHECKING:
    from napari_clipseg.layers.geometry import Plane
    from napari_clipseg.widget.request import ResultSettings
    from napari_clipseg.widget.run import Run
    from napari_clipseg.widget.shelf import Shelf


class LabelsOfRun:
    """Keeps the labels of a run true to thresholds and settings; the GUI thread's half.

    Parameters
    ----------
    run : Run
    shelf : Shelf

    Attributes
    ----------
    members : tuple of Member
        The prompts, with the thresholds that the labels were made with last.
    """

    def __init__(self, run: Run, shelf: Shelf) -> None:
        self.run, self._shelf = run, shelf
        self.members: tuple[Member, ...] = ()
        self._settings: ResultSettings | None = None
        self._groups: tuple[Group, ...] = ()
        self._layers: list[LabelResult] = []
        self._pending: list[Plane] = []
        self._done: dict[Plane, Labelled] = {}
        self._asked: set[Plane] = set()
        self._previewing = False
        self._stop = threading.Event()

    @property
    def results(self) -> tuple[LabelResult, ...]:
        """The label layers."""
        return tuple(self._layers)

    @property
    def keys(self) -> tuple[int, ...]:
        """The row of each prompt."""
        return tuple(asked.row.key for asked in self.run.asked)

    @property
    def behind(self) -> bool:
        """Whether labels are not what the form says, and nobody is about to make them."""
        return self._previewing or not self._asked.issuperset(self._complete())

    def restart(self, thresholds: Mapping[int, float], settings: ResultSettings) -> None:
        """Label all planes that are complete anew; what is under way is dropped."""
        self.stop()
        self._stop = threading.Event()
        self.members = tuple(
            Member(
                asked.title,
                result.color,
                thresholds.get(asked.row.key, asked.row.threshold),
                asked.row.negative,
            )
            for asked, result in zip(self.run.asked, self.run.results, strict=True)
        )
        self._settings, self._groups = settings, groups_of(self.members, settings)
        self._choose_layers()
        self._done.clear()
        self._pending = self._complete()
        self._asked = set(self._pending)

    def add(self, plane: Plane) -> None:
        """Have one more plane labelled."""
        self._done.pop(plane, None)
        self._asked.add(plane)
        if plane not in self._pending:
            self._pending.append(plane)

    def stop(self) -> None:
        """Drop what is under way."""
        self._stop.set()
        self._pending.clear()

    def next_task(self) -> LabelTask | None:
        """Return what the worker has to do now, None for nothing."""
        planes = [plane for plane in self._pending if plane in self._complete()]
        self._asked.difference_update(set(self._pending) - set(planes))
        self._pending.clear()
        if not planes or self._settings is None:
            return None
        to_do = tuple(
            PlaneToLabel(
                plane,
                tuple(each.target(plane) for each in self.run.results),
                tuple(each.recipes[plane] for each in self.run.results),
                tuple(each.target(plane) for each in self._layers),
            )
            for plane in planes
        )
        return LabelTask(
            to_do, self.members, self._groups, self._settings, self._used(), self._stop
        )

    def take(self, task: LabelTask, labelled: Labelled) -> None:
        """Show the labels of a plane, unless they are not wanted any more."""
        if task.stop.is_set() or self.run.query.layer not in self.run.viewer.layers:
            return
        if labelled.plane not in self._complete():
            self._asked.discard(labelled.plane)
            return
        self._done[labelled.plane] = labelled
        for result, made in zip(self._layers, labelled.groups, strict=True):
            if made.too_wide is not None:
                result.widen()
                result.target(labelled.plane)[...] = made.too_wide
            self._shelf.keep(self.run.query, result)
            add_quietly(self.run.viewer, result.layer)
            result.show(labelled.plane, LabelledPlane(made.legend, made.recipe))
        self._shelf.bring_forward(self.run.query, self._layers, self.run.results)

    def presence(self) -> dict[int, str]:
        """Return for each row one sentence on whether what it asks for was found."""
        found = sentences(self.members, self._done)
        remarks = self.run.remarks or ("",) * len(found)
        said = [f"{each} {more}".strip() for each, more in zip(found, remarks, strict=True)]
        return dict(zip(self.keys, said, strict=True))

    def counts(self) -> str:
        """Return how many objects there are of each prompt that is not negative."""
        counts = {each.title: 0 for each in self.members if not each.negative}
        for made in (made for labelled in self._done.values() for made in labelled.groups):
            for title, count in made.legend.objects().items():
                if title in counts:
                    counts[title] += count
        return ", ".join(f"{quoted(title)}: {_objects(count)}" for title, count in counts.items())

    def preview(self, key: int, threshold: float) -> None:
        """Show at once what of a row is above a threshold, without making labels."""
        if key not in self.keys:
            return
        for layer in self._layers:
            layer.hide()
        self._previewing = True
        self.run.results[self.keys.index(key)].preview(threshold)

    def end_preview(self) -> None:
        """Show all layers again as they were before :meth:`preview`."""
        self._previewing = False
        for result in self.run.results:
            result.end_preview()
        for layer in self._layers:
            layer.end_preview()

    def restyle(self, key: int, color: str) -> None:
        """Give a row's results another colour."""
        if key not in self.keys:
            return
        number = self.keys.index(key)
        self.run.results[number].restyle(color)
        title = self.run.asked[number].title
        self.members = tuple(
            dataclasses.replace(each, color=color) if each.title == title else each
            for each in self.members
        )
        for layer in self._layers:
            layer.restyle(title, color)

    def _choose_layers(self) -> None:
        """Take the layers that fit the groups; those of another grouping are out of date."""
        before = self._layers
        self._layers = [self._shelf.labels(self.run.query, each.title) for each in self._groups]
        for result in before:
            if result not in self._layers:
                result.end_preview()
                self._shelf.set_aside(result.layer)
        for result in self._layers:
            result.begin()

    def _complete(self) -> list[Plane]:
        """Return the planes on which the probability of every prompt is complete."""
        first, *others = (result.recipes for result in self.run.results)
        return [plane for plane in first if all(plane in each for each in others)]

    def _used(self) -> tuple[int, ...]:
        """Return the highest label that each group has so far."""
        done = [labelled.groups for labelled in self._done.values()]
        return tuple(
            max((int(made[n].legend.values.max(initial=0)) for made in done), default=0)
            for n in range(len(self._groups))
        )


def _objects(count: int) -> str:
    return f"{count:,} {'object' if count == 1 else 'objects'}"
