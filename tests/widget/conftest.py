from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_clipseg.widget.job import Load
from napari_clipseg.widget.panel import Panel
from napari_clipseg.widget.preload import give_triton_its_own_llvm

# these tests draw before some of them import torch
give_triton_its_own_llvm()

# the tests of this folder share the engine that lies beside them
sys.path.insert(0, str(Path(__file__).parent))

from bench import Bench  # noqa: E402
from fake_engine import FakeEngine  # noqa: E402


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch):
    engine = FakeEngine()
    monkeypatch.setattr("napari_clipseg.widget.run.check_present", lambda model: None)
    monkeypatch.setattr("napari_clipseg.widget.estimate.check_present", lambda model: None)
    yield engine
    engine.gate.set()


@pytest.fixture
def bench(qtbot: Any, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("napari_clipseg.widget.feature_cache.cache_folder", lambda: tmp_path)
    notification_manager.records.clear()
    bench = Bench(qtbot, engine)
    yield bench
    bench.leave()


class Person:
    """Sits at a viewer with the panel open, and has a mouse and a keyboard."""

    def __init__(self, viewer: Any, load: Load, qtbot: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.panel = Panel(viewer, load)
        self.dock = viewer.window.add_dock_widget(self.panel)
        notification_manager.records.clear()

    def add(self, text: str) -> None:
        """Type a prompt and press Enter."""
        QTest.keyClicks(self.panel.line, text)
        QTest.keyClick(self.panel.line, Qt.Key.Key_Return)

    def press(self, button: Any) -> None:
        QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))

    def drag(self, bar: Any, *steps: int) -> None:
        """Drag a slider from its middle and keep the mouse down."""
        start = QPoint(bar.width() // 2, bar.height() // 2)
        QTest.mousePress(bar, Qt.MouseButton.LeftButton, pos=start)
        for step in steps:
            QTest.mouseMove(bar, start + QPoint(step, 0))

    def let_go(self, bar: Any) -> None:
        QTest.mouseRelease(bar, Qt.MouseButton.LeftButton)

    def choose(self, combo: Any, text: str) -> None:
        """Choose an entry of a combo by its text, as with the keyboard."""
        texts = [combo.itemText(index) for index in range(combo.count())]
        assert text in texts, texts
        while combo.currentText() != text:
            down = texts.index(text) > combo.currentIndex()
            QTest.keyClick(combo, Qt.Key.Key_Down if down else Qt.Key.Key_Up)

    def go_to(self, row: int) -> None:
        self.panel.table.go_to(self.panel.prompts.entries[row].row.key)

    def sees(self, words: str) -> None:
        """Wait until the status line holds these words."""

        def check() -> None:
            assert words in self.panel.status.text()

        self.qtbot.waitUntil(check, timeout=60_000)

    def run(self, text: str = "") -> None:
        """Add a prompt if there is one, press Run and wait for the labels."""
        QTest.keyClicks(self.panel.line, text)
        self.press(self.panel.run)
        self.is_done()

    def is_done(self) -> None:
        self.sees("object")
        self.is_free()

    def is_free(self) -> None:
        self.qtbot.waitUntil(self.panel.run.isEnabled, timeout=60_000)

    @property
    def told(self) -> list[str]:
        return [record.message for record in notification_manager.records]

    @property
    def names(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers]

    def layer(self, words: str) -> Any:
        return next(each for each in self.viewer.layers if words in each.name)


@pytest.fixture
def show() -> bool:
    """Whether the window is really drawn, which screenshots and the mouse need."""
    return True


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
