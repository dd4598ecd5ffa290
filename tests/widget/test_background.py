"""Work in other threads: failures are told with any Qt, and no process ends in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from superqt.utils import WorkerBase

from napari_clipseg.widget.background import Listener, in_background

HERE = str(Path(__file__).parent)

A_RUN = """
import sys, time
sys.path.insert(0, sys.argv[1])
import fake_engine
import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication
from napari_clipseg.widget.panel import Panel

class Slow(fake_engine.FakeFeatures):
    def _write(self, *args):
        time.sleep(0.05)
        super()._write(*args)

fake_engine.FakeFeatures = Slow
engine = fake_engine.FakeEngine()
viewer = napari.Viewer(show=False)
viewer.add_image(np.zeros((3, 2048, 2048), np.uint8), contrast_limits=(0, 255))
panel = Panel(viewer, engine)
viewer.window.add_dock_widget(panel)
panel.image.planes.setCurrentIndex(1)
panel.line.setText("nuclei")
panel.run.click()

def begin():
    while engine.computed < 3:
        QApplication.processEvents()
        time.sleep(0.01)
    print("in the middle")
"""

WAYS = {
    "the script comes to its end": "begin()",
    "sys.exit": "begin(); sys.exit(0)",
    "the viewer is closed": "begin(); viewer.close()",
    "the application quits": "QTimer.singleShot(0, lambda: (begin(), QApplication.quit()));"
    "QApplication.exec()",
    "the window is closed while napari runs": "QTimer.singleShot(0, lambda: (begin(),"
    "viewer.close(), QApplication.quit())); napari.run(force=True)",
    "the model is being loaded": "fake_engine.FakeEngine.__call__ = lambda self, _: time.sleep(2)"
    " or self; sys.exit(print('in the middle'))",
}


@pytest.mark.display
@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_process_that_ends_in_the_middle_of_a_run_ends_well(way, tmp_path):
    environment = {**os.environ, "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", A_RUN + WAYS[way], HERE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "in the middle" in done.stdout, done.stderr
    assert done.returncode == 0, done.stderr
    for word in ("Traceback", "Error", "deleted", "Fatal"):
        assert word not in done.stderr, done.stderr


class Heard:
    """Writes down what a listener is told, and by which thread."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.threads: set[int] = set()
        self.listener = Listener(self._note, self._note, lambda: self._note("end"))

    def _note(self, what: object) -> None:
        self.told.append(what)
        self.threads.add(threading.get_ident())


@pytest.mark.display
@pytest.mark.parametrize("error", [ValueError("no"), RuntimeError("no")])
def test_a_failure_is_told_once_in_the_gui_thread_then_the_end(qtbot, error):
    heard = Heard()

    def work():
        yield 1
        raise error

    in_background(work, heard.listener, stop=lambda: None)
    qtbot.waitUntil(lambda: not WorkerBase._worker_set, timeout=20_000)
    assert heard.told == [1, error, "end"]
    assert heard.threads == {threading.get_ident()}


@pytest.mark.display
def test_work_that_is_to_quit_ends_by_itself(qtbot):
    heard, stop, begun = Heard(), threading.Event(), threading.Event()

    def work():
        begun.set()
        stop.wait(20)
        yield "what was is back"

    worker = in_background(work, heard.listener, stop.set)
    qtbot.waitUntil(begun.is_set, timeout=20_000)
    worker.quit()
    qtbot.waitUntil(lambda: not WorkerBase._worker_set, timeout=20_000)
    assert heard.told == ["what was is back", "end"]
