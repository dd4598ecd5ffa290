"""What of a plane is made anew, and how it is taken back if the run does not end."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_clipseg.layers.empty import check_room
from napari_clipseg.layers.receipts import Receipt

if TYPE_CHECKING:
    from napari_clipseg.engine.features import Features
    from napari_clipseg.engine.recipe import Recipe
    from napari_clipseg.widget.events import PlaneTask

Map = npt.NDArray[np.float32]


class PlaneStack:
    """Planes of several layers as one array (P, H, W), read and written by slices.

    Parameters
    ----------
    planes : sequence of ndarray (H, W)
        The memory of the layers themselves: nothing is copied.

    Attributes
    ----------
    shape : (int, int, int)
        (0,) without planes.
    dtype : numpy.dtype
        float32.
    """

    def __init__(self, planes: Sequence[Map]) -> None:
        self._planes = tuple(planes)
        self.dtype = np.dtype(np.float32)
        self.shape: tuple[int, ...] = (len(planes), *(planes[0].shape if planes else ()))

    def __getitem__(self, place: tuple[slice, ...]) -> Map:
        prompts, *pixels = place
        return np.stack([each[tuple(pixels)] for each in self._planes[prompts]])

    def __setitem__(self, place: tuple[slice, ...], values: Any) -> None:
        prompts, *pixels = place
        for plane, each in zip(self._planes[prompts], values, strict=True):
            plane[tuple(pixels)] = each


def to_make(task: PlaneTask, features: Features, recipes: Sequence[Recipe]) -> tuple[int, ...]:
    """Return the numbers of the prompts of which a plane does not hold the result already."""
    everyone = tuple(range(len(recipes)))
    if task.region is not None or features.missing():
        return everyone
    return tuple(n for n in everyone if not _is_there(task, n, features, recipes[n]))


def _is_there(task: PlaneTask, number: int, features: Features, recipe: Recipe) -> bool:
    """Return whether a prompt's result on the whole plane is what a run would make again."""
    earlier, receipt = task.earlier[number], task.receipts[number]
    if earlier is None or receipt is None or earlier.job.get("regions"):
        return False
    return same_source(earlier, recipe) and receipt.holds(features, task.targets[number])


def receipts_of(
    task: PlaneTask, features: Features, anew: Sequence[int]
) -> tuple[Receipt | None, ...]:
    """Return the receipt of each prompt: a new one of what was made."""
    return tuple(
        Receipt.of(features, target) if number in anew else task.receipts[number]
        for number, target in enumerate(task.targets)
    )


class Replacement:
    """The probability of several prompts on one plane, written straight into their layers.

    The memory of a layer belongs to numpy: a worker may write into it while the layer is
    shown, and the layer is refreshed where layers are touched. So nothing of the size of an
    image is copied while a person waits for the viewer to answer.

    Parameters
    ----------
    targets : sequence of ndarray (H, W) float32
        One for each prompt. A complete result in it is kept aside until the run ends.
    earlier : sequence of (Recipe or None)
        How the complete result of each target was made.
    recipes : sequence of Recipe
        How the new one is made. If only a region is made, and in the same way as all of the
        earlier result, the other pixels stay; in any other case they are emptied, so that what
        a plane shows is always what its recipe says.
    whole : bool
        Whether all of the plane is made.

    Attributes
    ----------
    out : PlaneStack (P, H, W)
        What the engine fills.
    extends : list of bool
        For each target, whether pixels outside the region stay.

    Raises
    ------
    OutOfMemory
        If there is too little memory free for the plane.
    """

    def __init__(
        self,
        targets: Sequence[Map],
        earlier: Sequence[Recipe | None],
        recipes: Sequence[Recipe],
        *,
        whole: bool,
    ) -> None:
        # a copy of what is complete, or memory that was not written to so far
        check_room(sum(target.nbytes for target in targets))
        self._targets, self.out = tuple(targets), PlaneStack(targets)
        self._kept = [
            None if old is None else target.copy()
            for target, old in zip(targets, earlier, strict=True)
        ]
        self.extends = [
            not whole and old is not None and same_source(old, new)
            for old, new in zip(earlier, recipes, strict=True)
        ]
        for target, extends in zip(targets, self.extends, strict=True):
            if not extends:
                target[...] = 0

    def restore(self) -> bool:
        """Bring back what was complete; return whether anything was."""
        for target, kept in zip(self._targets, self._kept, strict=True):
            if kept is not None:
                target[...] = kept
        return any(kept is not None for kept in self._kept)


def same_source(one: Recipe, other: Recipe) -> bool:
    """Return whether two runs give the same probability wherever both were made."""
    return _source(one) == _source(other)


def _source(recipe: Recipe) -> Recipe:
    return dataclasses.replace(recipe, threshold=0.0, job={})
