"""napari-clipseg evaluate: how good a model is on pictures whose truth is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import click

from napari_clipseg.cli.fields import PATH, argument, command, option
from napari_clipseg.cli.options import Contrast, Device, Output, Zoom
from napari_clipseg.model.catalog import DEFAULT_MODEL

Dataset = Annotated[Path, argument("DATASET")]

Format = Annotated[
    str, option("folder, coco-instances, coco-panoptic, phrasecut or voc.", default="folder")
]

Split = Annotated[
    str,
    option(
        "Which list of pictures: train, val, eval; for COCO for instance val2017.", default="val"
    ),
]

Limit = Annotated[
    int | None,
    option("Only N pictures, spread evenly over the list.", type=click.IntRange(1), metavar="N"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class EvaluateJob:
    """All that ``evaluate`` was asked to do; each field is the option of its name."""

    dataset: Dataset
    model: Annotated[
        tuple[str, ...],
        option(
            "A name from `napari-clipseg weights list`, a file or folder, or a hub id; further "
            "ones are compared with the first.",
            multiple=True,
            default=(DEFAULT_MODEL,),
            metavar="NAME|PATH|HUB-ID",
        ),
    ]
    task: Annotated[
        str,
        option(
            "Each phrase by itself, all concepts in competition, or by an example.",
            type=click.Choice(["referring", "zero-shot", "one-shot"]),
            default="referring",
        ),
    ]
    output: Output
    split: Split
    limit: Limit
    format: Format
    fold: Annotated[
        int | None,
        option("Only the classes of one fold of Pascal-5i or COCO-20i.", type=click.IntRange(0, 3)),
    ]
    baseline: Annotated[
        tuple[Path, ...],
        option(
            "Weights of CLIP-Deconv or ViTSeg to compare with; repeatable.",
            type=PATH,
            multiple=True,
        ),
    ]
    absent: Annotated[
        tuple[str, ...],
        option(
            "What no picture shows; repeatable.",
            multiple=True,
            metavar="WORD",
            show_default="a few such words",
        ),
    ]
    contrast: Contrast
    zoom: Zoom
    device: Device


@command
def evaluate(job: EvaluateJob) -> None:
    """Measure a model, or several, on a data set with masks.

    DATASET is a folder, see docs/evaluation.md. Prints a table with one row for each concept,
    beside it the best threshold of a colour channel, and writes JSON, CSV, curves and the best
    and worst pictures.
    """
    from napari_clipseg.cli.evaluate_run import run_evaluation

    run_evaluation(job)
