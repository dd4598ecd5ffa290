"""napari-clipseg study: the paper's studies, repeated on a data set and weights of one's own."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import click

from napari_clipseg.cli.evaluate import Dataset, Format, Limit, Split
from napari_clipseg.cli.fields import command, option
from napari_clipseg.cli.options import Model, Output
from napari_clipseg.cli.train import Config, Data, TrainDevice


@dataclasses.dataclass(frozen=True, slots=True)
class StudyJob:
    """All that ``study visual-prompts`` was asked to do; each field is the option of its name."""

    dataset: Dataset
    model: Model
    output: Output
    split: Split
    limit: Limit
    format: Format
    word: Annotated[
        tuple[str, ...],
        option(
            "One more name to choose among, where pictures show few things; repeatable.",
            multiple=True,
            metavar="WORD",
        ),
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class AblationJob:
    """All that ``study ablation`` was asked to do; each field is the option of its name."""

    config: Config
    data: Data
    output: Output
    only: Annotated[
        tuple[str, ...],
        option(
            "Only this change; repeatable.",
            multiple=True,
            metavar="NAME",
            show_default="all, each is a training of its own",
        ),
    ]
    steps: Annotated[
        int | None,
        option(
            "Steps of each training.",
            type=click.IntRange(1),
            metavar="N",
            show_default="what CONFIG.toml says",
        ),
    ]
    device: TrainDevice


@command
def visual_prompts(job: StudyJob) -> None:
    """Measure what way of pointing CLIP understands best.

    DATASET is a folder with masks. Each object is cut out, dimmed, outlined, masked ... in turn;
    the score is the rise of the probability that CLIP gives its name, in percent points.
    Prints a table and writes it as visual-prompts.json.
    """
    from napari_clipseg.cli.evaluate_run import run_visual_prompt_study

    run_visual_prompt_study(job)


@command
def ablation(job: AblationJob) -> None:
    """Measure what each part of the method is worth.

    Trains as CONFIG.toml says, again with one thing changed, and compares. Changes are: no
    pre-training, no negatives, no visual prompts, a smaller decoder, one layer, other prompt
    images ... A study that was stopped goes on. Prints a table and writes it as ablation.md and
    ablation.json.
    """
    from napari_clipseg.cli.train_run import run_ablation

    run_ablation(job)


study = click.Group(
    "study",
    commands=[visual_prompts, ablation],
    help="Repeat a study of the paper on your own data and weights.",
)
