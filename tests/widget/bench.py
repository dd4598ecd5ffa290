"""A viewer without a window, a view that writes down what it is told, and a fake engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_engine import FakeEngine
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from superqt.utils import WorkerBase

from napari_clipseg.widget.controller import Controller
from napari_clipseg.widget.request import PromptRow, ResultSettings, RunRequest

BRIGHT = PromptRow(1, "bright", color="#ff0000")
DARK = PromptRow(2, "dark", color="#00ff00")


class FakeView:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.status: list[str] = [""]
        self.encoded: list[str] = [""]
        self.progress: list[tuple[int, int]] = []
        self.running = False
        self.presence: Mapping[int, str] = {}
        self.suggested: list[float] = []
        self.chosen: dict[int, float] = {}
        self.settings = ResultSettings()

    def show_status(self, text: str) -> None:
        self.status.append(text)

    def show_encoded(self, text: str) -> None:
        self.encoded.append(text)

    def show_progress(self, done: int, total: int) -> None:
        self.progress.append((done, total))

    def show_running(self, running: bool) -> None:
        self.running = running

    def show_presence(self, sentences: Mapping[int, str]) -> None:
        self.presence = sentences

    def suggest_threshold(self, threshold: float) -> None:
        self.suggested.append(threshold)

    def thresholds(self) -> Mapping[int, float]:
        return self.chosen

    def result_settings(self) -> ResultSettings:
        return self.settings


class Bench:
    """A viewer with a controller, and hands to work them."""

    def __init__(self, qtbot: Any, engine: FakeEngine) -> None:
        self.qtbot, self.viewer = qtbot, ViewerModel()
        self.engine, self.view = engine, FakeView()
        self.controller = Controller(self.viewer, self.view, self.engine)

    def start(self, image: Any, *rows: PromptRow, **asked: Any) -> None:
        self.controller.start(RunRequest(image, rows or (BRIGHT,), **asked))

    def sees(self, words: str) -> None:
        self.until(lambda: words in self.view.status[-1])

    def until(self, holds: Any) -> None:
        self.qtbot.waitUntil(holds, timeout=60_000)

    def is_idle(self) -> None:
        """Wait until nothing runs in the background, labels included."""
        self.until(lambda: not WorkerBase._worker_set and not self.view.running)
        self.qtbot.wait(1)

    def run(self, image: Any, *rows: PromptRow, **asked: Any) -> None:
        self.start(image, *rows, **asked)
        self.is_idle()
        assert "failed" not in self.view.status[-1]

    def hold(self, after: int) -> None:
        """Have the engine wait after so many more tiles."""
        self.engine.tiles_before_gate = self.engine.computed + after
        self.engine.gate.clear()

    def layer(self, words: str) -> Any:
        return next(each for each in self.viewer.layers if words in each.name)

    @property
    def told(self) -> list[str]:
        return [record.message for record in notification_manager.records]

    def leave(self) -> None:
        """Close, and wait until nothing is going on."""
        self.engine.gate.set()
        self.controller.close()
        self.until(lambda: not WorkerBase._worker_set)
