"""From tiles and prompts to rows of probability: the one path that every prompt takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import Tensor
from torch.nn import functional as F

from napari_clipseg.engine.blending import RowAccumulator, TileWeights
from napari_clipseg.engine.network import Network
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import Prompt, as_prompts, is_single
from napari_clipseg.engine.tiling import Tile, TilePlan
from napari_clipseg.engine.validity import Valid
from napari_clipseg.errors import SettingError


@dataclasses.dataclass(frozen=True, slots=True)
class TileDone:
    """One tile further.

    Parameters
    ----------
    index, total : int
        Tiles done, counted from 1, and tiles in all.
    rows : (int, int)
        Rows of the result, first and past the last, that became final with this tile.
    """

    index: int
    total: int
    rows: tuple[int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class EncodedBatch:
    """Consecutive tiles of a plan and their reduced activations.

    Parameters
    ----------
    first : int
        Index of the first tile in the plan.
    reduced : Tensor (B, L, 1 + N, D)
    """

    first: int
    reduced: Tensor


@dataclasses.dataclass(frozen=True, slots=True)
class TiledNetwork:
    """A network spread over the tiles of an image.

    Parameters
    ----------
    network : Network
    plan : TilePlan
    tile : int
        Side in pixels of the square the network sees; a tile of another side is resampled.
    batch : int
        Tiles computed at once.
    window : str
        A name in :data:`napari_clipseg.engine.blending.BLENDINGS`.
    valid : Valid, optional
        Which pixels hold data, if not all do; the others get probability 0.
    """

    network: Network
    plan: TilePlan
    tile: int
    batch: int
    window: str
    valid: Valid | None = None

    def encode(self, pixels: Pixels, first: int, count: int) -> Tensor:
        """Return the reduced activations (B, L, 1 + N, D) of tiles from number ``first`` on."""
        tiles = self.plan.tiles[first : first + count]
        rgb = torch.stack([read_tile(pixels, each, self.tile) for each in tiles])
        return self.network.encode(rgb)

    def encoding(self, pixels: Pixels) -> Generator[EncodedBatch]:
        """Yield all tiles of an image in the plan's order, keeping none."""
        for first in range(0, len(self.plan.tiles), self.batch):
            yield EncodedBatch(first, self.encode(pixels, first, self.batch))

    def decode(
        self, batches: Iterable[EncodedBatch], prompts: Prompt | Sequence[Prompt], out: Any
    ) -> Generator[TileDone]:
        """Write the probability of every prompt and yield after every tile.

        Parameters
        ----------
        batches : iterable of EncodedBatch
            All tiles in the plan's order.
        prompts : str, TextPrompt, MaskPrompt, Mix or a sequence of these
        out : array-like (H, W) of one prompt or (P, H, W) of a sequence, float32
            Each row is written once, when it is final.

        Notes
        -----
        Logits are averaged with the tiles' shares, then squashed. An image without valid
        pixels has no tiles: nothing is yielded, and all is 0.
        """
        rows = _rows_of(out, prompts, self.plan.shape)
        conditional = self.network.conditional(prompts)
        total, height = len(self.plan.tiles), self.plan.shape[0]
        tops = [tile.box[0] for tile in self.plan.tiles] + [height]
        sums = RowAccumulator(len(conditional), self.plan.shape[1])
        self._write(sums.finish(tops[0]), rows)
        final = 0
        for index, box, logits in self._weighted_logits(batches, conditional):
            sums.add(box, logits)
            self._write(sums.finish(tops[index]), rows)
            first, final = final, tops[index]
            yield TileDone(index, total, (first, final))

    def _write(self, pieces: Iterable[tuple[int, npt.NDArray[np.float32]]], rows: Any) -> None:
        """Write summed logits (P, h, W) that are final as probability."""
        for first, logits in pieces:
            probability, end = expit(logits), first + logits.shape[1]
            if self.valid is not None:
                probability *= self.valid.read((first, 0, end, self.plan.shape[1]))
            rows[:, first:end] = probability

    def _weighted_logits(
        self, batches: Iterable[EncodedBatch], conditional: Tensor
    ) -> Generator[tuple[int, tuple[int, int, int, int], npt.NDArray[np.float32]]]:
        """Yield number, box and weighted logits (P, h, w) of every tile."""
        weights = TileWeights(self.plan, self.window)
        side = self.tile // self.network.config.patch
        for batch in batches:
            logits = self.network.decode(batch.reduced, conditional, (side, side))
            for index, values in enumerate(logits, batch.first):
                tile = self.plan.tiles[index]
                yield index + 1, tile.box, _on_image(values, tile) * weights.of(tile)


def probability_array(
    prompts: Prompt | Sequence[Prompt], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Return zeros for the probability: (H, W) of a single prompt, (P, H, W) of a sequence."""
    return np.zeros(_shape_of(prompts, shape), np.float32)


def read_tile(pixels: Pixels, tile: Tile, side: int) -> Tensor:
    """Return what the network sees of a tile: RGB (3, side, side) in [0, 1].

    What a tile covers beyond the image's border is filled by reflection.
    """
    rgb = pixels.read(tile.box)
    below, right = tile.side - rgb.shape[0], tile.side - rgb.shape[1]
    if below or right:
        rgb = np.pad(rgb, ((0, below), (0, right), (0, 0)), mode="symmetric")
    tensor = torch.from_numpy(rgb.transpose(2, 0, 1).copy())
    return tensor if tile.side == side else _resample(tensor[None], side)[0]


class _SinglePrompt:
    """An (H, W) array of any library, written as if it were (1, H, W)."""

    def __init__(self, out: Any) -> None:
        self._out = out

    def __setitem__(self, key: tuple[slice, slice], values: npt.NDArray[np.float32]) -> None:
        self._out[key[1]] = values[0]


def _shape_of(prompts: Prompt | Sequence[Prompt], shape: tuple[int, int]) -> tuple[int, ...]:
    return shape if is_single(prompts) else (len(as_prompts(prompts)), *shape)


def _rows_of(out: Any, prompts: Prompt | Sequence[Prompt], shape: tuple[int, int]) -> Any:
    expected = _shape_of(prompts, shape)
    if tuple(out.shape) != expected:
        raise SettingError(f"out has the shape {tuple(out.shape)}, the result {expected}")
    return _SinglePrompt(out) if is_single(prompts) else out


def _on_image(logits: Tensor, tile: Tile) -> npt.NDArray[np.float32]:
    """Return logits (P, S, S) resampled to the image's pixels inside the tile's box."""
    if logits.shape[-1] != tile.side:
        logits = _resample(logits[None], tile.side)[0]
    y0, x0, y1, x1 = tile.box
    return np.asarray(logits[:, : y1 - y0, : x1 - x0].numpy())


def _resample(values: Tensor, side: int) -> Tensor:
    """Resize (B, C, H, W) to a square, bilinear; antialiased where it shrinks."""
    return F.interpolate(
        values, size=(side, side), mode="bilinear", antialias=side < values.shape[-1]
    )
