"""What ``napari-clipseg demo`` does."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from napari_clipseg.cli.answer import Result, ask
from napari_clipseg.engine.prompts import MaskPrompt, TextPrompt
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.io.demo import demo_image, demo_truth
from napari_clipseg.io.overlay import overlay, write_png
from napari_clipseg.io.tiff import Picture

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
    picture, truth = Picture(demo_image()), demo_truth()
    example = MaskPrompt(picture.data, example_mask(truth), name=f"{EXAMPLES} nuclei as example")
    prompts: dict[str, TextPrompt | MaskPrompt] = {"text": TextPrompt("nuclei"), "example": example}
    scores = {}
    for name, prompt in prompts.items():
        out, seconds = ask(segmenter, picture, [prompt], title=prompt.name)
        result = Result.of(out[0], segmenter.threshold)
        result.write(folder / name)
        write_png(folder / f"{name}.overlay.png", overlay(picture.data, result.labels))
        scores[name] = intersection_over_union(result.labels > 0, truth > 0)
        click.echo(f"{prompt.name}: IoU {scores[name]:.3f}, {result.summary()}, {seconds:.1f} s")
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
