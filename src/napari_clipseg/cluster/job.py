"""What a run on a cluster is told: its settings, where it reads and where it writes."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zarr

from napari_clipseg.engine.pixels import Contrast
from napari_clipseg.engine.prompts import Prompt, is_single
from napari_clipseg.errors import ImageError, OutputError, SettingError
from napari_clipseg.model.catalog import DEFAULT_MODEL


@dataclasses.dataclass(frozen=True, slots=True)
class ClusterSettings:
    """How a run is computed on a cluster.

    Parameters
    ----------
    model : str or Path
        A name in :data:`napari_clipseg.MODELS`, a hub id, or a weights file that all workers
        see.
    segmenter : mapping
        Further settings of :class:`napari_clipseg.Segmenter`: device, precision, tile ...
    contrast, channels, nodata
        As for :meth:`napari_clipseg.Segmenter.run`.
    features : str or Path, optional
        Folder, on a file system that all workers see, to keep the features in for further
        prompts. By default they lie beside the output until it is complete.
    threads : int
        Threads of torch in every worker. One machine's result is the same bit for bit if it
        was computed with this number, on processors of the same kind.
    rows : int
        Rows of the output that one task decodes, and the side of the output's chunks.
    retries : int
        How often a task that failed is tried again. A task whose worker was lost goes to
        another one in any case.
    """

    model: str | Path = DEFAULT_MODEL
    segmenter: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    contrast: Contrast = "auto"
    channels: tuple[int, ...] | None = None
    nodata: float | None = None
    features: str | Path | None = None
    threads: int = 1
    rows: int = 1024
    retries: int = 3

    def __post_init__(self) -> None:
        for name, least in (("threads", 1), ("rows", 1), ("retries", 0)):
            if getattr(self, name) < least:
                raise SettingError(f"{name} must be at least {least}, not {getattr(self, name)}")

    @property
    def reading(self) -> dict[str, Any]:
        """How the image is read."""
        return {"contrast": self.contrast, "channels": self.channels, "nodata": self.nodata}


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """What every worker is told once.

    Parameters
    ----------
    image : Path, str or array-like
        Where the image is, or what reads it.
    height_width : (int, int)
        Of the image in pixels.
    prompts : str, TextPrompt, MaskPrompt, Mix or a sequence of these
    output : Path
        The zarr array to be made.
    settings : ClusterSettings
        With the contrast as numbers.
    name : str
        By which workers tell this run from others.
    """

    image: Any
    height_width: tuple[int, int]
    prompts: Prompt | Sequence[Prompt]
    output: Path
    settings: ClusterSettings
    name: str = dataclasses.field(default_factory=lambda: f"napari-clipseg-{uuid.uuid4()}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the output."""
        several = () if is_single(self.prompts) else (len(self.prompts),)  # type: ignore[arg-type]
        return (*several, *self.height_width)

    @property
    def part(self) -> Path:
        """Where the output grows."""
        return self.output.with_name(self.output.name + ".part")

    @property
    def features(self) -> Path:
        """Where the features are."""
        beside = self.output.with_name(self.output.name + ".features")
        return Path(self.settings.features or beside).absolute()


def opened(image: Any) -> Any:
    """Return the array of a path or URL, and an array as it is.

    Raises
    ------
    ImageError
        If there is no zarr array.
    """
    if not isinstance(image, str | Path):
        return image
    try:
        return zarr.open_array(image, mode="r")
    except (OSError, ValueError, TypeError) as error:
        raise ImageError(
            f"{image} cannot be opened as a zarr array: {error}; of an OME-Zarr give one level, "
            "e.g. image.zarr/0"
        ) from error


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Raise :class:`OutputError` where writing fails."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error}") from error
