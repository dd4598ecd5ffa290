"""What a benchmark says, as values: a row for each concept, means, folds and curves."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from napari_clipseg.evaluate.benchmark import Benchmark, Found
from napari_clipseg.evaluate.classical import Threshold
from napari_clipseg.evaluate.metrics import (
    FIXED_THRESHOLDS,
    MEAN_IOUS,
    THRESHOLDS,
    Best,
    Tally,
    at,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """Results for one concept or for all that have the same standing.

    Parameters
    ----------
    concept : str
    samples : int
        Pictures and prompts that count.
    iou : float
        Foreground IoU at the model's own threshold.
    best, binary : Best
        Best foreground IoU and best mean of foreground and background IoU.
    average_precision : float
        nan where the task leaves no probabilities.
    fixed : mapping of float to float
        Foreground IoU at the paper's thresholds.
    classical : Threshold, optional
        Best threshold of a channel; None for rows of several concepts.
    others : mapping of str to Best
        Best foreground IoU of the other models.
    """

    concept: str
    samples: int
    iou: float
    best: Best
    binary: Best
    average_precision: float
    fixed: Mapping[float, float]
    classical: Threshold | None
    others: Mapping[str, Best]


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """All results of a benchmark.

    Parameters
    ----------
    run : mapping
        What was asked of which model, as JSON values.
    rows : tuple of Row
        One for each concept.
    total : Row
        All samples together.
    means : mapping of str to Best
        Best mIoU over classes and over samples.
    folds : tuple of float
        Best mIoU over the classes of each fold; empty where the data set has no folds.
    absent_area : float
        Mean share of pixels found for words of absent things.
    curves : mapping of str to sequence of float
        Of all samples together, one value for each threshold.
    """

    run: Mapping[str, Any]
    rows: tuple[Row, ...]
    total: Row
    means: Mapping[str, Best]
    folds: tuple[float, ...]
    absent_area: float
    curves: Mapping[str, Sequence[float]]

    @classmethod
    def of(cls, benchmark: Benchmark) -> Report:
        """Return the results of the pictures taken so far."""
        found = next(iter(benchmark.found.values()))
        named = {
            name: found.tallies[name] for name in benchmark.data.concepts if name in found.tallies
        }
        tallies = list(named.values())
        return cls(
            run=_run(benchmark, found),
            rows=tuple(_row(benchmark, name, [name]) for name in named),
            total=_row(benchmark, "all", list(named)),
            means={name: Best.of(mean(tallies)) for name, mean in MEAN_IOUS.items() if tallies},
            folds=tuple(_folds(benchmark, found)),
            absent_area=found.absent_area,
            curves=_curves(tallies),
        )

    def beaten(self) -> tuple[int, int]:
        """Return on how many concepts the model, at its own threshold, beats the classical one.

        The second number is that of all concepts.
        """
        pairs = [(row.iou, row.classical.iou) for row in self.rows if row.classical]
        return sum(iou > classical for iou, classical in pairs), len(pairs)

    def to_json(self) -> str:
        """Return all results as JSON."""
        return json.dumps(_finite(dataclasses.asdict(self)), indent=2)


def _run(benchmark: Benchmark, found: Found) -> dict[str, Any]:
    segmenter = found.segmenter
    return {
        "data": benchmark.data.name,
        "task": benchmark.options.task,
        "pictures": len(benchmark.pictures),
        "of_pictures": len(benchmark.data.pictures),
        "model": segmenter.model_name,
        "weights": segmenter.weights_hash,
        "threshold": found.threshold,
        "graded": benchmark.graded,
        "settings": segmenter.settings(),
        "models": list(benchmark.found),
    }


def _row(benchmark: Benchmark, name: str, concepts: Sequence[str]) -> Row:
    first, *others = benchmark.found.items()
    tally = _joined(first[1], concepts)
    foreground = tally.counts.iou_fg
    return Row(
        concept=name,
        samples=tally.samples,
        iou=at(foreground, first[1].threshold),
        best=Best.of(foreground),
        binary=Best.of(tally.counts.iou_bin),
        average_precision=tally.counts.average_precision if benchmark.graded else math.nan,
        fixed={threshold: at(foreground, threshold) for threshold in FIXED_THRESHOLDS},
        classical=benchmark.classical[name].best() if name in benchmark.classical else None,
        others={key: Best.of(_joined(each, concepts).counts.iou_fg) for key, each in others},
    )


def _joined(found: Found, concepts: Sequence[str]) -> Tally:
    return Tally.total(found.tallies[name] for name in concepts)


def _folds(benchmark: Benchmark, found: Found) -> Iterator[float]:
    for fold in benchmark.data.folds:
        tallies = [found.tallies[name] for name in fold if name in found.tallies]
        yield Best.of(MEAN_IOUS["class"](tallies)).value if tallies else math.nan


def _curves(tallies: Sequence[Tally]) -> dict[str, Sequence[float]]:
    total = Tally.total(tallies)
    curves = {
        "threshold": THRESHOLDS,
        "IoU_FG": total.counts.iou_fg,
        "IoU_BIN": total.counts.iou_bin,
        "precision": total.counts.precision,
        "recall": total.counts.recall,
        **{f"mIoU over {name}": mean(tallies) for name, mean in MEAN_IOUS.items() if tallies},
    }
    return {name: [float(value) for value in curve] for name, curve in curves.items()}


def _finite(value: Any) -> Any:
    """Return JSON values in which what is not a number is null, as the standard wants it."""
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
