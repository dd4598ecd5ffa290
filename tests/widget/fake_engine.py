"""An engine whose every step a test steers and counts, with the interface of the real one."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Generator
from typing import Any

import numpy as np

from napari_clipseg.engine.knowledge import Knowledge
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.region import Region
from napari_clipseg.widget.job import ModelChoice
from napari_clipseg.widget.pace import TILES_ACROSS, middle

ROWS = 8


@dataclasses.dataclass(frozen=True)
class FakeTile:
    index: int
    total: int
    rows: tuple[int, int]


class FakeFeatures:
    """Finds the bright pixels, whatever is asked for; "dark" finds the others."""

    def __init__(self, engine: FakeEngine, pixels: Pixels) -> None:
        self.engine, self.pixels, self.contrast = engine, pixels, pixels.contrast
        self.shape, self.nbytes = pixels.shape, engine.feature_bytes(pixels.shape)
        self.tiles = -(-self.shape[0] // engine.rows)
        self.encoded: set[int] = set()
        self._timed = [middle(self, across).box for across in (0, TILES_ACROSS)]

    def _asked(self, region: Region | None) -> list[int]:
        if region is None:
            return list(range(self.tiles))
        return [each for each in range(self.tiles) if region.touches(self._box(each))]

    def _box(self, tile: int) -> tuple[int, int, int, int]:
        rows = self.engine.rows
        return tile * rows, 0, min((tile + 1) * rows, self.shape[0]), self.shape[1]

    def missing(self, region: Region | None = None) -> int:
        return sum(tile not in self.encoded for tile in self._asked(region))

    def run(self, prompts: Any, out: Any, *, region: Region | None = None) -> Generator[FakeTile]:
        engine, asked = self.engine, self._asked(region)
        engine.prompts = list(prompts)
        if region is None or region.box not in self._timed:
            engine.runs.append((tuple(each.name for each in prompts), region))
        for index, tile in enumerate(asked, start=1):
            if engine.computed >= engine.tiles_before_gate:
                assert engine.gate.wait(20)
            if engine.failure is not None and engine.computed >= engine.tiles_before_failure:
                raise engine.failure
            if tile not in self.encoded:
                engine.encoded += 1
                self.encoded.add(tile)
            self._write(prompts, out, tile, region)
            engine.computed += 1
            y0, _, y1, _ = self._box(tile)
            yield FakeTile(index, len(asked), (y0, y1))

    def _write(self, prompts: Any, out: Any, tile: int, region: Region | None) -> None:
        box = self._box(tile) if region is None else region.cut(self._box(tile))
        assert box is not None
        y0, x0, y1, x1 = box
        values = self.pixels.read(box).mean(axis=2)
        found = np.stack([1 - values if each.name == "dark" else values for each in prompts])
        place = (slice(None), slice(y0, y1), slice(x0, x1))
        if region is not None and region.mask is not None:
            top, left = region.box[:2]
            meant = region.mask[y0 - top : y1 - top, x0 - left : x1 - left]
            found = np.where(meant, found, out[place])
        out[place] = found


class FakeEngine:
    """What the tests steer and look at; called with a choice of model it gives a segmenter."""

    def __init__(self, rows: int = ROWS) -> None:
        self.rows = rows
        self.loaded: list[ModelChoice] = []
        self.prepared: list[Any] = []
        self.contrasts: list[Any] = []
        self.folders: list[Any] = []
        self.runs: list[tuple[tuple[str, ...], Region | None]] = []
        self.encoded = self.computed = 0
        self.prompts: list[Any] = []
        self.knowledge: dict[str, Knowledge] = {}
        self.failure: Exception | None = None
        self.load_failure: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.tiles_before_gate = self.tiles_before_failure = 0
        self.threshold, self.model_name, self.weights_hash = 0.5, "fake", "0" * 64
        self.device, self.zoom = "cpu", 1.0

    def __call__(self, choice: ModelChoice) -> FakeEngine:
        if self.load_failure is not None:
            raise self.load_failure
        self.loaded.append(choice)
        return self

    def knows(self, text: str) -> Knowledge | None:
        return self.knowledge.get(text)

    def with_settings(self, *, zoom: float | None = None, batch: int | None = None) -> FakeEngine:
        self.zoom = self.zoom if zoom is None else zoom
        return self

    def settings(self) -> dict[str, Any]:
        return {"tile": self.rows, "zoom": self.zoom}

    def feature_bytes(self, shape: tuple[int, int]) -> int:
        return 1000 * -(-shape[0] // self.rows)

    def prepare(
        self, image: Any, *, contrast: Any = "auto", nodata: Any = None, folder: Any = None
    ) -> FakeFeatures:
        self.prepared.append(image)
        self.contrasts.append(contrast)
        self.folders.append(folder)
        return FakeFeatures(self, Pixels(image, contrast=contrast, nodata=nodata))

    @property
    def decoded(self) -> list[list[str]]:
        """The prompts of each run."""
        return [list(names) for names, _ in self.runs]
