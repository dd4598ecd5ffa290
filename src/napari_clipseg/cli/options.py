"""Option types and options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)


def plane(text: str) -> tuple[int, ...]:
    """Return the indices of a text such as ``3,0``; none of an empty text."""
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number, or several with commas") from None


def channels(text: str) -> tuple[int, ...]:
    """Return the one or three indices of a text such as ``3,2,1``."""
    indices = plane(text)
    if len(indices) not in (1, 3):
        raise click.BadParameter(f"{text!r} is neither one channel nor three")
    return indices


def contrast(text: str) -> str | tuple[float, float]:
    """Return ``"auto"`` or the two numbers of a text such as ``100,4000``."""
    if text == "auto":
        return text
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither auto nor two numbers LOW,HIGH") from None
    return low, high


MODEL = click.Option(
    ["--model"],
    default="starter",
    show_default=True,
    metavar="NAME|PATH|HUB-ID",
    help="A name from `napari-clipseg weights list`, a file or folder, or a hub id.",
)

DEVICE = click.Option(
    ["--device"], default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ... or mps."
)

OUTPUT = click.Option(["--output", "-o"], type=PATH, required=True, help="Folder for the results.")

CONTRAST = click.Option(
    ["--contrast"],
    type=contrast,
    metavar="auto|LOW,HIGH",
    default="auto",
    show_default=True,
    help="The values that become black and white.",
)

ZOOM = click.Option(
    ["--zoom"],
    type=float,
    multiple=True,
    default=(1.0,),
    help="Above 1 for objects too small for the model, below 1 for too large ones; "
    "several are averaged.  [default: 1]",
)
