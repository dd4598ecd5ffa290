"""From the prompt to the pixels on the screen, with a real network of random weights."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.io.demo import demo_image
from napari_clipseg.widget.job import Load, load_segmenter


@pytest.fixture
def engine() -> Load:
    return load_segmenter


@pytest.mark.display
def test_text_then_text_with_an_example_reach_the_screen(person, tiny_weights, tiny_model):
    image = demo_image()[:192, :256]
    person.viewer.add_image(image, contrast_limits=(0, 255), scale=(0.5, 0.5), units=("um", "um"))
    person.panel.model.add_model(str(tiny_weights))
    person.run("nuclei")
    usual = pytest.approx(tiny_model.config.threshold)
    assert person.panel.prompts.entries[0].row.threshold == usual
    probability = person.layer("(probability)").data
    expected = Segmenter(tiny_weights).probability(image, "nuclei", contrast=(0.0, 255.0))
    np.testing.assert_allclose(probability, expected, atol=1e-5)

    person.press(person.panel.detail.paint)
    example = person.panel.detail.example.value()
    example.data[50:60, 50:60] = 1
    person.run()
    mixed = person.layer("nuclei + example (probability)").data
    assert mixed.std() > 0
    assert not np.allclose(mixed, probability)

    person.qtbot.wait(400)
    screen = person.viewer.screenshot(canvas_only=True, flash=False)
    assert len(np.unique(screen.reshape(-1, 4), axis=0)) > 50


FRESH = """
import sys, time
import napari
from napari_clipseg.io.demo import demo_image
from napari_clipseg.widget.panel import Panel
from qtpy.QtWidgets import QApplication

viewer = napari.Viewer()
viewer.add_image(demo_image()[:100, :100])
panel = Panel(viewer)
viewer.window.add_dock_widget(panel)
panel.model.add_model(sys.argv[1])
panel.line.setText("nuclei")
for _ in range(50):
    QApplication.processEvents()
    time.sleep(0.01)
viewer.screenshot(flash=False)
assert "torch" not in sys.modules and "open_clip" not in sys.modules
panel.run.click()
while "object" not in panel.status.text():
    assert "failed" not in panel.status.text(), panel.status.text()
    QApplication.processEvents()
    time.sleep(0.01)
viewer.close()
"""


@pytest.mark.display
@pytest.mark.slow
def test_torch_comes_in_with_the_first_run_and_lives_beside_the_canvas(tiny_weights, tmp_path):
    environment = {**os.environ, "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(tiny_weights)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
