"""An encoded image: every further prompt costs only the decoder."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_clipseg.engine.decoding import EncodedBatch, TiledNetwork, TileDone, probability_array
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import Prompt
from napari_clipseg.engine.store import DiskStore, FeatureStore, MemoryStore, create_store
from napari_clipseg.errors import FeaturesInvalid

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
    store : FeatureStore
        Holds the activations of all tiles in the order of the plan.
    """

    def __init__(
        self, tiled: TiledNetwork, contrast: tuple[float, float], store: FeatureStore
    ) -> None:
        self._tiled = tiled
        self._store = store
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
        """Bytes of memory, or of disk, that the activations take."""
        return self._store.nbytes

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

    def encode(
        self, pixels: Pixels, prompts: Prompt | Sequence[Prompt], out: Any
    ) -> Generator[TileDone]:
        """Do what :meth:`run` does while tiles that are not stored are encoded and kept."""
        yield from self._tiled.decode(self.encoding(pixels), prompts, out)

    def encoding(self, pixels: Pixels) -> Generator[EncodedBatch]:
        """Yield all tiles of the image, encoding and keeping those that are not stored."""
        for first, count in self._batches(self._tiled.batch):
            reduced = self._store.read(first, count)
            if reduced is None:
                self._store.write(first, self._tiled.encode(pixels, first, count))
                reduced = self._read(first, count)
            yield EncodedBatch(first, reduced)

    def _stored(self) -> Generator[EncodedBatch]:
        for first, count in self._batches(DECODED_TILES):
            yield EncodedBatch(first, self._read(first, count))

    def _batches(self, size: int) -> Iterable[tuple[int, int]]:
        return ((first, min(size, self.tiles - first)) for first in range(0, self.tiles, size))

    def _read(self, first: int, count: int) -> torch.Tensor:
        reduced = self._store.read(first, count)
        if reduced is None:
            raise FeaturesInvalid(
                f"of the features, tiles {first + 1} to {first + count} are missing or damaged; "
                "encode the image again"
            )
        return reduced


def origin_of(tiled: TiledNetwork, pixels: Pixels) -> dict[str, Any]:
    """Return what must be equal for stored activations to be used again, as JSON values."""
    return {
        "image": pixels.digest(),
        "contrast": list(pixels.contrast),
        "nodata": str(pixels.nodata),
        "shape": list(pixels.shape),
        **_network_of(tiled),
    }


def features_shape(tiled: TiledNetwork) -> tuple[int, ...]:
    """Return the shape (T, L, 1 + N, D) of the activations of all tiles."""
    config = tiled.network.config
    tokens = 1 + (tiled.tile // config.patch) ** 2
    return len(tiled.plan.tiles), len(config.extract_layers), tokens, config.reduce_dim


def new_features(
    tiled: TiledNetwork, pixels: Pixels, storage: torch.dtype, folder: str | Path | None
) -> Features:
    """Return features to be filled by :meth:`Features.encoding`, on disk if a folder is given."""
    shape = features_shape(tiled)
    store: FeatureStore = (
        MemoryStore(shape, storage)
        if folder is None
        else create_store(Path(folder), shape, storage, origin_of(tiled, pixels), tiled.valid)
    )
    return Features(tiled, pixels.contrast, store)


def stored_shape(store: DiskStore) -> tuple[int, int]:
    """Return height and width of the image whose features a store holds."""
    height, width = store.origin["shape"]
    return int(height), int(width)


def stored_features(tiled: TiledNetwork, store: DiskStore) -> Features:
    """Return the features of a store, if this network and these tiles made them.

    Raises
    ------
    FeaturesInvalid
        If another model or other tiles made them; the differences are named.
    """
    expected = _network_of(tiled)
    differing = [key for key, value in expected.items() if store.origin.get(key) != value]
    if differing:
        raise FeaturesInvalid(f"the features were made with other {' and '.join(differing)}")
    low, high = store.origin["contrast"]
    return Features(tiled, (low, high), store)


def _network_of(tiled: TiledNetwork) -> dict[str, Any]:
    grids = [[grid.side, len(grid.tops), len(grid.lefts)] for grid in tiled.plan.grids]
    return {"weights": tiled.network.weights_hash, "tile": tiled.tile, "grids": grids}
