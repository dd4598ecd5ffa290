"""The curves of a training run, from the tables that it leaves behind. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_clipseg.evaluate.drawing import Line, Plot, draw
from napari_clipseg.train.journal import LOG, SCORES, read_table

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
    log, scores = _columns(folder / LOG), _columns(folder / SCORES)
    last = max((float(table["step"][-1]) for table in (log, scores) if table), default=1.0)
    plots = [_losses(log, last)]
    if scores:
        plots.append(_validation(scores, last))
    return draw(plots)


def _losses(log: Mapping[str, Column], last: float) -> Plot:
    lines = [_smoothed(name, log["step"], log[name]) for name in LOSSES if name in log]
    values = [value for line in lines for value in line.y.tolist() if math.isfinite(value)]
    return Plot("losses", "step", lines, last, max(values, default=0.0) or 1.0, x_unit=1)


def _validation(scores: Mapping[str, Column], last: float) -> Plot:
    names = {"mean IoU": "iou", "area found for absent things": "absent"}
    lines = [Line(title, scores["step"], scores[name]) for title, name in names.items()]
    return Plot("validation", "step", lines, last, x_unit=1)


def _smoothed(name: str, step: Column, values: Column) -> Line:
    """Return a curve in which a few hundred noisy steps can be read."""
    parts = min(len(step), _POINTS)
    means = [
        [float(part.mean()) for part in np.array_split(column, parts)] for column in (step, values)
    ]
    return Line(name, *(np.array(column) for column in means))


def _columns(file: Path) -> dict[str, Column]:
    """Return the columns of a table of numbers, none if it has no row; an empty cell is nan."""
    head, *rows = read_table(file)
    if not rows:
        return {}
    table = np.array([[float(cell or "nan") for cell in row] for row in rows])
    return dict(zip(head, table.T, strict=True))
