"""What a user would see if tiles were joined badly, measured with the model that ships."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import logit

from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.engine.tiling import plan_tiles

SIDE, TILE, OVERLAP, SHIFT = 420, 128, 32, 37


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    field = gaussian_filter(np.random.default_rng(0).standard_normal((SIDE, SIDE)), 6)
    return (255 * (field - field.min()) / np.ptp(field)).astype(np.uint8)


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter("starter", device="cpu", tile=TILE, overlap=OVERLAP)


def logits(segmenter: Segmenter, image: np.ndarray) -> np.ndarray:
    return logit(np.clip(segmenter.probability(image, "nuclei", contrast=(0, 255)), 1e-6, 1 - 1e-6))


def steps_at_borders(found: np.ndarray) -> float:
    """Return the mean step of logits at the borders of tiles over that elsewhere."""
    grid = plan_tiles(found.shape, TILE, OVERLAP).grids[0]
    steps = np.abs(np.diff(found, axis=1)).mean(0)  # between columns c and c + 1
    borders = {left for left in grid.lefts if left} | {left + TILE for left in grid.lefts[:-1]}
    at = np.array([column - 1 for column in sorted(borders)])
    return float(steps[at].mean() / np.delete(steps, at).mean())


def test_no_step_is_seen_at_the_borders_of_tiles(segmenter, image):
    assert steps_at_borders(logits(segmenter, image)) < 1.15  # 0.9 was measured


def test_the_statistic_sees_the_seams_of_tiles_that_are_not_blended(image):
    hard = Segmenter("starter", device="cpu", tile=TILE, overlap=OVERLAP, window="uniform")
    assert steps_at_borders(logits(hard, image)) > 2  # 3.1 was measured


def test_what_is_found_hardly_depends_on_where_the_image_begins(segmenter, image):
    whole = segmenter.probability(image, "nuclei", contrast=(0, 255))[SHIFT:, SHIFT:]
    part = segmenter.probability(image[SHIFT:, SHIFT:], "nuclei", contrast=(0, 255))
    inside = slice(OVERLAP, -OVERLAP)
    difference = np.abs(whole - part)[inside, inside]
    assert difference.mean() < 0.02  # 0.007 was measured
    assert np.quantile(difference, 0.99) < 0.2  # 0.085
    assert difference.max() < 0.5  # 0.26
