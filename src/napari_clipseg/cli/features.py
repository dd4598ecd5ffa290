"""napari-clipseg features: encoded images that are kept on disk."""

from __future__ import annotations

import time
from pathlib import Path

import click

from napari_clipseg.cli.fields import PATH
from napari_clipseg.cli.options import GIGABYTES
from napari_clipseg.io.identity import readable_size


@click.group()
def features() -> None:
    """List and remove images that are kept encoded.

    ``segment --features DIR`` keeps them, so that other prompts take seconds.
    """


@features.command("list")
@click.argument("folder", type=PATH, metavar="DIR")
def list_features(folder: Path) -> None:
    """List encoded images, the least recently used first."""
    from napari_clipseg.io.feature_folder import FeatureFolder

    entries = FeatureFolder(_there(folder)).entries()
    for entry in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        click.echo(f"{used}  {readable_size(entry.size):>11}  {entry.path.name}")
    total = sum(entry.size for entry in entries)
    click.echo(f"{len(entries)} encoded images, {readable_size(total)}")


@features.command()
@click.argument("folder", type=PATH, metavar="DIR")
@click.option("--budget", type=GIGABYTES, required=True, metavar="GB", help="To keep.")
def prune(folder: Path, budget: float) -> None:
    """Remove the least recently used until the rest fits a budget; 0 removes all."""
    from napari_clipseg.io.feature_folder import FeatureFolder

    for entry in FeatureFolder(_there(folder)).prune(int(budget * 1e9)):
        click.echo(f"removed {entry.path.name}, {readable_size(entry.size)}")


def _there(folder: Path) -> Path:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    return folder
