"""napari-clipseg segment: image files in, probability and labels out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import click

from napari_clipseg.cli.fields import PATH, argument, command, option
from napari_clipseg.cli.options import (
    GIGABYTES,
    Contrast,
    Device,
    Finite,
    Model,
    Output,
    Zoom,
    as_channels,
    as_plane,
)
from napari_clipseg.cli.recipe_file import Recipe
from napari_clipseg.engine.templates import PLAIN

SHARE, COUNT = Finite(0, 1), click.IntRange(0)


class SomeFailed(click.ClickException):
    """Some of several images failed; the others have their results."""

    exit_code = 1


@dataclasses.dataclass(frozen=True, slots=True)
class SegmentJob:
    """All that ``segment`` was asked to do; each field is the option of its name.

    Raises
    ------
    click.UsageError
        If options do not go together.
    """

    images: Annotated[tuple[Path, ...], argument("IMAGE...", nargs=-1, required=True)]
    recipe: Recipe
    prompt: Annotated[
        tuple[str, ...], option("What to find; repeatable.", "-p", multiple=True, metavar="TEXT")
    ]
    template: Annotated[
        tuple[str, ...],
        option(
            "A sentence that each text is put into; of several the mean is taken.",
            multiple=True,
            metavar="'... {} ...'",
            default=PLAIN,
            show_default="the text alone",
        ),
    ]
    support_mask: Annotated[
        Path | None,
        option("An image file that is not 0 on an example of what to find.", type=PATH),
    ]
    support_image: Annotated[
        Path | None,
        option(
            "The image that the support mask belongs to.",
            type=PATH,
            show_default="each IMAGE itself",
        ),
    ]
    mix: Annotated[
        float | None,
        option(
            "Join every text with the example; the share of the text.",
            type=SHARE,
            metavar="WEIGHT",
        ),
    ]
    output: Output
    threshold: Annotated[
        float | None,
        option("Probability above which a pixel is found.", type=SHARE, show_default="the model's"),
    ]
    min_size: Annotated[int, option("Drop objects of fewer pixels.", type=COUNT, default=0)]
    fill_holes: Annotated[
        int, option("Fill holes of at most so many pixels.", type=COUNT, default=0)
    ]
    smoothing: Annotated[
        float,
        option(
            "Sigma in pixels of a Gaussian on the probability before the threshold.",
            type=Finite(0, 50),
            default=0.0,
        ),
    ]
    format: Annotated[
        str,
        option(
            "OME-TIFF (GeoTIFF if the image is one), or OME-Zarr with a pyramid.",
            type=click.Choice(["tiff", "zarr"]),
            default="tiff",
        ),
    ]
    probability: Annotated[
        str,
        option(
            "Type of the probability; uint8 is 255 times it, rounded.",
            type=click.Choice(["float32", "float16", "uint8"]),
            default="float32",
        ),
    ]
    resume: Annotated[
        bool,
        option(
            "Skip images that have results of the same settings and are unchanged.", is_flag=True
        ),
    ]
    contrast: Contrast
    plane: Annotated[
        tuple[int, ...],
        option(
            "Plane of a stack: an index for each axis before height and width, first is 0; none "
            "for that of channels if --channels chooses them.",
            type=as_plane,
            default="",
            show_default=False,
            metavar="INDEX[,INDEX]...",
        ),
    ]
    level: Annotated[int, option("Level of a pyramid, 0 is the finest.", type=COUNT, default=0)]
    channels: Annotated[
        tuple[int, ...] | None,
        option(
            "One channel as grey or three as red, green, blue, first is 0; of an axis that the "
            "file calls channels or colours.",
            type=as_channels,
            metavar="INDEX[,INDEX,INDEX]",
        ),
    ]
    nodata: Annotated[
        float | None,
        option(
            "Pixels of this value (nan too) hold no data.",
            type=float,
            metavar="VALUE",
            show_default="what the file says",
        ),
    ]
    features: Annotated[
        Path | None,
        option(
            "Keep encoded images here: stopped runs go on, other prompts take seconds.",
            type=PATH,
            metavar="DIR",
        ),
    ]
    features_budget: Annotated[
        float | None,
        option(
            "Room for encoded images; the least recently used go first.",
            type=GIGABYTES,
            metavar="GB",
        ),
    ]
    model: Model
    backbone: Annotated[
        str | None, option("CLIP's weights, for a model file without them.", metavar="PATH")
    ]
    zoom: Zoom
    tile: Annotated[
        int | None, option("Side of a tile in pixels.", type=int, show_default="the model's")
    ]
    overlap: Annotated[
        int | None,
        option("Pixels that tiles share.", type=int, show_default="a quarter of a tile"),
    ]
    device: Device
    precision: Annotated[
        str,
        option(
            "float32 is exact, the others are faster where the device has them.",
            type=click.Choice(["float32", "bfloat16", "float16"]),
            default="float32",
        ),
    ]
    batch: Annotated[int, option("Tiles computed at once.", type=click.IntRange(1), default=4)]

    def __post_init__(self) -> None:
        if not self.prompt and self.support_mask is None:
            raise click.UsageError("nothing to look for: give --prompt or --support-mask")
        if self.support_image is not None and self.support_mask is None:
            raise click.UsageError("--support-image needs --support-mask")
        if self.mix is not None and (not self.prompt or self.support_mask is None):
            raise click.UsageError("--mix needs both --prompt and --support-mask")
        if self.template != PLAIN and not self.prompt:
            raise click.UsageError("--template needs --prompt")
        if self.features_budget is not None and self.features is None:
            raise click.UsageError("--features-budget needs --features")
        if (self.format, self.probability) == ("tiff", "float16"):
            raise click.UsageError("TIFF has no float16; use --format zarr or --probability uint8")


@command
def segment(job: SegmentJob) -> None:
    """Segment image files by texts, by an example, or by both.

    An IMAGE is a file (TIFF, GeoTIFF, OME-Zarr, PNG, JPEG), a folder of such files or a
    pattern like 'scans/*.tif'. For each IMAGE and each prompt probability and labels are
    written that keep pixel size and place, and for each IMAGE a recipe (JSON) that says how
    they were made; summary.csv tells of all. Results of an earlier run are replaced, input
    files never.
    """
    from napari_clipseg.cli.run import run_job

    run_job(job)
