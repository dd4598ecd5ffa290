"""What a benchmark says, as values: a row for each concept, means, folds and curves."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from napari_clipseg import __version__
from napari_clipseg.errors import SettingError
from napari_clipseg.evaluate.benchmark import Benchmark, Found
from napari_clipseg.evaluate.classical import Threshold
from napari_clipseg.evaluate.metrics import (
    FIXED_THRESHOLDS,
    MEAN_IOUS,
    THRESHOLDS,
    Best,
    Curve,
    Tally,
    at,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where a data set was read from.

    Parameters
    ----------
    folder, format, split : str
    fold : int, optional
        The only one whose classes were asked for.
    """

    folder: str
    format: str
    split: str
    fold: int | None = None


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
    average_precision, full_average_precision : float
        The authors' and the ordinary one, see :class:`~napari_clipseg.evaluate.metrics.Counts`;
        nan where the task leaves no probabilities.
    fixed : mapping of float to float
        Foreground IoU at the paper's thresholds.
    classical : Threshold, optional
        Best threshold of a channel; None for rows of several concepts, and where no picture
        shows the concept.
    others : mapping of str to Row
        The other models' row of the same concept.

    Notes
    -----
    Where no picture shows the concept all values are nan: IoU would be 0 however right the answer.
    """

    concept: str
    samples: int
    iou: float
    best: Best
    binary: Best
    average_precision: float
    full_average_precision: float
    fixed: Mapping[float, float]
    classical: Threshold | None
    others: Mapping[str, Row]


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
        Best mIoU over classes, and over samples where the task gives that a meaning. Classes
        that no picture shows do not count.
    folds : tuple of float
        Best mIoU over the classes of each fold; empty where the data set has no folds.
    absent_areas : mapping of str to float
        Model -> mean share of pixels found for words of absent things, at its own threshold.
    curves : mapping of str to sequence of float
        Of all samples together, one value for each threshold.
    """

    run: Mapping[str, Any]
    rows: tuple[Row, ...]
    total: Row
    means: Mapping[str, Best]
    folds: tuple[float, ...]
    absent_areas: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]

    @classmethod
    def of(cls, benchmark: Benchmark, origin: Origin | None = None) -> Report:
        """Return the results of the pictures taken so far.

        Raises
        ------
        SettingError
            If nothing was measured.
        """
        found = next(iter(benchmark.found.values()))
        named = [name for name in benchmark.data.concepts if name in found.tallies]
        shown = [found.tallies[name] for name in named if found.tallies[name].shown]
        if not shown:
            raise SettingError(_nothing(benchmark))
        mious = {name: MEAN_IOUS[name](shown) for name in benchmark.means}
        return cls(
            run=_run(benchmark, found) | (dataclasses.asdict(origin) if origin else {}),
            rows=tuple(_row(benchmark, name, [name]) for name in named),
            total=_row(benchmark, "all", named),
            means={name: _best(benchmark, curve) for name, curve in mious.items()},
            folds=tuple(_folds(benchmark, found)),
            absent_areas={name: each.absent_area for name, each in benchmark.found.items()},
            curves=_curves(Tally.total(found.tallies[name] for name in named), mious),
        )

    def beaten(self) -> tuple[int, int]:
        """Return on how many concepts the model, at its own threshold, beats the classical one.

        The second number is that of all concepts that a picture shows.
        """
        pairs = [(row.iou, row.classical.iou) for row in self.rows if row.classical]
        return sum(iou > classical for iou, classical in pairs), len(pairs)

    def to_json(self) -> str:
        """Return all results as JSON."""
        return json.dumps(_finite(dataclasses.asdict(self)), indent=2)


def _nothing(benchmark: Benchmark) -> str:
    """Return the error of a benchmark that measured nothing."""
    return (
        f"nothing was measured: of {len(benchmark.pictures)} pictures of {benchmark.data.name} "
        f"none shows a concept that the task {benchmark.options.task} could ask for; look whether "
        "the masks are where the format wants them and mark any pixel, whether the split and the "
        "fold are the right ones, and, for one-shot, whether two pictures show the same concept"
    )


def _run(benchmark: Benchmark, found: Found) -> dict[str, Any]:
    segmenter, options = found.segmenter, benchmark.options
    return {
        "version": __version__,
        "data": benchmark.data.name,
        "task": options.task,
        "pictures": len(benchmark.pictures),
        "of_pictures": len(benchmark.data.pictures),
        "limit": options.limit,
        "void_pictures": benchmark.void,
        "absent_words": list(benchmark.nowhere),
        "contrast": options.contrast,
        "model": segmenter.model_name,
        "weights": segmenter.weights_hash,
        "threshold": found.threshold,
        "graded": benchmark.graded,
        "settings": segmenter.settings(),
        "models": {
            name: {
                "weights": each.segmenter.weights_hash,
                "threshold": each.threshold,
                "settings": each.segmenter.settings(),
            }
            for name, each in benchmark.found.items()
        },
    }


def _row(benchmark: Benchmark, name: str, concepts: Sequence[str]) -> Row:
    first, *others = (
        (model, _row_of(found, benchmark, name, concepts))
        for model, found in benchmark.found.items()
    )
    classical = benchmark.classical[name].best() if name in benchmark.classical else None
    return dataclasses.replace(
        first[1],
        classical=None if math.isnan(first[1].iou) else classical,
        others=dict(others),
    )


def _row_of(found: Found, benchmark: Benchmark, name: str, concepts: Sequence[str]) -> Row:
    """Return one model's row, with nothing that it is compared with."""
    tally = Tally.total(found.tallies[each] for each in concepts)
    counts, ranked = tally.counts, tally.shown and benchmark.graded
    foreground, binary = _if_shown(tally, counts.iou_fg), _if_shown(tally, counts.iou_bin)
    return Row(
        concept=name,
        samples=tally.samples,
        iou=at(foreground, found.threshold),
        best=_best(benchmark, foreground),
        binary=_best(benchmark, binary),
        average_precision=counts.average_precision if ranked else math.nan,
        full_average_precision=counts.full_average_precision if ranked else math.nan,
        fixed={threshold: at(foreground, threshold) for threshold in FIXED_THRESHOLDS},
        classical=None,
        others={},
    )


def _if_shown(tally: Tally, curve: Curve) -> Curve:
    return curve if tally.shown else np.full_like(curve, math.nan)


def _best(benchmark: Benchmark, curve: Curve) -> Best:
    """Return the best of a curve; its threshold is nan where it says nothing."""
    best = Best.of(curve)
    told = benchmark.graded and not math.isnan(best.value)
    return best if told else Best(best.value, math.nan)


def _folds(benchmark: Benchmark, found: Found) -> Iterator[float]:
    for fold in benchmark.data.folds:
        tallies = [found.tallies[name] for name in fold if name in found.tallies]
        shown = [tally for tally in tallies if tally.shown]
        yield Best.of(MEAN_IOUS["class"](shown)).value if shown else math.nan


def _curves(total: Tally, mious: Mapping[str, Curve]) -> dict[str, Sequence[float]]:
    curves = {
        "threshold": THRESHOLDS,
        "IoU_FG": total.counts.iou_fg,
        "IoU_BIN": total.counts.iou_bin,
        "precision": total.counts.precision,
        "recall": total.counts.recall,
        **{f"mIoU over {name}": curve for name, curve in mious.items()},
    }
    return {name: [float(value) for value in curve] for name, curve in curves.items()}


def _finite(value: Any) -> Any:
    """Return JSON values in which what is not a number is null, as the standard wants it."""
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
