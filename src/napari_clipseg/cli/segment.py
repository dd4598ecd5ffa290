"""napari-clipseg segment: image files in, probability and labels out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from napari_clipseg.cli.options import (
    CONTRAST,
    DEVICE,
    MODEL,
    OUTPUT,
    PATH,
    ZOOM,
    channels,
    plane,
)
from napari_clipseg.cli.recipe_file import RECIPE


class SomeFailed(click.ClickException):
    """Some of several images failed; the others have their results."""

    exit_code = 1


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentJob:
    """All that ``segment`` was asked to do; each field is the option of its name."""

    images: tuple[Path, ...]
    output: Path
    prompt: tuple[str, ...]
    support_mask: Path | None
    support_image: Path | None
    mix: float | None
    model: str
    backbone: str | None
    threshold: float | None
    min_size: int
    contrast: str | tuple[float, float]
    plane: tuple[int, ...]
    zoom: tuple[float, ...]
    tile: int | None
    overlap: int | None
    device: str
    precision: str
    batch: int
    channels: tuple[int, ...] | None
    nodata: float | None
    level: int
    format: str
    probability: str
    resume: bool
    features: Path | None
    features_budget: float | None

    def __post_init__(self) -> None:
        if not self.prompt and self.support_mask is None:
            raise click.UsageError("nothing to look for: give --prompt or --support-mask")
        if self.support_image is not None and self.support_mask is None:
            raise click.UsageError("--support-image needs --support-mask")
        if self.mix is not None and (not self.prompt or self.support_mask is None):
            raise click.UsageError("--mix needs both --prompt and --support-mask")
        if self.features_budget is not None and self.features is None:
            raise click.UsageError("--features-budget needs --features")
        if (self.format, self.probability) == ("tiff", "float16"):
            raise click.UsageError("TIFF has no float16; use --format zarr or --probability uint8")


def _run(**given: Any) -> None:
    job = SegmentJob(**given)
    from napari_clipseg.cli.run import run_job

    run_job(job)


PROMPT_OPTIONS = (
    click.Option(
        ["--prompt", "-p"], multiple=True, metavar="TEXT", help="What to find; repeatable."
    ),
    click.Option(
        ["--support-mask"],
        type=PATH,
        help="An image file that is not 0 on an example of what to find.",
    ),
    click.Option(
        ["--support-image"],
        type=PATH,
        help="The image that the support mask belongs to.  [default: each IMAGE itself]",
    ),
    click.Option(
        ["--mix"],
        type=click.FloatRange(0, 1),
        metavar="WEIGHT",
        help="Join every text with the example; the share of the text.",
    ),
)

RESULT_OPTIONS = (
    OUTPUT,
    click.Option(
        ["--threshold"],
        type=click.FloatRange(0, 1),
        help="Probability above which a pixel is found.  [default: the model's]",
    ),
    click.Option(
        ["--min-size"],
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Drop objects of fewer pixels.",
    ),
    click.Option(
        ["--format"],
        type=click.Choice(["tiff", "zarr"]),
        default="tiff",
        show_default=True,
        help="OME-TIFF (GeoTIFF if the image is one), or OME-Zarr with a pyramid.",
    ),
    click.Option(
        ["--probability"],
        type=click.Choice(["float32", "float16", "uint8"]),
        default="float32",
        show_default=True,
        help="Type of the probability; uint8 is 255 times it, rounded.",
    ),
    click.Option(
        ["--resume"],
        is_flag=True,
        help="Skip images that have results of the same settings and are unchanged.",
    ),
)

FEATURE_OPTIONS = (
    click.Option(
        ["--features"],
        type=PATH,
        metavar="DIR",
        help="Keep encoded images here: stopped runs go on, other prompts take seconds.",
    ),
    click.Option(
        ["--features-budget"],
        type=click.FloatRange(0),
        metavar="GB",
        help="Room for encoded images; the least recently used go first.",
    ),
)

IMAGE_OPTIONS = (
    CONTRAST,
    click.Option(
        ["--plane"],
        type=plane,
        metavar="INDEX[,INDEX]...",
        default="",
        help="Plane of a stack: an index for each axis before height and width, first is 0.",
    ),
    click.Option(
        ["--level"],
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Level of a pyramid, 0 is the finest.",
    ),
    click.Option(
        ["--channels"],
        type=channels,
        metavar="INDEX[,INDEX,INDEX]",
        help="One channel as grey or three as red, green, blue; first is 0.",
    ),
    click.Option(
        ["--nodata"],
        type=float,
        metavar="VALUE",
        help="Pixels of this value (nan too) hold no data.  [default: what the file says]",
    ),
)

ENGINE_OPTIONS = (
    MODEL,
    click.Option(
        ["--backbone"], metavar="PATH", help="CLIP's weights, for a model file without them."
    ),
    ZOOM,
    click.Option(["--tile"], type=int, help="Side of a tile in pixels.  [default: the model's]"),
    click.Option(
        ["--overlap"], type=int, help="Pixels that tiles share.  [default: a quarter of a tile]"
    ),
    DEVICE,
    click.Option(
        ["--precision"],
        type=click.Choice(["float32", "bfloat16", "float16"]),
        default="float32",
        show_default=True,
        help="float32 is exact, the others are faster where the device has them.",
    ),
    click.Option(
        ["--batch"],
        type=click.IntRange(1),
        default=4,
        show_default=True,
        help="Tiles computed at once.",
    ),
)

segment = click.Command(
    "segment",
    callback=_run,
    params=[
        click.Argument(["images"], nargs=-1, required=True, type=PATH, metavar="IMAGE..."),
        RECIPE,
        *PROMPT_OPTIONS,
        *RESULT_OPTIONS,
        *IMAGE_OPTIONS,
        *FEATURE_OPTIONS,
        *ENGINE_OPTIONS,
    ],
    short_help="Segment image files by texts, by an example, or by both.",
    help="""Segment image files by texts, by an example, or by both.

    An IMAGE is a file (TIFF, GeoTIFF, OME-Zarr, PNG, JPEG), a folder of such files or a
    pattern like 'scans/*.tif'. For each IMAGE and each prompt probability and labels are
    written that keep pixel size and place, and for each IMAGE a recipe (JSON) that says how
    they were made; summary.csv tells of all. Results of an earlier run are replaced, input
    files never.
    """,
)
