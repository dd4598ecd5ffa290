"""napari-clipseg study: the paper's studies, repeated on a data set and weights of one's own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from napari_clipseg.cli.evaluate import DATASET, FORMAT, LIMIT, SPLIT
from napari_clipseg.cli.options import MODEL, PATH


@dataclasses.dataclass(frozen=True, slots=True)
class StudyJob:
    """All that ``study`` was asked to do; each field is the option of its name."""

    dataset: Path
    model: str
    format: str
    split: str
    limit: int | None
    word: tuple[str, ...]
    output: Path


def _run_visual_prompts(**given: Any) -> None:
    from napari_clipseg.cli.evaluate_run import run_visual_prompt_study

    run_visual_prompt_study(StudyJob(**given))


visual_prompts = click.Command(
    "visual-prompts",
    callback=_run_visual_prompts,
    params=[
        DATASET,
        MODEL,
        click.Option(["--output", "-o"], type=PATH, required=True, help="Folder for the results."),
        SPLIT,
        LIMIT,
        FORMAT,
        click.Option(
            ["--word"],
            multiple=True,
            metavar="WORD",
            help="One more name to choose among, where pictures show few things; repeatable.",
        ),
    ],
    short_help="Which way to point at an object CLIP understands best.",
    help="""Measure which way to point at an object CLIP understands best.

    DATASET is a folder with masks. Each object is cut out, dimmed, outlined, masked ... in turn;
    the score is the rise of the probability that CLIP gives its name, in percent points.
    Prints a table and writes it as visual-prompts.json.
    """,
)

study = click.Group(
    "study",
    commands=[visual_prompts],
    help="Repeat a study of the paper on your own data and weights.",
)
