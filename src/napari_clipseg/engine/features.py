"""An image that is encoded once: every further prompt costs only the decoder."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_clipseg.engine.decoding import EncodedBatch, TiledNetwork, TileDone, probability_array
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import Prompt
from napari_clipseg.engine.region import Region
from napari_clipseg.engine.store import DiskStore, FeatureStore, MemoryStore, create_store
from napari_clipseg.errors import FeaturesInvalid

KEPT_TOGETHER = 4
"""Full batches that are decoded together where all is encoded."""


class Features:
    """The reduced activations of all tiles of one image; tiles are encoded when asked for.

    Made by :meth:`napari_clipseg.Segmenter.prepare`, :meth:`napari_clipseg.Segmenter.encode`,
    :meth:`napari_clipseg.Segmenter.run` and :meth:`napari_clipseg.Segmenter.open_features`.

    Parameters
    ----------
    tiled : TiledNetwork
        The network that encodes the image and decodes it, and the image's tiles.
    contrast : (float, float)
        The contrast window through which the image is read.
    store : FeatureStore
        Holds the activations of all tiles in the order of the plan.
    pixels : Pixels, optional
        The image. Without it (features opened from a folder) missing tiles are an error.
    """

    def __init__(
        self,
        tiled: TiledNetwork,
        contrast: tuple[float, float],
        store: FeatureStore,
        pixels: Pixels | None = None,
    ) -> None:
        self.tiled = tiled
        self.contrast = contrast
        self._store = store
        self._pixels = pixels

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.tiled.plan.shape

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self.tiled.plan.tiles)

    @property
    def nbytes(self) -> int:
        """Bytes of memory, or of disk, that the activations of all tiles take."""
        return self._store.nbytes

    def missing(self, region: Region | None = None) -> int:
        """Return how many tiles of a region, or of the image, are not encoded yet.

        Raises
        ------
        SettingError
            If the region reaches beyond the image.
        """
        return sum(not self._store.has(tile) for tile in self._asked(region))

    def with_pixels(self, pixels: Pixels) -> Features:
        """Return the same features with their image, so that missing tiles are encoded."""
        return Features(self.tiled, self.contrast, self._store, pixels)

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
        ClipSegError
            As for :meth:`run`.
        """
        out = probability_array(prompts, self.shape)
        for _ in self.run(prompts, out):
            pass
        return out

    def run(
        self, prompts: Prompt | Sequence[Prompt], out: Any, *, region: Region | None = None
    ) -> Generator[TileDone]:
        """Write the probability into ``out`` and yield after every tile.

        Tiles that are not encoded yet are encoded and kept, once and for all prompts.

        Parameters
        ----------
        prompts : str, TextPrompt, MaskPrompt, Mix or a sequence of these
        out : array-like (H, W) of one prompt or (P, H, W) of a sequence, float32
            Of the whole image. Rows are written once they are final. Stop iterating to cancel.
        region : Region, optional
            Only tiles that touch it are computed, only its pixels are written, and there the
            result is that of a run of the whole image (but for the rounding of float32 where
            batches hold other tiles; with a batch of 1 bit for bit).

        Raises
        ------
        PromptError
            If there is no prompt or one says nothing.
        SettingError
            If ``out`` has another shape or the region reaches beyond the image.
        FeaturesInvalid
            If tiles are missing or damaged and the image is not at hand.
        ImageError
            If the image holds pixels that are no numbers.
        OutputError
            If features cannot be written.
        OutOfMemory, EngineError
            If the model fails.
        """
        tiles = self._asked(region)
        yield from self.tiled.decode(self.encoded(tiles), prompts, out, region)

    def encoded(self, tiles: Sequence[int]) -> Generator[EncodedBatch]:
        """Yield the tiles of rising numbers in batches, encoding and keeping what is missing.

        Where nothing is, several full batches come together: nobody waits for the next to be
        encoded, and the starter decodes a fifth faster. The results are the same bits.
        """
        batches = self.tiled.batches(tiles)
        missing = [self._to_encode(batch) for batch in batches]
        if not any(missing):
            for group in _together(batches, self.tiled.batch):
                reduced = torch.cat([self._read(batch) for batch in group])
                yield EncodedBatch(tuple(chain.from_iterable(group)), reduced)
            return
        with closing(self._encoding(chain.from_iterable(missing))) as encoding:
            for batch, companies in zip(batches, missing, strict=True):
                for _ in companies:
                    self._keep(next(encoding))
                yield EncodedBatch(batch, self._read(batch))

    def _asked(self, region: Region | None) -> Sequence[int]:
        if region is None:
            return range(self.tiles)
        region.check_inside(self.shape)
        return self.tiled.touching(region)

    def _to_encode(self, tiles: Sequence[int]) -> list[tuple[int, ...]]:
        """Return what must be encoded together so that some tiles of one batch are there."""
        missing = [tile for tile in tiles if not self._store.has(tile)]
        return self._companies(missing) if missing else []

    def _companies(self, missing: Sequence[int]) -> list[tuple[int, ...]]:
        batch = self._whole_batch(missing[0])
        return self._store.companies.to_encode(batch, missing, self._store.has)

    def _whole_batch(self, tile: int) -> tuple[int, ...]:
        first = tile // self.tiled.batch * self.tiled.batch
        return tuple(range(first, min(first + self.tiled.batch, self.tiles)))

    def _encoding(self, batches: Iterable[tuple[int, ...]]) -> Generator[EncodedBatch]:
        pixels = self._pixels
        if pixels is None:
            for tiles in batches:
                raise FeaturesInvalid(_incomplete(tiles))
            return
        yield from self.tiled.encoding(pixels, batches)

    def _keep(self, encoded: EncodedBatch) -> None:
        if encoded.tiles != self._whole_batch(encoded.tiles[0]):
            self._store.companies.add(encoded.tiles)
        self._store.write(encoded.tiles, encoded.reduced)

    def _read(self, tiles: Sequence[int]) -> torch.Tensor:
        """Return the activations of tiles of one batch; what is damaged is encoded again."""
        reduced = self._store.read(tiles)
        if reduced is None:
            for encoded in self._encoding(self._companies(tiles)):
                self._keep(encoded)
            reduced = self._store.read(tiles)
        if reduced is None:
            raise FeaturesInvalid(_incomplete(tiles))
        return reduced


