"""The panel in a real viewer: the first run against further prompts, and gaps of the event loop.

A display is needed, or a virtual one: ``xvfb-run -a python -m benchmarks panel``. A prompt is done
when its probability and its labels are in the viewer, counted from the key that asked for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from napari_clipseg.io.demo import demo_image

SIDE = 4096
PROMPTS = ("nuclei", "background", "cells", "red blood cells", "nucleoli")
LONG_GAP = 0.1
BEAT_MS = 20
"""Milliseconds between two signs of life of the event loop; more of them would take its time."""

REST_SECONDS = 5.0
"""Between two prompts, so that none pays for what the one before left to be drawn."""


class Person:
    """Somebody with a napari window, our panel in it, and a clock.

    Attributes
    ----------
    gaps : list of float
        Seconds between two turns of the event loop.
    """

    def __init__(self) -> None:
        import napari
        from qtpy.QtCore import QTimer

        self.viewer = napari.Viewer()
        _, self.panel = self.viewer.window.add_plugin_dock_widget("napari-clipseg")
        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._beat = QTimer()
        self._beat.timeout.connect(self._note)
        self._beat.start(BEAT_MS)

    def ask(self, text: str) -> float:
        """Have the only row ask for a text; return the seconds until it is said what was found."""
        self.rest(REST_SECONDS)
        self.gaps.clear()
        begun, rows = time.perf_counter(), self.panel.prompts.entries
        if rows:
            self.panel.prompts.change(rows[0].row.key, text=text)
        else:
            self.panel.prompts.add_texts([text])
            self.panel.run.click()
        self._until(lambda: f"{text}: " in self.panel.status.text())
        return time.perf_counter() - begun

    def rest(self, seconds: float) -> None:
        """Let the event loop turn."""
        end = time.perf_counter() + seconds
        self._until(lambda: time.perf_counter() > end)

    def leave(self) -> None:
        """Close the window."""
        self.viewer.close()

    def _until(self, holds: Callable[[], bool]) -> None:
        from qtpy.QtCore import QEventLoop
        from qtpy.QtWidgets import QApplication

        waiting = QEventLoop.ProcessEventsFlag.WaitForMoreEvents
        while not holds():
            QApplication.processEvents(waiting)  # as an application waits: not at work meanwhile

    def _note(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now


def measure() -> dict[str, Any]:
    """Return the seconds of each prompt, and how often and how long the event loop stood."""
    person = Person()
    demo = demo_image()
    repeats = [-(-SIDE // side) for side in demo.shape]
    person.viewer.add_image(np.tile(demo, repeats)[:SIDE, :SIDE], name="demo")
    rows = []
    for text in PROMPTS:
        seconds = person.ask(text)
        gaps = {"longest": max(person.gaps), "long": sum(gap > LONG_GAP for gap in person.gaps)}
        rows.append({"prompt": text, "seconds": seconds, **gaps, "turns": len(person.gaps)})
    person.leave()
    further = float(np.median([row["seconds"] for row in rows[1:]]))
    return {"side": SIDE, "rows": rows, "ratio": rows[0]["seconds"] / further}


def table(results: dict[str, Any]) -> str:
    """Return results as Markdown."""
    head = f"| prompt | s | longest gap, s | gaps above {LONG_GAP} s |\n|---|---|---|---|"
    lines = [
        f"| {row['prompt']} | {row['seconds']:.1f} | {row['longest']:.2f} "
        f"| {row['long']} of {row['turns']:,} |"
        for row in results["rows"]
    ]
    ratio = f"A further prompt is {results['ratio']:.1f} times as fast as the first run."
    return "\n".join([head, *lines, "", ratio])
