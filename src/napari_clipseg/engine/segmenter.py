"""Segmenter: the door to the engine. Encode an image once, then ask it any number of prompts."""

from __future__ import annotations

import copy
import math
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.blending import TileWeights
from napari_clipseg.engine.decoding import TiledNetwork, TileDone, probability_array
from napari_clipseg.engine.devices import choose_precision
from napari_clipseg.engine.features import (
    Features,
    features_shape,
    new_features,
    stored_features,
    stored_shape,
)
from napari_clipseg.engine.knowledge import Knowledge, Lexicon
from napari_clipseg.engine.network import Network
from napari_clipseg.engine.pixels import Contrast, Pixels
from napari_clipseg.engine.prompts import Prompt
from napari_clipseg.engine.store import DiskStore, stored_valid
from napari_clipseg.engine.tiling import as_zooms, plan_tiles, whole_number
from napari_clipseg.engine.validity import Valid, find_valid
from napari_clipseg.errors import SettingError
from napari_clipseg.model.catalog import DEFAULT_MODEL
from napari_clipseg.model.checkpoint import load_model
from napari_clipseg.model.clipseg import CLIPSeg


class Reading(TypedDict, total=False):
    """How an image is read: what all methods that take one understand."""

    contrast: Contrast
    channels: tuple[int, ...] | None
    nodata: float | None


