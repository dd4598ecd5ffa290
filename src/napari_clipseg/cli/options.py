"""Option types and options that several commands share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import click

from napari_clipseg.cli.fields import PATH, option
from napari_clipseg.model.catalog import DEFAULT_MODEL


class Finite(click.FloatRange):
    """Numbers of a range, without nan, which no comparison refuses, and without infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or say why it is none of these."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


GIGABYTES = Finite(0)


def as_plane(text: str) -> tuple[int, ...]:
    """Return the indices of a text such as ``3,0``; none of an empty text."""
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number, or several with commas") from None


def as_channels(text: str) -> tuple[int, ...]:
    """Return the one or three indices of a text such as ``3,2,1``."""
    indices = as_plane(text)
    if len(indices) not in (1, 3):
        raise click.BadParameter(f"{text!r} is neither one channel nor three")
    return indices


def as_contrast(text: str) -> str | tuple[float, float]:
    """Return ``"auto"`` or the two numbers of a text such as ``100,4000``."""
    if text == "auto":
        return text
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither auto nor two numbers LOW,HIGH") from None
    return low, high


Model = Annotated[
    str,
    option(
        "A name from `napari-clipseg weights list`, a file or folder, or a hub id.",
        default=DEFAULT_MODEL,
        metavar="NAME|PATH|HUB-ID",
    ),
]

Device = Annotated[str, option("auto, cpu, cuda, cuda:1 ... or mps.", default="auto")]

Output = Annotated[Path, option("Folder for the results.", "-o", type=PATH, required=True)]

Contrast = Annotated[
    str | tuple[float, float],
    option(
        "The values that become black and white.",
        type=as_contrast,
        metavar="auto|LOW,HIGH",
        default="auto",
    ),
]

Zoom = Annotated[
    tuple[float, ...],
    option(
        "Above 1 for objects too small for the model, below 1 for too large ones; several are "
        "averaged.",
        type=float,
        multiple=True,
        default=(1.0,),
    ),
]
