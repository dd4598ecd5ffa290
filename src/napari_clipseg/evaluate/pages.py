"""A report as files: table and page for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import html
import math
from collections.abc import Iterator, Sequence
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
    own = f"IoU at {report.run['threshold']:g}"
    return [
        "concept",
        "n",
        own,
        "best IoU",
        "best IoU_BIN",
        "AP",
        "classical",
        *report.total.others,
    ]


def _cells(report: Report) -> Iterator[list[str]]:
    """Yield the head and the rows of the table, the row of all concepts last."""
    yield _head(report)
    for row in (*report.rows[:ROWS_SHOWN], report.total):
        yield [
            row.concept,
            str(row.samples),
            f"{row.iou:.3f}",
            f"{row.best.value:.3f}{_place(report, row.best)}",
            f"{row.binary.value:.3f}",
            "-" if math.isnan(row.average_precision) else f"{row.average_precision:.3f}",
            _classical(row),
            *(f"{best.value:.3f}" for best in row.others.values()),
        ]


def _place(report: Report, best: Best) -> str:
    """Return the threshold of a best value in brackets, where thresholds matter."""
    return f" ({best.threshold:g})" if report.run["graded"] else ""


def _classical(row: Row) -> str:
    if row.classical is None:
        return "-"
    return f"{row.classical.iou:.3f} ({row.classical.channel}, {row.classical.polarity})"


def _notes(report: Report) -> Iterator[str]:
    run = report.run
    yield (
        f"{run['model']} on {run['data']}, task {run['task']}, "
        f"{run['pictures']} of {run['of_pictures']} pictures"
    )
    if len(report.rows) > ROWS_SHOWN:
        yield f"{len(report.rows) - ROWS_SHOWN} more concepts are in the files"
    for name, best in report.means.items():
        yield f"mIoU over {name}: {best.value:.3f}{_place(report, best)}"
    for index, value in enumerate(report.folds):
        if not math.isnan(value):
            yield f"mIoU over the classes of fold {index}: {value:.3f}"
    if not math.isnan(report.absent_area):
        yield f"area above 0.5 for words of absent things: {report.absent_area:.1%}"
    better, count = report.beaten()
    yield f"better than the best classical threshold on {better} of {count} concepts"


def _write_csv(report: Report, path: Path) -> None:
    fixed = [f"iou_at_{threshold:g}" for threshold in report.total.fixed]
    others = [f"{name}_best_iou" for name in report.total.others]
    head = ["concept", "samples", "iou", "best_iou", "best_threshold", "best_iou_bin", "ap"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*head, *fixed, "classical_iou", *others])
        for row in (*report.rows, report.total):
            classical = row.classical.iou if row.classical else ""
            best = [row.best.value, row.best.threshold, row.binary.value, row.average_precision]
            rest = [*row.fixed.values(), classical, *(each.value for each in row.others.values())]
            writer.writerow([row.concept, row.samples, row.iou, *best, *rest])


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
