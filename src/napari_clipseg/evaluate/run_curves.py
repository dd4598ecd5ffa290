"""The curves of a training run, from the tables that it leaves behind. No torch."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_clipseg.evaluate.drawing import Line, Plot, draw

LOSSES = ("mask", "align", "contrast")

_POINTS = 100
"""Points of a loss curve: each is the mean of the steps around it."""

Column = npt.NDArray[np.float64]


def run_curves(folder: Path) -> npt.NDArray[np.uint8]:
    """Return a picture (H, W, 3) of losses and validation scores over the steps.

    Parameters
    ----------
    folder : Path
        Holds ``log.csv`` and, where the run had validation pictures, ``validation.csv``.
    """
    losses = _columns(folder / "log.csv")
    last = float(losses["step"][-1])
    lines = [_smoothed(name, losses["step"], losses[name]) for name in LOSSES]
    highest = max(float(line.y.max()) for line in lines)
    plots = [Plot("losses", "step", lines, last, highest or 1.0)]
    if (folder / "validation.csv").is_file():
        plots.append(_validation(_columns(folder / "validation.csv"), last))
    return draw(plots)


def _validation(scores: Mapping[str, Column], last: float) -> Plot:
    names = {"mean IoU": "iou", "area found for absent things": "absent"}
    lines = [Line(title, scores["step"], scores[name]) for title, name in names.items()]
    return Plot("validation", "step", lines, last)


def _smoothed(name: str, step: Column, values: Column) -> Line:
    """Return a curve in which a few hundred noisy steps can be read."""
    parts = min(len(step), _POINTS)
    means = [
        [float(part.mean()) for part in np.array_split(column, parts)] for column in (step, values)
    ]
    return Line(name, *(np.array(column) for column in means))


def _columns(file: Path) -> dict[str, Column]:
    """Return the columns of a table of numbers; an empty cell is nan."""
    with file.open(encoding="utf-8") as stream:
        head, *rows = csv.reader(stream)
    table = np.array([[float(cell or "nan") for cell in row] for row in rows])
    return dict(zip(head, table.T, strict=True))
