"""From a segmenter and an image to results, with a progress bar where a person looks on."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from napari_clipseg.engine.decoding import probability_array
from napari_clipseg.engine.labels import label
from napari_clipseg.engine.pixels import Contrast
from napari_clipseg.engine.prompts import Prompt
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.io.tiff import Picture, PixelSize, write_tiff

Probability = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What was found: probability (H, W) float32 and labels (H, W) int32."""

    probability: Probability
    labels: npt.NDArray[np.int32]

    @classmethod
    def of(cls, probability: Probability, threshold: float, min_size: int = 0) -> Result:
        """Return the result that a threshold makes of a probability."""
        return cls(probability, label(probability, threshold, min_size=min_size))

    def summary(self) -> str:
        """Return what a person wants to know first."""
        count = int(self.labels.max())
        return (
            f"{count} object{'' if count == 1 else 's'}, {np.mean(self.labels > 0):.1%} of the "
            f"area, peak probability {self.probability.max():.2f}"
        )

    def write(self, stem: Path, pixel_size: PixelSize | None = None) -> None:
        """Write ``<stem>.probability.tif`` and ``<stem>.labels.tif``."""
        probability, labels = result_files(stem)
        write_tiff(probability, self.probability, pixel_size)
        write_tiff(labels, self.labels, pixel_size)


def result_files(stem: Path) -> tuple[Path, Path]:
    """Return the files of one result: probability and labels."""
    return (
        stem.with_name(f"{stem.name}.probability.tif"),
        stem.with_name(f"{stem.name}.labels.tif"),
    )


def ask(
    segmenter: Segmenter,
    picture: Picture,
    prompts: Sequence[Prompt],
    *,
    contrast: Contrast = "auto",
    title: str,
) -> tuple[Probability, float]:
    """Return the probability (P, H, W) of each prompt, and the seconds that they took.

    A progress bar with the title is drawn if stderr is a terminal.
    """
    started = time.perf_counter()
    out = probability_array(prompts, picture.shape)
    with click.progressbar(
        length=1, label=title, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        for done in segmenter.run(picture.data, prompts, out, contrast=contrast):
            bar.length = done.total
            bar.update(1)
    return out, time.perf_counter() - started
