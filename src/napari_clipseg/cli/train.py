"""napari-clipseg train: a model of one's own."""

from __future__ import annotations

from typing import Any

import click

from napari_clipseg.cli.options import PATH


def _run(**given: Any) -> None:
    from napari_clipseg.cli.train_run import run_training

    run_training(**given)


CONFIG = click.Argument(["config"], type=PATH, metavar="CONFIG.toml")

DATA = click.Option(["--data"], type=PATH, help="Folder of data sets, with INDEX.json.")

OUTPUT = click.Option(["--output", "-o"], type=PATH, required=True, help="Folder for the results.")

TRAIN_DEVICE = click.Option(
    ["--device"],
    help="auto, cpu, cuda, cuda:1 ... or mps.  [default: what CONFIG.toml says, else auto]",
)

train = click.Command(
    "train",
    callback=_run,
    params=[
        CONFIG,
        DATA,
        OUTPUT,
        click.Option(
            ["--resume"], is_flag=True, help="Go on from the checkpoint in the output folder."
        ),
        TRAIN_DEVICE,
    ],
    short_help="Train a model on your own images.",
    help="""Train a model as CONFIG.toml says, see docs/training.md.

    Writes the weights, logs and curves, and prints how well each concept is found.
    """,
)