class Segmenter:
    """Segments images of any size by text or by painted examples.

    Parameters
    ----------
    model : str, Path or CLIPSeg
        A name in :data:`napari_clipseg.MODELS`, a weights file or folder, a hub id, or a
        model in memory (which moves to the device).
    device : str
        "auto", "cpu", "cuda", "cuda:1" ... or "mps".
    precision : {"float32", "bfloat16", "float16"}
        float32 is exact and repeatable; the others are faster where the device has them.
    tile, overlap : int, optional
        Side of a tile and what neighbours share, in pixels at zoom 1. By default the side
        the model was trained on, and a quarter of it.
    zoom : float or sequence of float
        2 shows the model everything twice as large: for objects much smaller than it
        expects; 0.5 the other way. Several zooms are averaged.
    batch : int
        Tiles computed at once. Halved by itself when memory runs out.
    window : str
        How overlapping tiles are blended: "hann", "linear" or "uniform".
    storage : {"float32", "bfloat16", "float16"}, optional
        Type in which features are kept, by default the precision. float16 halves the
        memory of float32 and moves probabilities by less than 0.003.

    Raises
    ------
    UnknownName, WeightsNotFound, WeightsInvalid
        If the model cannot be had.
    SettingError
        If the settings cannot work together.
    """

    def __init__(
        self,
        model: str | Path | CLIPSeg = DEFAULT_MODEL,
        *,
        device: str = "auto",
        precision: str = "float32",
        tile: int | None = None,
        overlap: int | None = None,
        zoom: float | Sequence[float] = 1.0,
        batch: int = 4,
        window: str = "hann",
        storage: str | None = None,
    ) -> None:
        self.model_name = "in memory" if isinstance(model, CLIPSeg) else str(model)
        self._network = Network(_owned(model, precision), device, precision)
        config = self._network.config
        self.tile = config.tile if tile is None else whole_number("tile", tile)
        self.overlap = self.tile // 4 if overlap is None else whole_number("overlap", overlap)
        self.zoom, self.batch = as_zooms(zoom), whole_number("batch", batch)
        self.window, self.precision = window, precision
        self._storage = choose_precision(storage or precision)
        if self.tile < config.patch or self.tile % config.patch:
            raise SettingError(f"the tile must be a multiple of {config.patch}, not {self.tile}")
        self._check()
        learned = self._network.learned
        self._lexicon = None if learned is None else Lexicon(self._network, learned)

    @property
    def threshold(self) -> float:
        """Probability above which the model's makers take a pixel to be found."""
        return self._network.config.threshold

    @property
    def device(self) -> str:
        """Name of the device in use."""
        return str(self._network.device)

    @property
    def weights_hash(self) -> str:
        """SHA-256 over the names and values of all weights."""
        return self._network.weights_hash

    def knows(self, text: str) -> Knowledge | None:
        """Return whether the model learned what a text means; None where its file does not say.

        Raises
        ------
        PromptError
            If the text is blank.
        EngineError, OutOfMemory
            If the text tower fails.
        """
        return None if self._lexicon is None else self._lexicon.look_up(text)

    def with_settings(
        self, *, zoom: float | Sequence[float] | None = None, batch: int | None = None
    ) -> Segmenter:
        """Return a segmenter of the same loaded model with other settings.

        Parameters
        ----------
        zoom, batch : optional
            As for the class; what is not given stays.

        Raises
        ------
        SettingError
            If the settings cannot work.
        """
        other = copy.copy(self)
        if zoom is not None:
            other.zoom = as_zooms(zoom)
        if batch is not None:
            other.batch = whole_number("batch", batch)
        other._check()
        return other

    def settings(self) -> dict[str, Any]:
        """Return the settings that fix a result, as JSON values."""
        return {
            "tile": self.tile,
            "overlap": self.overlap,
            "zoom": list(self.zoom),
            "window": self.window,
            "batch": self.batch,
            "precision": self.precision,
            "device": self.device,
        }

    def prepare(
        self,
        image: Any,
        *,
        contrast: Contrast = "auto",
        channels: tuple[int, ...] | None = None,
        nodata: float | None = None,
        folder: str | Path | None = None,
    ) -> Features:
        """Return the features of an image, of which each tile is encoded when it is asked for.

        Parameters
        ----------
        image : array-like (H, W) or (H, W, C)
            See :class:`napari_clipseg.engine.pixels.Pixels` for the kinds. It is read again
            when tiles are encoded: do not change it before.
        contrast : "auto" or (float, float)
            The values that become black and white.
        channels : tuple of int, optional
            One channel as grey or three as R, G, B.
        nodata : float, optional
            The value, which may be NaN, that stands for "nothing here". Such pixels, and those
            whose alpha is 0, get probability 0.
        folder : str or Path, optional
            Where to keep the features on disk (a zarr array) instead of in memory. Tiles that
            are there already are not encoded again: a run that was stopped goes on.

        Raises
        ------
        ImageError
            If the array is no image that can be segmented.
        FeaturesInvalid
            If the folder holds features of another image, contrast, model or tiling.
        OutputError
            If the folder cannot be written.
        """
        pixels = Pixels(image, contrast=contrast, channels=channels, nodata=nodata)
        kept = None if folder is None else stored_valid(Path(folder))
        tiled = self._tiled(pixels.shape, kept or find_valid(pixels))
        return new_features(tiled, pixels, self._storage, folder)

    def encode(
        self, image: Any, *, folder: str | Path | None = None, **reading: Unpack[Reading]
    ) -> Features:
        """Return the features of an image: the costly half of segmenting, done once.

        Parameters
        ----------
        image, folder, contrast, channels, nodata
            As for :meth:`prepare`.

        Raises
        ------
        ClipSegError
            As for :meth:`prepare`; OutOfMemory and EngineError if the model fails.
        """
        features = self.prepare(image, folder=folder, **reading)
        for _ in features.encoded(range(features.tiles)):
            pass
        return features

    def run(
        self,
        image: Any,
        prompts: Prompt | Sequence[Prompt],
        out: Any,
        *,
        folder: str | Path | None = None,
        **reading: Unpack[Reading],
    ) -> Generator[TileDone, None, Features]:
        """Encode and decode tile by tile; return the features for further prompts.

        Parameters
        ----------
        image, folder, contrast, channels, nodata
            As for :meth:`prepare`.
        prompts : str, TextPrompt, MaskPrompt, Mix or a sequence of these
        out : array-like (H, W) of one prompt or (P, H, W) of a sequence, float32
            Rows are written once they are final.

        Yields
        ------
        TileDone
            After every tile. Stop iterating to cancel.
        """
        features = self.prepare(image, folder=folder, **reading)
        yield from features.run(prompts, out)
        return features

    def stream(
        self,
        image: Any,
        prompts: Prompt | Sequence[Prompt],
        out: Any,
        **reading: Unpack[Reading],
    ) -> Generator[TileDone]:
        """Do what :meth:`run` does, but keep no features: memory is that of a row of tiles."""
        pixels = Pixels(image, **reading)
        tiled = self._tiled(pixels.shape, find_valid(pixels))
        batches = tiled.batches(range(len(tiled.plan.tiles)))
        yield from tiled.decode(tiled.encoding(pixels, batches), prompts, out)

    def probability(
        self, image: Any, prompts: Prompt | Sequence[Prompt], **reading: Unpack[Reading]
    ) -> npt.NDArray[np.float32]:
        """Return the probability of one prompt (H, W) or several (P, H, W) in [0, 1].

        Takes contrast, channels and nodata as :meth:`prepare` does. Keeps no features; use
        :meth:`encode` to ask an image more than once.
        """
        image = image if hasattr(image, "shape") else np.asarray(image)
        out = probability_array(prompts, tuple(image.shape[:2]))
        for _ in self.stream(image, prompts, out, **reading):
            pass
        return out

    def open_features(self, folder: str | Path) -> Features:
        """Return the features that :meth:`encode` or :meth:`run` left in a folder.

        Raises
        ------
        FeaturesInvalid
            If there are none, they are damaged, or another model or other tiles made them.
        """
        store = DiskStore(Path(folder))
        valid = stored_valid(Path(folder))
        return stored_features(self._tiled(stored_shape(store), valid), store)

    def feature_bytes(self, shape: tuple[int, int]) -> int:
        """Return the bytes that the features of an image (H, W) take."""
        return math.prod(features_shape(self._tiled(shape))) * self._storage.itemsize

    def _check(self) -> None:
        if self.batch < 1:
            raise SettingError(f"the batch must be at least 1, not {self.batch}")
        TileWeights(self._tiled((1, 1)).plan, self.window)

    def _tiled(self, shape: tuple[int, int], valid: Valid | None = None) -> TiledNetwork:
        plan = plan_tiles(shape, self.tile, self.overlap, self.zoom)
        plan = plan if valid is None else valid.needed(plan)
        return TiledNetwork(self._network, plan, self.tile, self.batch, self.window, valid)


def _owned(model: str | Path | CLIPSeg, precision: str) -> CLIPSeg:
    """Return a model whose weights may be stored in another precision."""
    if not isinstance(model, str | Path | CLIPSeg):
        raise SettingError(
            f"a model is its name, a path or a CLIPSeg in memory, not {type(model).__name__}"
        )
    if not isinstance(model, CLIPSeg):
        return load_model(model, dtype=choose_precision(precision))
    changes = precision != "float32" and model.kept is None
    return copy.deepcopy(model) if changes else model