def _together(
    batches: Sequence[tuple[int, ...]], full: int
) -> Generator[Sequence[tuple[int, ...]]]:
    """Yield batches, full ones several at a time; a lone tile is rounded in a way of its own."""
    for joinable, run in groupby(batches, key=lambda batch: 1 < len(batch) == full):
        same = list(run)
        step = KEPT_TOGETHER if joinable else 1
        for first in range(0, len(same), step):
            yield same[first : first + step]


def _incomplete(tiles: Sequence[int]) -> str:
    return (
        f"of the features, tiles {tiles[0] + 1} to {tiles[-1] + 1} are missing or damaged; "
        "encode the image again"
    )


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
    """Return the shape (T, F, 1 + N, D) of the activations of all tiles."""
    config = tiled.network.config
    tokens = 1 + (tiled.tile // config.patch) ** 2
    return len(tiled.plan.tiles), config.features, tokens, config.reduce_dim


def new_features(
    tiled: TiledNetwork, pixels: Pixels, storage: torch.dtype, folder: str | Path | None
) -> Features:
    """Return features of an image, none encoded yet, on disk if a folder is given."""
    shape = features_shape(tiled)
    store: FeatureStore = (
        MemoryStore(shape, storage)
        if folder is None
        else create_store(Path(folder), shape, storage, origin_of(tiled, pixels), tiled.valid)
    )
    return Features(tiled, pixels.contrast, store, pixels)


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
