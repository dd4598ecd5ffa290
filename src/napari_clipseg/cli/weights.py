"""napari-clipseg weights: what models there are, where they are, and getting them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_clipseg.cli.fields import PATH
from napari_clipseg.errors import WeightsInvalid
from napari_clipseg.io.identity import readable_size

if TYPE_CHECKING:
    from napari_clipseg.model.catalog import ModelEntry

VERDICTS = {True: "right", False: "WRONG", None: "unchecked"}


@click.group()
def weights() -> None:
    """List, find, fetch and verify the weights of models."""


@weights.command("list")
def list_weights() -> None:
    """List the models that can be named, and whether their weights are here."""
    from napari_clipseg.model.catalog import BACKBONES, MODELS
    from napari_clipseg.model.weights import is_present

    for name, entry in {**MODELS, **BACKBONES}.items():
        state = "here" if is_present(name) else "not here"
        size = readable_size(entry.size_bytes)
        click.echo(f"{name:14} {state:9} {size:>7}  {entry.summary}")
        click.echo(f"{'':34}licence: {entry.licence}")


@weights.command()
@click.argument("name")
def path(name: str) -> None:
    """Print where the weights of a model are."""
    from napari_clipseg.model.weights import locate

    click.echo(locate(name))


@weights.command()
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Accept the licence without being asked.")
def fetch(name: str, yes: bool) -> None:
    """Fetch the weights of a model from the Hugging Face hub, after showing their licence."""
    from napari_clipseg.model.weights import fetch as fetch_weights

    accept = _show_licence if yes else _ask_licence
    click.echo(fetch_weights(name, accept=accept, progress=_show_progress))


@weights.command()
@click.argument("source", metavar="NAME|PATH|HUB-ID")
@click.option("--as", "name", metavar="NAME", help="The model that a file claims to be.")
@click.option("--picture", type=PATH, help="The picture that published values belong to.")
@click.option("--backbone", type=PATH, help="CLIP's weights, for a model file without them.")
def verify(source: str, name: str | None, picture: Path | None, backbone: Path | None) -> None:
    """Check that weights are whole and compute what was published for them."""
    from napari_clipseg.model.verify import verify as verify_weights

    report = verify_weights(source, name=name, picture=picture, backbone=backbone)
    click.echo(report.path)
    for check in report.checks:
        click.echo(f"{VERDICTS[check.passed]:9} {check.name}: {check.detail}")
    if not report.ok:
        raise WeightsInvalid(f"{report.path} is not what it should be; fetch or copy it again")


def _show_licence(entry: ModelEntry) -> bool:
    # the hub tells the size of what is not in the catalog once it is being fetched
    size = f", {readable_size(entry.size_bytes)}" if entry.size_bytes else ""
    click.echo(f"{entry.name}{size}. {entry.licence_note}", err=True)
    return True


def _ask_licence(entry: ModelEntry) -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError(f"{entry.licence_note} Nothing was fetched; --yes accepts this.")
    _show_licence(entry)
    return click.confirm("Fetch it?", err=True)


def _show_progress(done: int, total: int | None) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        whole = readable_size(total) if total else "an unknown size"
        click.echo(f"\r{readable_size(done)} of {whole}{end}", nl=False, err=True)
