"""napari-clipseg train: a model of one's own."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from napari_clipseg.cli.options import PATH


@click.command()
@click.argument("config", type=PATH, metavar="CONFIG.toml")
@click.option("--data", type=PATH, help="Folder of data sets, with INDEX.json.")
@click.option("--output", "-o", type=PATH, required=True, help="Folder for the results.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the output folder.")
def train(config: Path, data: Path | None, output: Path, resume: bool) -> None:
    """Train a model as CONFIG.toml says, see docs/training.md."""
    from napari_clipseg.io.atomic import writable_folder
    from napari_clipseg.train.config import read_config
    from napari_clipseg.train.loop import train as train_model

    if not config.is_file():
        raise FileNotFoundError(f"there is no file {config}")
    settings = read_config(config)
    writable_folder(output)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    result = train_model(settings, output, data=data, resume=resume)
    click.echo(result.validation.table())
    click.echo(f"the weights are in {result.weights}")
