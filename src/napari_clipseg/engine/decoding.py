"""From tiles and prompts to rows of probability: the one path that every prompt takes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import Tensor
from torch.nn import functional as F

from napari_clipseg.engine.blending import RowAccumulator, TileWeights
from napari_clipseg.engine.network import Network
from napari_clipseg.engine.pixels import Box, Pixels
from napari_clipseg.engine.prefetch import ahead
from napari_clipseg.engine.prompts import Prompt, as_prompts, is_single
from napari_clipseg.engine.region import Region
from napari_clipseg.engine.tiling import Tile, TilePlan
from napari_clipseg.engine.validity import Valid
from napari_clipseg.errors import OutOfMemory, SettingError


@dataclasses.dataclass(frozen=True, slots=True)
class TileDone:
    """One tile further.

    Parameters
    ----------
    index, total : int
        Tiles done, counted from 1, and tiles of the region in all.
    rows : (int, int)
        Rows of the result, first and past the last, that became final with this tile.
    """

    index: int
    total: int
    rows: tuple[int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class EncodedBatch:
    """Some tiles of a plan and their reduced activations.

    Parameters
    ----------
    tiles : tuple of int
        Their B numbers in the plan, rising.
    reduced : Tensor (B, F, 1 + N, D)
    """

    tiles: tuple[int, ...]
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

    def read(self, pixels: Pixels, tiles: Sequence[int]) -> Tensor:
        """Return what the network sees of the tiles of these numbers: RGB (B, 3, S, S)."""
        try:
            read = [read_tile(pixels, self.plan.tiles[number], self.tile) for number in tiles]
            return self.network.staged(torch.stack(read))
        except MemoryError as error:
            raise OutOfMemory(
                f"{len(tiles)} tiles of {self.tile} x {self.tile} pixels do not fit into memory; "
                "use a smaller tile or batch"
            ) from error

    def encoding(
        self, pixels: Pixels, batches: Iterable[tuple[int, ...]]
    ) -> Generator[EncodedBatch]:
        """Yield batches of tiles of an image one after the other, keeping none.

        The next batch is read, in a thread, while one is encoded.
        """
        with closing(ahead(partial(self.read, pixels), batches, 1)) as batches_read:
            for tiles, rgb in batches_read:
                yield EncodedBatch(tiles, self.network.encode(rgb))

    def touching(self, region: Region) -> tuple[int, ...]:
        """Return the numbers of the tiles that give a region its result."""
        numbered = enumerate(self.plan.tiles)
        return tuple(number for number, tile in numbered if region.touches(tile.box))

    def batches(self, tiles: Sequence[int]) -> list[tuple[int, ...]]:
        """Return tiles, by rising numbers, in batches that count from the image's first.

        So they are the same whatever was computed before: a resumed run repeats the first.
        """
        groups = groupby(tiles, key=lambda number: number // self.batch)
        return [tuple(group) for _, group in groups]

    def decode(
        self,
        batches: Iterable[EncodedBatch],
        prompts: Prompt | Sequence[Prompt],
        out: Any,
        region: Region | None = None,
    ) -> Generator[TileDone]:
        """Write the probability of every prompt and yield after every tile.

        Parameters
        ----------
        batches : iterable of EncodedBatch
            At least the tiles that touch the region, in the plan's order.
        prompts : str, TextPrompt, MaskPrompt, Mix or a sequence of these
        out : array-like (H, W) of one prompt or (P, H, W) of a sequence, float32
            Of the whole image. Each row of the region is written once, when it is final.
        region : Region, optional
            Only its pixels are written.

        Notes
        -----
        Logits are averaged with the tiles' shares, then squashed. A region without valid
        pixels has no tiles: nothing is yielded, and all of it is 0.
        """
        part = Region.whole(self.plan.shape) if region is None else region
        part.check_inside(self.plan.shape)
        result = _Result(_rows_of(out, prompts, self.plan.shape), part, self.valid)
        conditional = self.network.conditional(prompts)
        asked = self.touching(part)
        top, (height, width) = part.box[0], part.shape
        tops = [max(self.plan.tiles[number].box[0] - top, 0) for number in asked] + [height]
        sums = RowAccumulator(len(conditional), width)
        result.write(sums.finish(tops[0]))
        final, found = top, frozenset(asked)
        for index, (box, logits) in enumerate(self._logits(batches, conditional, part, found), 1):
            sums.add(box, logits)
            result.write(sums.finish(tops[index]))
            first, final = final, top + tops[index]
            yield TileDone(index, len(asked), (first, final))

    def _logits(
        self,
        batches: Iterable[EncodedBatch],
        conditional: Tensor,
        region: Region,
        asked: frozenset[int],
    ) -> Generator[tuple[Box, npt.NDArray[np.float32]]]:
        """Yield what each tile adds to a region: a box within it and weighted logits (P, h, w)."""
        weights = TileWeights(self.plan, self.window)
        side = self.tile // self.network.config.patch
        for batch in batches:
            logits = self.network.decode(batch.reduced, conditional, (side, side))
            for number, values in zip(batch.tiles, logits, strict=True):
                tile = self.plan.tiles[number]
                cut = region.cut(tile.box)
                if number in asked and cut is not None:
                    weighted = _on_image(values, tile) * weights.of(tile)
                    inside = _moved(cut, tile.box)
                    yield _moved(cut, region.box), weighted[:, *_slices(inside)]


@dataclasses.dataclass(frozen=True, slots=True)
class _Result:
    """Where the probability of a region goes."""

    rows: Any
    region: Region
    valid: Valid | None

    def write(self, pieces: Iterable[tuple[int, npt.NDArray[np.float32]]]) -> None:
        """Write summed logits (P, h, w) of final rows of the region as probability."""
        top, left, _, right = self.region.box
        for row, logits in pieces:
            probability, first = expit(logits), top + row
            end = first + logits.shape[1]
            if self.valid is not None:
                probability *= self.valid.read((first, left, end, right))
            place = (slice(None), slice(first, end), *self._columns())
            if self.region.mask is not None:
                meant = self.region.mask[row : row + logits.shape[1]]
                probability = np.where(meant, probability, np.asarray(self.rows[place]))
            self.rows[place] = probability

    def _columns(self) -> tuple[slice, ...]:
        """Return which columns, nothing for all: some arrays on disk take whole rows only."""
        _, left, _, right = self.region.box
        every = (left, right) == (0, self.rows.shape[-1])
        return () if every else (slice(left, right),)


def probability_array(
    prompts: Prompt | Sequence[Prompt], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Return zeros for the probability: (H, W) of a single prompt, (P, H, W) of a sequence."""
    return np.zeros(_shape_of(prompts, shape), np.float32)


