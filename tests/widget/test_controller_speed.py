"""The viewer answers while a large image is segmented."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from bench import BRIGHT, DARK, Bench
from qtpy.QtCore import QTimer

from napari_clipseg.widget.preload import warm_label_colours

TICK_MS = 5
LONGEST_GAP = 0.1


class Clock:
    """Ticks in the event loop and writes down when it could not."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._timer, self._last = QTimer(), 0.0
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    @contextmanager
    def running(self) -> Iterator[None]:
        self.gaps.clear()
        self._last = time.perf_counter()
        self._timer.start()
        yield
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now


@pytest.fixture
def large() -> np.ndarray:
    """Squares on black, (4096, 4096) uint8."""
    cell = np.zeros((64, 64), np.uint8)
    cell[16:40, 16:40] = 255
    return np.tile(cell, (64, 64))


def longest_gap(bench: Bench, image: Any, clock: Clock) -> float:
    """Return the longest gap of a run, of a second run, and of a new threshold."""
    gaps = []
    for zoom in (1.0, 2.0):
        with clock.running():
            bench.run(image, BRIGHT, DARK, zoom=zoom)
        gaps += clock.gaps
    bench.view.chosen = {1: 0.9}
    with clock.running():
        bench.controller.preview(1, 0.9)
        bench.controller.relabel()
        bench.is_idle()
    return max(gaps + clock.gaps)


def test_the_event_loop_never_stands_still_for_a_tenth_of_a_second(bench: Bench, large: Any):
    warm_label_colours()
    image = bench.viewer.add_image(large, contrast_limits=(0, 255))
    bench.engine.rows = 352
    clock = Clock()
    # other programs may take the processor away, which is not the plugin's doing
    gaps = []
    while len(gaps) < 5 and min(gaps, default=1.0) > LONGEST_GAP:
        gaps.append(longest_gap(bench, image, clock))
    print("longest gaps in seconds:", gaps)
    assert min(gaps) < LONGEST_GAP
