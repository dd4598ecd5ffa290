"""A viewer without a window, and lazy arrays that note which of their blocks are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from zarr.storage import MemoryStore

Blocks = list[tuple[int, ...]]
Lazily = Callable[[np.ndarray, tuple[int, ...]], tuple[Any, Blocks]]


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture(params=["dask", "zarr"])
def lazily(request: pytest.FixtureRequest) -> Lazily:
    """What turns an array with its chunks into a lazy one and the list of blocks read."""
    return {"dask": noting_dask, "zarr": noting_zarr}[request.param]


def noting_dask(data: np.ndarray, chunks: tuple[int, ...]) -> tuple[Any, Blocks]:
    read: Blocks = []

    def block(values, block_info=None):
        read.append(tuple(block_info[0]["chunk-location"]))
        return values

    lazy = da.from_array(data, chunks=chunks).map_blocks(block, dtype=data.dtype, meta=data[:0])
    return lazy, read


def noting_zarr(data: np.ndarray, chunks: tuple[int, ...]) -> tuple[Any, Blocks]:
    store = NotingStore()
    lazy = zarr.create_array(store, shape=data.shape, chunks=chunks, dtype=data.dtype)
    lazy[:] = data
    store.read.clear()
    return lazy, store.read


class NotingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.read: Blocks = []

    async def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        if key.startswith("c/"):
            self.read.append(tuple(int(i) for i in key.split("/")[1:]))
        return await super().get(key, *args, **kwargs)
