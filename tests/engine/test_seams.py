"""What a user would see if tiles were joined badly, measured with the model that ships."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.engine.tiling import plan_tiles
from napari_clipseg.io.demo import demo_image

TILE, OVERLAP, PATCH, SHIFT = 128, 32, 8, 37


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return demo_image()


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter("starter", device="cpu", tile=TILE, overlap=OVERLAP)


def logits(segmenter: Segmenter, image: np.ndarray) -> np.ndarray:
    return logit(np.clip(segmenter.probability(image, "nuclei"), 1e-6, 1 - 1e-6))


def steps_at_borders(found: np.ndarray) -> float:
    """Return the mean step of logits at the borders of tiles over that at other patch borders.

    The network's last layer writes patch by patch, which is seen on all columns that are a
    multiple of the patch, and borders of tiles are among them.
    """
    lefts = plan_tiles(found.shape, TILE, OVERLAP).grids[0].lefts
    assert all(left % PATCH == 0 for left in lefts)
    borders = {left for left in lefts if left} | {left + TILE for left in lefts[:-1]}
    others = set(range(PATCH, found.shape[1], PATCH)) - borders
    steps = np.abs(np.diff(found, axis=1)).mean(0)  # between columns c and c + 1
    at, elsewhere = (steps[np.array(sorted(each)) - 1] for each in (borders, others))
    return float(at.mean() / elsewhere.mean())


def test_no_step_is_seen_at_the_borders_of_tiles(segmenter, image):
    assert steps_at_borders(logits(segmenter, image)) < 1.25  # 1.11 was measured


def test_the_statistic_sees_the_seams_of_tiles_that_are_not_blended(image):
    hard = Segmenter("starter", device="cpu", tile=TILE, overlap=OVERLAP, window="uniform")
    assert steps_at_borders(logits(hard, image)) > 2  # 2.79 was measured


def test_what_is_found_hardly_depends_on_where_the_image_begins(segmenter, image):
    features = segmenter.encode(image)
    whole = features.probability("nuclei")[SHIFT:, SHIFT:]
    cropped = image[SHIFT:, SHIFT:]
    part = segmenter.probability(cropped, "nuclei", contrast=features.contrast)
    inside = (slice(OVERLAP, -OVERLAP),) * 2
    difference = np.abs(whole - part)[inside]
    assert difference.mean() < 0.02  # 0.010 was measured
    assert np.quantile(difference, 0.99) < 0.25  # 0.155
    assert ((whole > 0.5) != (part > 0.5))[inside].mean() < 0.015  # 0.007
