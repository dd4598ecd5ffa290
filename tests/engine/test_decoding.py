from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_clipseg.engine.decoding import read_tile
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.tiling import plan_tiles


def only_tile(shape, zoom):
    (tile,) = plan_tiles(shape, 32, 8, [zoom]).tiles
    return tile


@pytest.mark.parametrize(("shape", "zoom"), [((100, 60), 0.1), ((37, 41), 0.7), ((64, 23), 0.5)])
def test_a_small_image_is_shrunk_as_if_it_had_been_mirrored_first(shape, zoom):
    image = np.random.default_rng(0).random((*shape, 3), np.float32)
    tile = only_tile(shape, zoom)
    beyond = [(0, tile.side - each) for each in shape]
    whole = np.pad(image, (*beyond, (0, 0)), mode="symmetric").transpose(2, 0, 1)
    expected = F.interpolate(
        torch.from_numpy(whole.copy())[None], size=(32, 32), mode="bilinear", antialias=True
    )[0]
    found = read_tile(Pixels(image, contrast=(0, 1)), tile, 32)
    height, width = (-(-each * 32 // tile.side) for each in shape)
    torch.testing.assert_close(
        found[:, :height, :width], expected[:, :height, :width], atol=1e-5, rtol=0
    )
    assert found.shape == expected.shape


def test_a_small_image_in_a_large_tile_takes_little_memory():
    image = np.zeros((40, 40, 3), np.float32)
    (tile,) = plan_tiles((40, 40), 352, 88, [0.1]).tiles
    tracemalloc.start()
    try:
        read_tile(Pixels(image, contrast=(0, 1)), tile, 352)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 352 * 352 * 3 * 4 < tile.side**2 * 3 * 4 / 10
