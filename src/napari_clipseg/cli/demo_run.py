"""What ``napari-clipseg demo`` does."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from napari_clipseg.cli.progress import summary, watch
from napari_clipseg.engine.banded import label_bands
from napari_clipseg.engine.decoding import probability_array
from napari_clipseg.engine.labels import LabelSettings
from napari_clipseg.engine.prompts import MaskPrompt, TextPrompt
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.io.demo import demo_image, demo_truth
from napari_clipseg.io.overlay import overlay, write_png
from napari_clipseg.io.picture import Picture
from napari_clipseg.io.results import Result, write_tiffs
from napari_clipseg.io.rows import Stored

EXAMPLES = 3
"""Number of nuclei in the support mask."""


def run_demo(segmenter: Segmenter, folder: Path) -> dict[str, float]:
    """Segment the demo picture by text and by example, write the results and tell of them.

    Parameters
    ----------
    segmenter : Segmenter
    folder : Path
        Where the results go; it is there.

    Returns
    -------
    dict
        Intersection over union with the truth, of ``text`` and of ``example``.
    """
    image, truth = demo_image(), demo_truth()
    picture, labels = Picture(image), np.zeros(image.shape, np.int32)
    example = MaskPrompt(image, example_mask(truth), name=f"{EXAMPLES} nuclei as example")
    prompts: dict[str, TextPrompt | MaskPrompt] = {"text": TextPrompt("nuclei"), "example": example}
    scores = {}
    for name, prompt in prompts.items():
        out = probability_array(prompt, picture.shape)
        seconds = watch(segmenter.stream(image, prompt, out), prompt.name)
        found = label_bands(out, labels, LabelSettings(segmenter.threshold))
        write_tiffs(Result(Stored(out, "float32"), labels, picture), folder, name)
        write_png(folder / f"{name}.overlay.png", overlay(image, labels))
        scores[name] = intersection_over_union(labels > 0, truth > 0)
        told = summary(found, image.size)
        click.echo(f"{prompt.name}: IoU {scores[name]:.3f}, {told}, {seconds:.1f} s")
    click.echo(f"the truth holds {truth.max()} nuclei; results are in {folder}")
    return scores


def example_mask(truth: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Return the mask (H, W) of the nuclei of median size, which lie whole in the picture."""
    border = np.concatenate([truth[[0, -1]].ravel(), truth[:, [0, -1]].ravel()])
    sizes = np.bincount(truth.ravel())
    sizes[np.unique(border)] = 0
    whole = np.flatnonzero(sizes)
    ordered = whole[np.argsort(sizes[whole], kind="stable")]
    middle = (len(ordered) - EXAMPLES) // 2
    return np.isin(truth, ordered[middle : middle + EXAMPLES])


def intersection_over_union(found: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> float:
    """Return the share of the pixels in either mask that is in both; 1 where both are empty."""
    union = np.count_nonzero(found | truth)
    return float(np.count_nonzero(found & truth) / union) if union else 1.0
