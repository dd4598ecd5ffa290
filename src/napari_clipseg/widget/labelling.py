"""From the probability of a run to its labels, anew whenever a threshold comes to rest."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from skimage import measure

from napari_clipseg.engine.competition import Contestant, LegendRow, competition_labels
from napari_clipseg.engine.labels import LabelSettings
from napari_clipseg.engine.presence import Presence, presence
from napari_clipseg.engine.region import Region
from napari_clipseg.layers.geometry import Plane
from napari_clipseg.layers.legend import Legend
from napari_clipseg.widget.replacing import PlaneStack

if TYPE_CHECKING:
    from napari_clipseg.engine.recipe import Recipe
    from napari_clipseg.widget.request import ResultSettings


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """A prompt as it takes part in labels."""

    title: str
    color: str
    threshold: float
    negative: bool

    @property
    def contestant(self) -> Contestant:
        """Return how it competes."""
        return Contestant(self.threshold, self.negative)


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """Prompts that share a label layer, by number, and what the layer is called."""

    title: str
    members: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PlaneToLabel:
    """One plane: the probability of each prompt, its recipe, and where labels of groups go."""

    plane: Plane
    probability: tuple[npt.NDArray[np.float32], ...]
    recipes: tuple[Recipe, ...]
    targets: tuple[npt.NDArray[Any], ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LabelTask:
    """Planes to be labelled in one way.

    Parameters
    ----------
    planes : tuple of PlaneToLabel
    members : tuple of Member
    groups : tuple of Group
    settings : ResultSettings
    used : tuple of int
        For each group, the highest label on planes that were labelled before.
    stop : threading.Event
        Set when what is made is not wanted any more.
    """

    planes: tuple[PlaneToLabel, ...]
    members: tuple[Member, ...]
    groups: tuple[Group, ...]
    settings: ResultSettings
    used: tuple[int, ...]
    stop: threading.Event


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class GroupLabels:
    """The labels of a group on a plane.

    Parameters
    ----------
    legend : Legend
    recipe : str
        JSON.
    too_wide : ndarray (H, W) int32, optional
        The labels, where the target cannot hold such numbers; else they are in the target.
    """

    legend: Legend
    recipe: str
    too_wide: npt.NDArray[np.int32] | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A plane done: the labels of each group, and what was seen of each prompt."""

    plane: Plane
    groups: tuple[GroupLabels, ...]
    seen: tuple[Presence, ...]
    pixels: tuple[int, ...]


def groups_of(members: Sequence[Member], settings: ResultSettings) -> tuple[Group, ...]:
    """Return which prompts share a label layer.

    If they do not compete, each has a layer of its own, in which only the negative ones take
    pixels from it.
    """
    if settings.competition:
        wanted = ", ".join(each.title for each in members if not each.negative)
        unwanted = "".join(f", not {each.title}" for each in members if each.negative)
        return (Group(wanted + unwanted, tuple(range(len(members)))),)
    negative = tuple(number for number, each in enumerate(members) if each.negative)
    return tuple(
        Group(each.title, (number, *negative))
        for number, each in enumerate(members)
        if not each.negative
    )


def label_planes(task: LabelTask) -> Generator[Labelled]:
    """Label plane after plane; runs in a worker and touches no layer, only their memory."""
    used = list(task.used)
    for each in task.planes:
        made = []
        for number in range(len(task.groups)):
            if task.stop.is_set():
                return
            labels, used[number] = _written(task, each, number, used[number])
            made.append(labels)
        seen, pixels = _seen(task, each)
        yield Labelled(each.plane, tuple(made), seen, pixels)


def sentences(members: Sequence[Member], labelled: Mapping[Plane, Labelled]) -> list[str]:
    """Return for each prompt one sentence on whether it was found, over all planes."""
    told = []
    for number, member in enumerate(members):
        seen = [each.seen[number] for each in labelled.values()]
        pixels = sum(each.pixels[number] for each in labelled.values())
        area = sum(each.area_px for each in seen)
        peak = max((each.peak for each in seen if not np.isnan(each.peak)), default=np.nan)
        whole = Presence(member.title, peak, area, area / max(pixels, 1), member.threshold)
        told.append(str(whole))
    return told


