"""A report as files: table and page for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import html
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_clipseg.atomic import atomic_path, writable_folder
from napari_clipseg.evaluate.drawing import Line, Plot, draw
from napari_clipseg.evaluate.metrics import Best
from napari_clipseg.evaluate.report import Report, Row
from napari_clipseg.io.overlay import write_png

ROWS_SHOWN = 40
"""Concepts that a table shows at most; JSON and CSV have all."""

_COMPARED: Mapping[str, Callable[[Row], float]] = {
    "iou": lambda row: row.iou,
    "best_iou": lambda row: row.best.value,
    "ap": lambda row: row.average_precision,
    "full_ap": lambda row: row.full_average_precision,
}
"""Columns of the CSV file for each further model."""

STYLE = (
    "body{font:15px sans-serif;max-width:1500px;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{padding:.25em .8em;border-bottom:1px solid #ddd}"
    "td:not(:first-child){text-align:right}img{max-width:100%}"
)


def table(report: Report) -> str:
    """Return the results as a Markdown table with what concerns all rows below."""
    lines = [f"| {' | '.join(cells)} |" for cells in _cells(report)]
    lines.insert(1, "|" + "---|" * len(_head(report)))
    return "\n".join([*lines, "", *_notes(report)])


def write_report(report: Report, sheet: npt.NDArray[np.uint8], folder: Path) -> None:
    """Write ``results.json``, ``results.csv``, ``curves.png``, ``pictures.png``, ``report.html``.

    Parameters
    ----------
    report : Report
    sheet : ndarray (H, W, 3) uint8
        The best and the worst answers.
    folder : Path
        Made if it is missing; files of an earlier run are replaced.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    writable_folder(folder)
    with atomic_path(folder / "results.json") as unfinished:
        unfinished.write_text(report.to_json(), encoding="utf-8")
    with atomic_path(folder / "results.csv") as unfinished:
        _write_csv(report, unfinished)
    write_png(folder / "curves.png", draw(_plots(report)))
    write_png(folder / "pictures.png", sheet)
    with atomic_path(folder / "report.html") as unfinished:
        unfinished.write_text(_page(report), encoding="utf-8")


def _head(report: Report) -> list[str]:
    models = report.run["models"]
    others = [
        f"{name} at {models[name]['threshold']:g} (best)" if report.run["graded"] else name
        for name in report.total.others
    ]
    own = f"IoU at {report.run['threshold']:g}" if report.run["graded"] else "IoU"
    values = [own, "best IoU", "best IoU_BIN", "AP", "full AP"]
    return ["concept", "n", *values, "classical", *others]


def _cells(report: Report) -> Iterator[list[str]]:
    """Yield the head and the rows of the table, the row of all concepts last."""
    yield _head(report)
    for row in (*report.rows[:ROWS_SHOWN], report.total):
        yield [
            row.concept,
            str(row.samples),
            _value(row.iou),
            f"{_value(row.best.value)}{_place(row.best)}",
            _value(row.binary.value),
            _value(row.average_precision),
            _value(row.full_average_precision),
            _classical(row),
            *(_other(each) for each in row.others.values()),
        ]


def _other(row: Row) -> str:
    """Return IoU of another model with the best one in brackets, where thresholds matter."""
    best = "" if math.isnan(row.best.threshold) else f" ({_value(row.best.value)})"
    return f"{_value(row.iou)}{best}"


def _value(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _place(best: Best) -> str:
    """Return the threshold of a best value in brackets, where thresholds matter."""
    return "" if math.isnan(best.threshold) else f" ({best.threshold:g})"


def _classical(row: Row) -> str:
    if row.classical is None:
        return "-"
    return f"{row.classical.iou:.3f} ({row.classical.channel}, {row.classical.polarity})"


def _notes(report: Report) -> Iterator[str]:
    run = report.run
    split = f", split {run['split']}" if "split" in run else ""
    yield (
        f"{run['model']} on {run['data']}{split}, task {run['task']}, "
        f"{run['pictures']} of {run['of_pictures']} pictures"
    )
    if run["void_pictures"]:
        yield f"pictures left out because no pixel counts: {run['void_pictures']}"
    if len(report.rows) > ROWS_SHOWN:
        yield f"{len(report.rows) - ROWS_SHOWN} more concepts are in the files"
    for name, best in report.means.items():
        yield f"mIoU over {name}: {best.value:.3f}{_place(best)}"
    for index, value in enumerate(report.folds):
        if not math.isnan(value):
            yield f"mIoU over the classes of fold {index}: {value:.3f}"
    yield from _absent(report)
    better, count = report.beaten()
    yield f"better than the best classical threshold on {better} of {count} concepts"
    if run["graded"]:
        yield (
            "AP is the paper's: it spans only the recalls that thresholds reach, so a better model "
            "can have a lower one; compare models by IoU or by full AP, which spans them all"
        )


def _absent(report: Report) -> Iterator[str]:
    for name, area in report.absent_areas.items():
        if not math.isnan(area):
            whose = f", {name}" if len(report.absent_areas) > 1 else ""
            threshold = report.run["models"][name]["threshold"]
            yield f"area above {threshold:g} for words of absent things{whose}: {area:.1%}"


def _write_csv(report: Report, path: Path) -> None:
    fixed = [f"iou_at_{threshold:g}" for threshold in report.total.fixed]
    others = [f"{name}_{value}" for name in report.total.others for value in _COMPARED]
    head = ["concept", "samples", "iou", "best_iou", "best_threshold", "best_iou_bin"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*head, "ap", "full_ap", *fixed, "classical_iou", *others])
        for row in (*report.rows, report.total):
            classical = row.classical.iou if row.classical else math.nan
            values = [
                *(row.iou, row.best.value, row.best.threshold, row.binary.value),
                *(row.average_precision, row.full_average_precision, *row.fixed.values()),
                classical,
                *(value(each) for each in row.others.values() for value in _COMPARED.values()),
            ]
            cells = ["" if math.isnan(value) else value for value in values]
            writer.writerow([row.concept, row.samples, *cells])


def _plots(report: Report) -> Sequence[Plot]:
    curves = {name: np.asarray(values) for name, values in report.curves.items()}
    threshold, recall = curves.pop("threshold"), curves.pop("recall")
    precision = curves.pop("precision")
    scores = [Line(name, threshold, values) for name, values in curves.items()]
    order = np.argsort(recall)
    found = Line("all samples", recall[order], precision[order])
    return [
        Plot("agreement", "threshold", scores),
        Plot("precision over recall", "recall", [found]),
    ]


def _page(report: Report) -> str:
    head, *rows = _cells(report)
    lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in _notes(report))
    title = html.escape(f"{report.run['model']} on {report.run['data']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style><h1>{title}</h1><table>{body}</table>{notes}"
        '<h2>Curves</h2><img src="curves.png" alt="agreement and precision">'
        '<h2>Best and worst</h2><img src="pictures.png" alt="best and worst answers"></html>\n'
    )
