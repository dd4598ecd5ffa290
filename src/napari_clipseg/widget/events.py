"""What passes between the GUI thread and the worker of a run: planes there, events back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.pixels import Contrast
from napari_clipseg.engine.recipe import Recipe
from napari_clipseg.engine.region import Region
from napari_clipseg.layers.geometry import Plane
from napari_clipseg.layers.receipts import Receipt

if TYPE_CHECKING:
    from napari_clipseg.engine.features import Features
    from napari_clipseg.engine.segmenter import Segmenter


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PlaneTask:
    """One plane to be segmented.

    Parameters
    ----------
    number : int
        From 1 on.
    plane : Plane
    name : str
        Of the image, for people.
    image : array-like (H, W) or (H, W, C)
        Not read yet.
    contrast : "auto" or (float, float)
    targets : tuple of ndarray (H, W) float32
        For each prompt, where its probability goes.
    earlier : tuple of (Recipe or None)
        For each prompt, how the complete result in its target was made.
    receipts : tuple of (Receipt or None)
        For each prompt, what that result was made from, if that is known.
    region : Region, optional
        The part that is asked for.
    first_look : Region, optional
        The part that is done first, because the person is looking at it.
    features : Features, optional
        What an earlier run left that fits.
    record : dict
        For the recipe: what names the pixels that were read, as JSON values.
    """

    number: int
    plane: Plane
    name: str
    image: Any
    contrast: Contrast
    targets: tuple[npt.NDArray[np.float32], ...]
    earlier: tuple[Recipe | None, ...]
    receipts: tuple[Receipt | None, ...]
    region: Region | None = None
    first_look: Region | None = None
    features: Features | None = None
    record: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """The model is there.

    Parameters
    ----------
    segmenter : Segmenter
    remarks : tuple of str
        For each prompt a sentence if the model has not learned its text, else nothing.
    """

    segmenter: Segmenter
    remarks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class PlaneBegun:
    """From now on the targets of a plane are written to; a remark is for the person."""

    task: PlaneTask
    features: Features
    on_disk: bool
    remark: str


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """One tile further.

    Parameters
    ----------
    task : PlaneTask
    done, total : int
        Tiles, those of all planes.
    encoding : bool
        Whether the image is being encoded, not only decoded.
    brief : bool
        Whether the run is done before it would pay to show a part of it.
    """

    task: PlaneTask
    done: int
    total: int
    encoding: bool
    brief: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class PlaneDone:
    """A plane is complete: recipe and receipt of each prompt's probability."""

    task: PlaneTask
    features: Features
    recipes: tuple[Recipe, ...]
    receipts: tuple[Receipt | None, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class PlaneDropped:
    """The run ends within a plane: ``restored`` says if an earlier result is back."""

    task: PlaneTask
    restored: bool


Event: TypeAlias = "Loaded | PlaneBegun | Progress | PlaneDone | PlaneDropped"
