"""One run as the worker thread does it: no layers, no Qt, only arrays and events."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.pixels import Contrast
from napari_clipseg.engine.recipe import Recipe
from napari_clipseg.errors import EngineError
from napari_clipseg.widget.preload import give_triton_its_own_llvm
from napari_clipseg.widget.request import AnyPrompt

if TYPE_CHECKING:
    from napari_clipseg.engine.decoding import TileDone
    from napari_clipseg.engine.features import Features
    from napari_clipseg.engine.segmenter import Segmenter

Load: TypeAlias = "Callable[[str, float], Segmenter]"
"""How a segmenter is made of the name or path of a model and a zoom."""


@dataclasses.dataclass(frozen=True, slots=True)
class Encoded:
    """What a later run can use again.

    Parameters
    ----------
    segmenter : Segmenter
    features : Features, optional
        None while the image is not wholly encoded.
    """

    segmenter: Segmenter
    features: Features | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """All that a run needs.

    Parameters
    ----------
    image : array-like (H, W) or (H, W, C)
    contrast : "auto" or (float, float)
    prompts : tuple of TextPrompt, MaskPrompt or Mix
    model : str
    zoom : float
    out : ndarray (P, H, W) float32
        Where the probability goes.
    known : Encoded, optional
        What an earlier run left that fits this one.
    """

    image: Any
    contrast: Contrast
    prompts: tuple[AnyPrompt, ...]
    model: str
    zoom: float
    out: npt.NDArray[np.float32]
    known: Encoded | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Finished:
    """The end of a run.

    Parameters
    ----------
    encoded : Encoded
        With features.
    recipes : tuple of Recipe
        One for each prompt, with the threshold that the model's makers recommend.
    """

    encoded: Encoded
    recipes: tuple[Recipe, ...]


Event: TypeAlias = "Encoded | TileDone | Finished"


def load_segmenter(model: str, zoom: float) -> Segmenter:
    """Return a segmenter; torch is imported here, in the worker, where it may take its time."""
    give_triton_its_own_llvm()
    from napari_clipseg.engine.segmenter import Segmenter

    segmenter = Segmenter(model, zoom=zoom)
    if segmenter.device == "cpu":
        # a run can be cancelled between batches; on a CPU larger ones gain nothing
        segmenter.batch = 1
    return segmenter


def perform(job: Job, load: Load) -> Generator[Event]:
    """Do a run and say what happens, at least once for each tile.

    Raises
    ------
    ClipSegError
        If the run fails. Never a RuntimeError: napari's workers keep those to themselves.
    """
    try:
        yield from _perform(job, load)
    except RuntimeError as error:
        raise EngineError(str(error)) from error


def _perform(job: Job, load: Load) -> Generator[Event]:
    segmenter = job.known.segmenter if job.known else load(job.model, job.zoom)
    yield Encoded(segmenter)
    features = job.known.features if job.known else None
    if features is None:
        run = segmenter.run(job.image, job.prompts, job.out, contrast=job.contrast)
        features = yield from run
    else:
        yield from features.run(job.prompts, job.out)
    recipes = tuple(
        Recipe.of(segmenter, [prompt], features.contrast, segmenter.threshold)
        for prompt in job.prompts
    )
    yield Finished(Encoded(segmenter, features), recipes)