def _labels(
    task: LabelTask, each: PlaneToLabel, group: Group
) -> tuple[npt.NDArray[np.int32], tuple[LegendRow, ...]]:
    settings = LabelSettings(
        min_size=task.settings.min_size,
        fill_holes=task.settings.fill_holes,
        smoothing=task.settings.smoothing,
    )
    return competition_labels(
        PlaneStack([each.probability[number] for number in group.members]),
        [task.members[number].contestant for number in group.members],
        settings,
        instances=task.settings.instances,
    )


def _written(
    task: LabelTask, each: PlaneToLabel, number: int, used: int
) -> tuple[GroupLabels, int]:
    """Put the labels of a group into their layer's memory, numbered on from other planes."""
    group, target = task.groups[number], each.targets[number]
    labels, rows = _labels(task, each, group)
    offset = used if task.settings.instances else 0
    legend = _legend(task, each, group, _Made(labels, rows, offset))
    if offset:
        labels[labels > 0] += offset
    recipe = _recipe(task, each, group).to_json()
    if offset + len(rows) > np.iinfo(target.dtype).max:
        return GroupLabels(legend, recipe, labels), offset + len(rows)
    target[...] = labels
    return GroupLabels(legend, recipe), offset + len(rows)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """Labels (H, W) of one plane, what they stand for, and what is to be added to them."""

    labels: npt.NDArray[np.int32]
    rows: tuple[LegendRow, ...]
    offset: int


def _legend(task: LabelTask, each: PlaneToLabel, group: Group, made: _Made) -> Legend:
    """Return the legend of a plane."""
    members = [task.members[number] for number in group.members]
    values = np.array([row.value for row in made.rows], int)
    on_one_plane = task.settings.instances and any(i is not None for i in each.plane.index)
    return Legend(
        prompts=tuple(member.title for member in members),
        colors=tuple(member.color for member in members),
        values=values + made.offset,
        which=np.array([row.prompt for row in made.rows], int),
        area_px=np.array([row.area_px for row in made.rows], int),
        count=np.ones_like(values) if task.settings.instances else _objects(made.labels, values),
        planes=np.full(len(values), str(each.plane) if on_one_plane else "", object),
    )


def _objects(labels: npt.NDArray[np.int32], values: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    """Return of each value how many connected parts it has."""
    counts = [measure.label(labels == value, return_num=True)[1] for value in values]
    return np.array(counts, int)


def _recipe(task: LabelTask, each: PlaneToLabel, group: Group) -> Recipe:
    """Return how to repeat the labels of a plane: all prompts, and how they competed."""
    first = each.recipes[group.members[0]]
    members = [task.members[number] for number in group.members]
    labels = {
        **dataclasses.asdict(task.settings),
        "thresholds": [member.threshold for member in members],
        "negative": [member.negative for member in members],
        "titles": [member.title for member in members],
    }
    prompts = sum((each.recipes[number].prompts for number in group.members), ())
    return dataclasses.replace(
        first, prompts=prompts, threshold=members[0].threshold, job={**first.job, "labels": labels}
    )


def _seen(task: LabelTask, each: PlaneToLabel) -> tuple[tuple[Presence, ...], tuple[int, ...]]:
    """Return of each prompt whether it was found, and how many pixels were looked at."""
    seen, pixels = [], []
    rows = zip(task.members, each.probability, each.recipes, strict=True)
    for member, probability, recipe in rows:
        values = _looked_at(probability, recipe)
        seen.append(presence(member.title, values, member.threshold))
        pixels.append(values.size)
    return tuple(seen), tuple(pixels)


def _looked_at(probability: npt.NDArray[Any], recipe: Recipe) -> npt.NDArray[Any]:
    """Return the pixels of a plane that were asked for: the others are 0 for no reason."""
    regions = recipe.job.get("regions", [])
    if not regions or any(isinstance(each, str) for each in regions):
        return probability
    asked = np.zeros(probability.shape, bool)
    for region in map(Region.from_json, regions):
        y0, x0, y1, x1 = region.box
        asked[y0:y1, x0:x1] |= True if region.mask is None else region.mask
    return probability[asked][None]
