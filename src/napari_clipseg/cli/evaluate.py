"""napari-clipseg evaluate: how good a model is on pictures whose truth is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from napari_clipseg.cli.options import CONTRAST, DEVICE, MODEL, OUTPUT, PATH, ZOOM


@dataclasses.dataclass(frozen=True, slots=True)
class EvaluateJob:
    """All that ``evaluate`` was asked to do; each field is the option of its name."""

    dataset: Path
    model: str
    baseline: tuple[Path, ...]
    task: str
    format: str
    split: str
    limit: int | None
    fold: int | None
    absent: tuple[str, ...]
    output: Path
    contrast: str | tuple[float, float]
    zoom: tuple[float, ...]
    device: str


def _run(**given: Any) -> None:
    from napari_clipseg.cli.evaluate_run import run_evaluation

    run_evaluation(EvaluateJob(**given))


DATASET = click.Argument(["dataset"], type=PATH)

FORMAT = click.Option(
    ["--format"],
    default="folder",
    show_default=True,
    help="folder, coco-instances, coco-panoptic, phrasecut or voc.",
)

SPLIT = click.Option(
    ["--split"],
    default="val",
    show_default=True,
    help="Which list of pictures: train, val, eval; for COCO for instance val2017.",
)

LIMIT = click.Option(
    ["--limit"],
    type=click.IntRange(1),
    metavar="N",
    help="Only N pictures, spread evenly over the list.",
)

evaluate = click.Command(
    "evaluate",
    callback=_run,
    params=[
        DATASET,
        MODEL,
        click.Option(
            ["--task"],
            type=click.Choice(["referring", "zero-shot", "one-shot"]),
            default="referring",
            show_default=True,
            help="Each phrase by itself, all concepts in competition, or by an example.",
        ),
        OUTPUT,
        SPLIT,
        LIMIT,
        FORMAT,
        click.Option(
            ["--fold"],
            type=click.IntRange(0, 3),
            help="Only the classes of one fold of Pascal-5i or COCO-20i.",
        ),
        click.Option(
            ["--baseline"],
            type=PATH,
            multiple=True,
            help="Weights of CLIP-Deconv or ViTSeg to compare with; repeatable.",
        ),
        click.Option(
            ["--absent"],
            multiple=True,
            metavar="WORD",
            help="What no picture shows; repeatable.  [default: a few such words]",
        ),
        CONTRAST,
        ZOOM,
        DEVICE,
    ],
    short_help="Measure a model on a data set with masks.",
    help="""Measure a model on a data set with masks, see docs/evaluation.md.

    DATASET is a folder. Prints a table with one row for each concept, beside it the best
    threshold of a colour channel, and writes JSON, CSV, curves and the best and worst pictures.
    """,
)
