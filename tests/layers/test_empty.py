from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from napari_clipseg.errors import OutOfMemory
from napari_clipseg.layers import empty as module
from napari_clipseg.layers.empty import check_room, zeros

BEYOND_MEMORY = (2000, 20_000, 20_000)


def test_small_zeros_are_zeros():
    made = zeros((2, 3), np.uint16)
    assert made.dtype == np.uint16
    assert made.tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux promises memory it has not")
def test_zeros_beyond_all_memory_are_written_through_views():
    made = zeros(BEYOND_MEMORY, np.float32)
    made[1999][5:7, 19_999] = 0.5
    assert made.shape == BEYOND_MEMORY
    assert made[1999, 4:8, 19_999].tolist() == [0, 0.5, 0.5, 0]


def test_where_the_system_promises_nothing_they_are_refused(monkeypatch):
    monkeypatch.setattr(module.sys, "platform", "win32")
    with pytest.raises(OutOfMemory, match="crop the image"):
        zeros((1 << 30, 1 << 20), np.float32)


def test_more_bytes_than_there_are_addresses_are_refused():
    with pytest.raises(OutOfMemory, match="crop the image"):
        zeros((1 << 30, 1 << 29), np.float32)


def test_room_is_compared_with_what_is_free(monkeypatch):
    monkeypatch.setattr(
        module.psutil, "virtual_memory", lambda: SimpleNamespace(available=2_000_000_000)
    )
    check_room(2_000_000_000)
    with pytest.raises(OutOfMemory, match=r"needs 3\.5 GB, of which only 2\.0 GB are free"):
        check_room(3_500_000_000)
