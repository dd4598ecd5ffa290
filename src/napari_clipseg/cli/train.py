"""napari-clipseg train: a model of one's own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from napari_clipseg.cli.fields import PATH, argument, command, option
from napari_clipseg.cli.options import Output

Config = Annotated[Path, argument("CONFIG.toml")]

Data = Annotated[Path | None, option("Folder of data sets, with INDEX.json.", type=PATH)]

TrainDevice = Annotated[
    str | None,
    option("auto, cpu, cuda, cuda:1 ... or mps.", show_default="what CONFIG.toml says, else auto"),
]


@dataclasses.dataclass(frozen=True, slots=True)
class TrainJob:
    """All that ``train`` was asked to do; each field is the option of its name."""

    config: Config
    data: Data
    output: Output
    resume: Annotated[
        bool,
        option(
            "Go on from the checkpoint in the output folder. Without it, what an earlier run left "
            "there is removed.",
            is_flag=True,
        ),
    ]
    device: TrainDevice


@command
def train(job: TrainJob) -> None:
    """Train a model on your own images.

    CONFIG.toml says how, see docs/training.md. Writes the weights, logs and curves, and prints
    how well each concept is found.
    """
    from napari_clipseg.cli.train_run import run_training

    run_training(job)
