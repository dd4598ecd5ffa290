"""napari-clipseg study: the paper's studies, repeated on a data set and weights of one's own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from napari_clipseg.cli.evaluate import DATASET, FORMAT, LIMIT, SPLIT
from napari_clipseg.cli.options import MODEL
from napari_clipseg.cli.train import CONFIG, DATA, OUTPUT, TRAIN_DEVICE


@dataclasses.dataclass(frozen=True, slots=True)
class StudyJob:
    """All that ``study visual-prompts`` was asked to do; each field is the option of its name."""

    dataset: Path
    model: str
    format: str
    split: str
    limit: int | None
    word: tuple[str, ...]
    output: Path


@dataclasses.dataclass(frozen=True, slots=True)
class AblationJob:
    """All that ``study ablation`` was asked to do; each field is the option of its name."""

    config: Path
    data: Path | None
    output: Path
    only: tuple[str, ...]
    steps: int | None
    device: str | None


def _run_visual_prompts(**given: Any) -> None:
    from napari_clipseg.cli.evaluate_run import run_visual_prompt_study

    run_visual_prompt_study(StudyJob(**given))


def _run_ablation(**given: Any) -> None:
    from napari_clipseg.cli.train_run import run_ablation

    run_ablation(AblationJob(**given))


visual_prompts = click.Command(
    "visual-prompts",
    callback=_run_visual_prompts,
    params=[
        DATASET,
        MODEL,
        OUTPUT,
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

ablation = click.Command(
    "ablation",
    callback=_run_ablation,
    params=[
        CONFIG,
        DATA,
        OUTPUT,
        click.Option(
            ["--only"],
            multiple=True,
            metavar="NAME",
            help="Only this change; repeatable.  [default: all, each is a training of its own]",
        ),
        click.Option(
            ["--steps"],
            type=click.IntRange(1),
            metavar="N",
            help="Steps of each training.  [default: what CONFIG.toml says]",
        ),
        TRAIN_DEVICE,
    ],
    short_help="What each part of the method is worth.",
    help="""Train as CONFIG.toml says, again with one thing changed, and compare.

    Changes are: no pre-training, no negatives, no visual prompts, a smaller decoder, one layer,
    other prompt images ... A study that was stopped goes on. Prints a table and writes it as
    ablation.md and ablation.json.
    """,
)

study = click.Group(
    "study",
    commands=[visual_prompts, ablation],
    help="Repeat a study of the paper on your own data and weights.",
)
