"""Where the reduced activations of an image are kept: in memory, or in a folder that lasts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
import zarr
from torch import Tensor
from zarr.codecs import Crc32cCodec

from napari_clipseg.engine.companies import Companies
from napari_clipseg.engine.validity import Valid, open_valid
from napari_clipseg.errors import FeaturesInvalid, OutputError

_BITS = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}
_DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in _BITS}
_VALID = "valid"
"""Folder in that of a store which says which pixels hold data, where not all do."""


class FeatureStore(Protocol):
    """Reduced activations of tiles 0 to T - 1, each (L, 1 + N, D)."""

    @property
    def nbytes(self) -> int:
        """Bytes that all tiles take."""

    @property
    def companies(self) -> Companies:
        """Which tiles were encoded together, where that is not a whole batch."""

    def has(self, tile: int) -> bool:
        """Return whether a tile is there; only :meth:`read` tells if it is sound."""

    def write(self, tiles: Sequence[int], reduced: Tensor) -> None:
        """Keep the activations (B, F, 1 + N, D) of tiles."""

    def read(self, tiles: Sequence[int]) -> Tensor | None:
        """Return tiles (B, F, 1 + N, D), None if not all of them are there and sound."""


class MemoryStore:
    """Activations in memory.

    Parameters
    ----------
    shape : tuple of int
        (T, F, 1 + N, D).
    dtype : torch.dtype
    """

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self._tiles = torch.empty(shape, dtype=dtype)
        self._there = [False] * shape[0]
        self.companies = Companies()

    @property
    def nbytes(self) -> int:
        """Bytes that all tiles take."""
        return self._tiles.nbytes

    def has(self, tile: int) -> bool:
        """Return whether a tile is there."""
        return self._there[tile]

    def write(self, tiles: Sequence[int], reduced: Tensor) -> None:
        """Keep the activations (B, F, 1 + N, D) of tiles."""
        self._tiles[list(tiles)] = reduced.to(self._tiles.dtype)
        for tile in tiles:
            self._there[tile] = True

    def read(self, tiles: Sequence[int]) -> Tensor | None:
        """Return tiles (B, F, 1 + N, D), None if not all of them are there."""
        return self._tiles[list(tiles)] if all(map(self.has, tiles)) else None


class DiskStore:
    """Activations in a zarr array with one chunk, and one checksum, for each tile.

    A tile is on the disk wholly or not at all, and one whose checksum does not fit counts
    as missing: a run that was killed goes on from the tiles that are sound.

    Parameters
    ----------
    folder : Path
        Of an array made by :func:`create_store`.

    Raises
    ------
    FeaturesInvalid
        If there is no such array or it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not folder.exists():
            raise FeaturesInvalid(f"there are no features in {folder}: encode the image first")
        with _readable(folder):
            self._array: Any = zarr.open_array(folder, mode="r+")
            self.origin = dict(json.loads(str(self._array.attrs["origin"])))
            self._dtype = _DTYPES[str(self._array.attrs["dtype"])]
            self.companies = Companies(folder / "companies")

    @property
    def nbytes(self) -> int:
        """Bytes that all tiles take."""
        return int(self._array.nbytes)

    def has(self, tile: int) -> bool:
        """Return whether a tile is there; only :meth:`read` tells if it is sound."""
        return (self._folder / "c" / str(tile) / "0" / "0" / "0").is_file()

    def write(self, tiles: Sequence[int], reduced: Tensor) -> None:
        """Keep the activations (B, F, 1 + N, D) of tiles.

        Raises
        ------
        OutputError
            If the disk is full or may not be written to; tiles written before are not harmed.
        """
        bits = reduced.to(self._dtype).contiguous().view(_BITS[self._dtype]).numpy()
        try:
            # by slices: a list of indices would read what is there first, and fail if damaged
            for tile, each in zip(tiles, bits, strict=True):
                self._array[tile : tile + 1] = each[None]
        except OSError as error:
            raise OutputError(f"features cannot be written to {self._folder}: {error}") from error

    def read(self, tiles: Sequence[int]) -> Tensor | None:
        """Return tiles (B, F, 1 + N, D), None if not all of them are there and sound."""
        if not all(map(self.has, tiles)):
            return None
        try:
            bits = self._array.oindex[list(tiles)]
        except ValueError:  # a checksum that does not fit
            return None
        return torch.from_numpy(bits).view(self._dtype)


def stored_valid(folder: Path) -> Valid | None:
    """Return which pixels hold data as a store in a folder keeps it, None if it keeps nothing.

    Raises
    ------
    FeaturesInvalid
        If it cannot be read.
    """
    with _readable(folder):
        return open_valid(folder / _VALID)


def remove_unreadable(folder: Path) -> None:
    """Remove a folder, if it is there, that holds no readable features: they are made again."""
    if not folder.exists():
        return
    try:
        DiskStore(folder)
        stored_valid(folder)
    except FeaturesInvalid:
        shutil.rmtree(folder)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    # what zarr raises for a damaged file depends on where the damage is
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise FeaturesInvalid(
            f"{folder} holds no readable features ({error}). If features were kept there, remove "
            "that folder: it is only a cache, and they are made again. Otherwise give another one."
        ) from error


def create_store(
    folder: Path,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    origin: dict[str, Any],
    valid: Valid | None = None,
) -> DiskStore:
    """Return the store in a folder, made if it is not there; what is there is kept.

    Parameters
    ----------
    folder : Path
    shape : tuple of int
        (T, F, 1 + N, D).
    dtype : torch.dtype
    origin : dict
        What the activations are made from, as JSON values.
    valid : Valid, optional
        Which pixels hold data, if not all do.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    FeaturesInvalid
        If it holds something else or features of another origin.
    """
    if not folder.exists():
        _create(folder, shape, dtype, origin, valid)
    store = DiskStore(folder)
    differing = [key for key, value in origin.items() if store.origin.get(key) != value]
    if differing:
        raise FeaturesInvalid(
            f"the features in {folder} were made from another {' and '.join(differing)}; "
            "give another folder, or delete this one"
        )
    return store


def _create(
    folder: Path,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    origin: dict[str, Any],
    valid: Valid | None,
) -> None:
    part = folder.with_name(folder.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        zarr.create_array(
            part,
            shape=shape,
            chunks=(1, *shape[1:]),
            dtype=str(_BITS[dtype]).removeprefix("torch."),
            compressors=[Crc32cCodec()],
            fill_value=0,
            attributes={
                "origin": json.dumps(origin),
                "dtype": str(dtype).removeprefix("torch."),
            },
        )
        if valid is not None:
            valid.save(part / _VALID)
        part.rename(folder)
    except OSError as error:
        raise OutputError(f"features cannot be written to {folder}: {error}") from error