def read_tile(pixels: Pixels, tile: Tile, side: int) -> Tensor:
    """Return what the network sees of a tile: RGB (3, side, side) in [0, 1].

    What a tile covers beyond the image's border is filled by reflection.
    """
    rgb = torch.from_numpy(pixels.read(tile.box).transpose(2, 0, 1).copy())
    if tile.side > side and min(rgb.shape[1:]) < tile.side:
        return _mirrored(_shrunk(rgb, tile.side, side), (side, side))
    rgb = _mirrored(rgb, (tile.side, tile.side))
    return rgb if tile.side == side else _resample(rgb[None], side)[0]


class _SinglePrompt:
    """An (H, W) array of any library, written as if it were (1, H, W)."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self.shape = (1, *out.shape)

    def __getitem__(self, key: tuple[slice, ...]) -> npt.NDArray[np.float32]:
        return np.asarray(self._out[key[1:]])[None]

    def __setitem__(self, key: tuple[slice, ...], values: npt.NDArray[np.float32]) -> None:
        self._out[key[1:]] = values[0]


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


def _shrunk(rgb: Tensor, full: int, side: int) -> Tensor:
    """Return a part (3, h, w) of a tile of side ``full`` as it is in one of ``side`` pixels.

    What fills the tile up is not there yet: a small image in a large tile, as at zoom 0.1, takes
    the memory of the image. One step of mirrored pixels is what the filter looks at beyond.
    """
    step = full / side
    height, width = (math.ceil(each / step) for each in rgb.shape[1:])
    beyond = [min(math.ceil((each + 1) * step), full) for each in (height, width)]
    shrunk = F.interpolate(
        _mirrored(rgb, (beyond[0], beyond[1]))[None],
        scale_factor=(1 + 1e-9) / step,  # rounding must not cost the last pixel
        mode="bilinear",
        antialias=True,
    )
    return shrunk[0, :, :height, :width]


def _mirrored(rgb: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return (3, h, w) filled up by reflection to a shape (H, W)."""
    below, right = (full - each for full, each in zip(shape, rgb.shape[1:], strict=True))
    if not (below or right):
        return rgb
    return torch.from_numpy(np.pad(rgb.numpy(), ((0, 0), (0, below), (0, right)), "symmetric"))


def _moved(box: Box, origin: Box) -> Box:
    """Return a box counted from the first pixel of another."""
    y0, x0, y1, x1 = box
    top, left = origin[:2]
    return y0 - top, x0 - left, y1 - top, x1 - left


def _slices(box: Box) -> tuple[slice, slice]:
    y0, x0, y1, x1 = box
    return slice(y0, y1), slice(x0, x1)


def _resample(values: Tensor, side: int) -> Tensor:
    """Resize (B, C, H, W) to a square, bilinear; antialiased where it shrinks."""
    return F.interpolate(
        values, size=(side, side), mode="bilinear", antialias=side < values.shape[-1]
    )
