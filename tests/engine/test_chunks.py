from __future__ import annotations

import threading
from collections import Counter

import dask.array
import numpy as np
import pytest
import zarr

from napari_clipseg.engine.chunks import HeldChunks, held
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.tiling import plan_tiles


class Stored:
    """An array that counts how often each of its chunks is read."""

    def __init__(self, values: np.ndarray, side: int) -> None:
        self.values, self.side = values, side
        self.shape, self.ndim, self.dtype = values.shape, values.ndim, values.dtype
        self.chunks = (side, side, *values.shape[2:])
        self.reads: Counter[tuple[int, int]] = Counter()

    def __getitem__(self, box):
        (y0, y1), (x0, x1) = ((each.start, each.stop) for each in box[:2])
        side = self.side
        for row in range(y0 // side, -(-y1 // side)):
            self.reads.update((row, column) for column in range(x0 // side, -(-x1 // side)))
        return self.values[box]


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (700, 900, 3)).astype(np.uint8)


def test_every_box_is_read_as_it_is_stored(values):
    image = held(Stored(values, 128), budget=1 << 20)
    assert isinstance(image, HeldChunks)
    rng = np.random.default_rng(0)
    for _ in range(50):
        y0, y1 = sorted(rng.integers(0, 700, 2))
        x0, x1 = sorted(rng.integers(0, 900, 2))
        np.testing.assert_array_equal(image[y0:y1, x0:x1], values[y0:y1, x0:x1])
    np.testing.assert_array_equal(image[600:5000, 0:900], values[600:])


def tiles_read(image: Stored, budget: int | None) -> int:
    pixels = Pixels(image if budget is None else held(image, budget), contrast=(0, 255))
    image.reads.clear()
    for tile in plan_tiles(image.shape[:2], 128, 32).tiles:
        pixels.read(tile.box)
    return image.reads.total()


def test_tiles_read_each_chunk_once_where_a_row_of_chunks_fits(values):
    image = Stored(values, 128)
    assert tiles_read(image, budget=8 << 20) == 6 * 8
    assert set(image.reads.values()) == {1}


def test_pixels_of_a_stored_image_hold_its_chunks(values):
    stored = Stored(values, 128)
    without = sum(
        (-(-tile.box[2] // 128) - tile.box[0] // 128)
        * (-(-tile.box[3] // 128) - tile.box[1] // 128)
        for tile in plan_tiles(stored.shape[:2], 128, 32).tiles
    )
    assert tiles_read(stored, budget=None) == 6 * 8 < without / 3


def test_no_more_is_held_than_the_budget(values):
    image = held(Stored(values, 64), budget=100_000)
    for tile in plan_tiles(values.shape[:2], 128, 32).tiles:
        y0, x0, y1, x1 = tile.box
        image[y0:y1, x0:x1]
        kept = sum(chunk.nbytes for chunk in image._chunks.values())
        assert kept == image._bytes <= 100_000


def test_an_image_in_chunks_larger_than_the_budget_is_read_as_before(values):
    stored = Stored(values, 512)
    assert held(stored, budget=512 * 512) is stored
    assert held(values) is values


@pytest.mark.parametrize("kind", ["zarr", "dask", "dask, uneven"])
def test_libraries_with_chunks_are_understood(kind, values):
    if kind == "zarr":
        image = zarr.create_array({}, data=values, chunks=(100, 90, 3))
    else:
        chunks = ((100, 250, 350), 128, 3) if "uneven" in kind else (100, 128, 3)
        image = dask.array.from_array(values, chunks=chunks)
    view = held(image)
    assert isinstance(view, HeldChunks)
    np.testing.assert_array_equal(view[90:460, 5:899], values[90:460, 5:899])
    np.testing.assert_array_equal(view[0:700, 0:900], values)


def test_threads_share_the_chunks(values):
    stored = Stored(values, 128)
    image = held(stored)
    wrong: list[int] = []

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(40):
            y, x = rng.integers(0, 500, 2)
            if not np.array_equal(
                image[y : y + 150, x : x + 150], values[y : y + 150, x : x + 150]
            ):
                wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong
    assert set(stored.reads.values()) == {1}
