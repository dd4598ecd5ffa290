"""Make the pictures of the widget, from real runs of the starter model.

``xvfb-run -a -s '-screen 0 1400x1000x24' python docs/make_widget_pictures.py``
"""

import time
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as imageio
import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_clipseg import Panel
from napari_clipseg.io.demo import demo_image, demo_truth

IMAGES = Path(__file__).parent / "images"
WINDOW = (1300, 900)
PART = np.s_[:256, :320]
FEWEST_COLOURS = 50
"""A picture of fewer colours is a black canvas, or nothing at all."""


def main() -> None:
    """Write ``panel-dark.png``, ``panel-light.png`` and ``result.png``."""
    viewer = napari.Viewer(title="napari")
    viewer.add_image(demo_image()[PART], name="nuclei")
    panel = Panel(viewer)
    dock = viewer.window.add_dock_widget(panel, name="Find by text or example", area="right")
    viewer.window.resize(*WINDOW)
    dock.setFixedWidth(320)
    type_prompts(panel, "nuclei; background")
    paint(panel)
    panel.run.click()
    wait_for(lambda: "object" in panel.status.text() and panel.run.isEnabled())
    save_panel(panel, "panel-dark.png")
    viewer.theme = "light"
    save_panel(panel, "panel-light.png")
    viewer.theme = "dark"
    show_result(viewer)
    check(IMAGES / "result.png", viewer.screenshot(None, canvas_only=False, flash=False))
    viewer.close()


def type_prompts(panel: Panel, text: str) -> None:
    """Type prompts and press Enter; the first one is then the current one."""
    wait()
    QTest.keyClicks(panel.line, text)
    QTest.keyClick(panel.line, Qt.Key.Key_Return)


def paint(panel: Panel) -> None:
    """Paint one nucleus of average size as the example of the current prompt."""
    panel.detail.paint.click()
    example, truth = panel.detail.example.value(), demo_truth()[PART]
    typical = average(truth)
    example.data = (truth == typical).astype(np.uint8)
    wait_for(panel.detail.picture.isVisible)


def average(truth: np.ndarray) -> int:
    """Return the label of the object whose size is in the middle."""
    labels, sizes = np.unique(truth[truth > 0], return_counts=True)
    return int(labels[np.argsort(sizes)[len(sizes) // 2]])


def show_result(viewer: napari.Viewer) -> None:
    """Leave the image and the labels visible."""
    for layer in viewer.layers:
        layer.visible = layer.name == "nuclei" or layer.name.endswith("(labels)")
    wait()


def save_panel(panel: QWidget, name: str) -> None:
    """Write a picture of the panel alone."""
    wait()
    panel.grab().save(str(IMAGES / name))
    check(IMAGES / name)


def check(path: Path, picture: np.ndarray | None = None) -> None:
    """Write a picture if there is one, and refuse it if it shows nothing."""
    if picture is not None:
        imageio.imwrite(path, picture)
    pixels = imageio.imread(path)
    colours = len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0))
    assert colours > FEWEST_COLOURS, f"{path} has only {colours} colours"
    print(f"{path.name}: {pixels.shape[1]} x {pixels.shape[0]} px, {colours} colours")


def wait(seconds: float = 0.6) -> None:
    """Let napari draw."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def wait_for(done: Callable[[], bool], seconds: float = 550) -> None:
    """Let napari work until something is true."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "the run takes too long"
        wait(0.1)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    main()
