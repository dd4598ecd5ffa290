"""An encoded image: every further prompt costs only the decoder."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor

from napari_clipseg.engine.decoding import EncodedBatch, TiledNetwork, TileDone, probability_array
from napari_clipseg.engine.prompts import Prompt
from napari_clipseg.errors import ImageError, OutputError, SettingError


DECODED_TILES = 16
"""Tiles handed to the decoder together; a run can be cancelled between two such batches."""


class Features:
    """The reduced activations of all tiles of one image.

    Made by :meth:`napari_clipseg.Segmenter.encode`, :meth:`napari_clipseg.Segmenter.run`
    and :meth:`napari_clipseg.Segmenter.open_features`.

    Parameters
    ----------
    tiled : TiledNetwork
        The network that encoded the image and decodes it, and the image's tiles.
    contrast : (float, float)
        The contrast window through which the image was read.
    reduced : Tensor (T, L, 1 + N, D)
        Reduced activations of the T tiles in the order of the plan.
    """

    def __init__(self, tiled: TiledNetwork, contrast: tuple[float, float], reduced: Tensor) -> None:
        self._tiled = tiled
        self._reduced = reduced
        self.contrast = contrast

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self._tiled.plan.shape

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self._tiled.plan.tiles)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the activations take."""
        return self._reduced.nbytes

    def probability(self, prompts: Prompt | Sequence[Prompt]) -> npt.NDArray[np.float32]:
        """Return the probability of one prompt (H, W) or of several (P, H, W).

        Parameters
        ----------
        prompts : str, TextPrompt, MaskPrompt, Mix or a sequence of these

        Returns
        -------
        ndarray float32
            In [0, 1], on the image's own pixel grid.

        Raises
        ------
        PromptError
            If there is no prompt or one says nothing.
        OutOfMemory, EngineError
            If the model fails.
        """
        out = probability_array(prompts, self.shape)
        for _ in self.run(prompts, out):
            pass
        return out

    def run(self, prompts: Prompt | Sequence[Prompt], out: Any) -> Generator[TileDone]:
        """Write the probability into ``out`` and yield after every tile.

        Parameters
        ----------
        prompts : str, TextPrompt, MaskPrompt, Mix or a sequence of these
        out : array-like (H, W) of one prompt or (P, H, W) of a sequence, float32
            Rows are written once they are final. Stop iterating to cancel.
        """
        yield from self._tiled.decode(self._stored(), prompts, out)

    def keep(self, batches: Iterable[EncodedBatch]) -> Generator[EncodedBatch]:
        """Keep batches and pass them on as they will be read again."""
        for batch in batches:
            kept = self._reduced[batch.first : batch.first + len(batch.reduced)]
            kept.copy_(batch.reduced)
            yield EncodedBatch(batch.first, kept)

    def save(self, path: str | Path) -> None:
        """Write the features to one safetensors file; it is complete or not there.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        target = Path(path)
        part = target.with_name(target.name + ".part")
        origin = identity(self._tiled) | {"shape": self.shape, "contrast": self.contrast}
        try:
            save_file({"reduced": self._reduced}, part, {"origin": json.dumps(origin)})
            os.replace(part, target)
        except (OSError, safetensors.SafetensorError) as error:
            part.unlink(missing_ok=True)
            raise OutputError(f"the features cannot be written to {target}: {error}") from error

    def _stored(self) -> Generator[EncodedBatch]:
        for first in range(0, self.tiles, DECODED_TILES):
            yield EncodedBatch(first, self._reduced[first : first + DECODED_TILES])


def identity(tiled: TiledNetwork) -> dict[str, Any]:
    """Return what must be equal for stored activations to be used again, as JSON values."""
    sides = [[grid.side, len(grid.tops), len(grid.lefts)] for grid in tiled.plan.grids]
    return {"weights": tiled.network.weights_hash, "tile": tiled.tile, "grids": sides}


def read_origin(path: str | Path) -> dict[str, Any]:
    """Return what a file of :meth:`Features.save` was made from, or raise ImageError."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            origin: dict[str, Any] = json.loads(file.metadata()["origin"])
            return origin
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ImageError(f"{path} holds no features that can be read: {error}") from error


def read_features(path: str | Path, tiled: TiledNetwork) -> Features:
    """Return the features that :meth:`Features.save` wrote.

    Raises
    ------
    ImageError
        If the file is missing or damaged.
    SettingError
        If it was made with another model or other tiles; the differences are named.
    """
    origin = read_origin(path)
    differing = [key for key, value in identity(tiled).items() if origin.get(key) != value]
    if differing:
        raise SettingError(f"{path} was made with other {' and '.join(differing)}")
    with safetensors.safe_open(path, "pt") as file:
        reduced = file.get_tensor("reduced")
    low, high = origin["contrast"]
    return Features(tiled, (low, high), reduced)


def empty_features(
    tiled: TiledNetwork, contrast: tuple[float, float], storage: torch.dtype
) -> Features:
    """Return features with room for all tiles, to be filled by :meth:`Features.keep`."""
    config, tiles = tiled.network.config, len(tiled.plan.tiles)
    tokens = 1 + (tiled.tile // config.patch) ** 2
    shape = (tiles, len(config.extract_layers), tokens, config.reduce_dim)
    return Features(tiled, contrast, torch.empty(shape, dtype=storage))
