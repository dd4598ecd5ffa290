from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.prompts import MaskPrompt, Mix
from napari_clipseg.widget.job import Load
from napari_clipseg.widget.panel import Panel

ROWS = 8


@dataclasses.dataclass(frozen=True)
class FakeTile:
    index: int
    total: int
    rows: tuple[int, int]


class FakeFeatures:
    """Finds the bright pixels, whatever is asked for; "dark" finds the others."""

    def __init__(self, engine: FakeEngine, values: np.ndarray, contrast: tuple[float, float]):
        self.engine, self.values, self.contrast = engine, values, contrast
        self.shape, self.tiles, self.nbytes = values.shape, -(-len(values) // ROWS), 1000

    def run(self, prompts: Any, out: np.ndarray):
        self.engine.decoded.append([each.name for each in prompts])
        for index in range(self.tiles):
            if index >= self.engine.tiles_before_gate:
                assert self.engine.gate.wait(20)
            if self.engine.failure is not None:
                raise self.engine.failure
            first, end = index * ROWS, min((index + 1) * ROWS, len(self.values))
            for number, prompt in enumerate(prompts):
                values = self.values[first:end]
                out[number, first:end] = 1 - values if prompt.name == "dark" else values
            self.engine.computed += 1
            yield FakeTile(index + 1, self.tiles, (first, end))


class FakeEngine:
    """What the tests steer and look at; calling it with model and zoom gives a segmenter."""

    def __init__(self) -> None:
        self.loaded: list[tuple[str, float]] = []
        self.images: list[Any] = []
        self.prompts: list[Any] = []
        self.decoded: list[list[str]] = []
        self.computed = 0
        self.failure: Exception | None = None
        self.load_failure: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.tiles_before_gate = 0
        self.threshold, self.model_name, self.weights_hash = 0.5, "fake", "0" * 64

    def __call__(self, model: str, zoom: float) -> FakeEngine:
        if self.load_failure is not None:
            raise self.load_failure
        self.loaded.append((model, zoom))
        return self

    def settings(self) -> dict[str, Any]:
        return {"tile": ROWS}

    def run(self, image: Any, prompts: Any, out: np.ndarray, *, contrast: Any):
        pixels = Pixels(image, contrast=contrast)
        values = pixels.read((0, 0, *pixels.shape)).mean(axis=2)
        self.images.append(values)
        self.prompts.extend(prompts)
        features = FakeFeatures(self, values, pixels.contrast)
        yield from features.run(prompts, out)
        return features

    @property
    def calls(self) -> int:
        return len(self.decoded)

    @property
    def masks(self) -> list[np.ndarray]:
        found = [each.mask if isinstance(each, Mix) else each for each in self.prompts]
        return [each.mask for each in found if isinstance(each, MaskPrompt)]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch):
    engine = FakeEngine()
    monkeypatch.setattr("napari_clipseg.widget.controller.check_present", lambda model: None)
    yield engine
    engine.gate.set()


class Person:
    """Sits at a viewer with the panel open."""

    def __init__(self, viewer: Any, load: Load, qtbot: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.panel = Panel(viewer, load)
        viewer.window.add_dock_widget(self.panel)
        notification_manager.records.clear()

    def type(self, text: str) -> None:
        self.panel.prompt.value = text

    def press_enter(self) -> None:
        self.panel.prompt.native.returnPressed.emit()

    def press(self, button: Any) -> None:
        button.native.click()

    def sees(self, words: str) -> None:
        """Wait until the status line holds these words."""

        def check() -> None:
            assert words in self.panel.status.value

        self.qtbot.waitUntil(check, timeout=20_000)

    def run(self, text: str) -> None:
        """Run a prompt and wait for its labels."""
        self.type(text)
        self.press_enter()
        self.sees("objects")
        self.is_free()

    def is_free(self) -> None:
        self.qtbot.waitUntil(lambda: self.panel.run.enabled, timeout=20_000)

    @property
    def told(self) -> list[str]:
        return [record.message for record in notification_manager.records]

    def layer(self, words: str) -> Any:
        return next(each for each in self.viewer.layers if words in each.name)


@pytest.fixture
def show() -> bool:
    """Whether the window is really drawn, which screenshots need."""
    return False


@pytest.fixture
def person(make_napari_viewer_proxy: Any, engine: FakeEngine, qtbot: Any, show: bool) -> Person:
    return Person(make_napari_viewer_proxy(show=show), engine, qtbot)


@pytest.fixture
def cells() -> np.ndarray:
    """Two bright squares on black, (32, 40) uint8."""
    image = np.zeros((32, 40), np.uint8)
    image[4:10, 6:12] = 200
    image[20:26, 24:34] = 255
    return image
