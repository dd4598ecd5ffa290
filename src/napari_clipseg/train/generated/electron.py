"""Generated pictures as electron microscopes give them of nerve tissue."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.segmentation import find_boundaries

from napari_clipseg.train.dataset import Scene
from napari_clipseg.train.generated import shapes
from napari_clipseg.train.generated.canvas import SIDE, Field, camera, random_ellipse, scene
from napari_clipseg.train.generated.shapes import Mask, blurred, smooth_noise

MEMBRANE, INTERIOR, MITOCHONDRION = 1, 2, 4


def neuropil(rng: np.random.Generator) -> Scene:
    """Return cut nerve cells: dark membranes, and within them mitochondria and vesicles."""
    cells, _ = shapes.cells(rng, SIDE, int(rng.integers(8, 110)), wobble=rng.uniform(3, 9))
    border = ndimage.distance_transform_edt(~find_boundaries(cells))
    thickness = rng.uniform(0.6, 2.4) * (1 + 0.15 * smooth_noise(rng, SIDE, 15))
    wall = border <= np.clip(thickness, 0.5, None)
    tone = rng.normal(rng.uniform(0.55, 0.8), 0.05, cells.max() + 1)[cells]
    grain = rng.uniform(0.02, 0.08) * smooth_noise(rng, SIDE, rng.uniform(0.8, 2.5))
    image = (tone + grain).astype(np.float32)
    mitochondria = _mitochondria(rng, image, ~(border < thickness + 1.5))
    for _ in range(int(rng.integers(0, 60))):
        _vesicle(rng, image, wall)
    oblique = smooth_noise(rng, SIDE, 20) * (border < 4) > 1
    image[oblique] *= rng.uniform(0.7, 0.95)
    dark = blurred(wall.astype(np.float32), rng.uniform(0.4, 0.9))
    image *= 1 - rng.uniform(0.5, 0.85) * dark
    bits = np.where(wall, MEMBRANE, INTERIOR).astype(np.uint8)
    bits[mitochondria] |= MITOCHONDRION
    named = {
        "cell-membrane": MEMBRANE,
        "cell-interior": INTERIOR,
        "mitochondrion": MITOCHONDRION if mitochondria.any() else 0,
        "nucleus": 0,
    }
    pixels = camera(rng, np.repeat(image[..., None], 3, 2), gain=rng.uniform(0.7, 1.0))
    return scene(pixels, bits, named)


def _mitochondria(rng: np.random.Generator, image: Field, room: Mask) -> Mask:
    """Draw dark bodies with a rim and folds inside, where there is room; return where they are."""
    found = np.zeros((SIDE, SIDE), bool)
    for _ in range(int(rng.integers(0, 14))):
        body = random_ellipse(rng, (3.5, 9), 2.2)
        if not body.any() or (body & room & ~found).sum() < 0.8 * body.sum():
            continue
        body &= room & ~found
        folds = smooth_noise(rng, SIDE, rng.uniform(1, 2.5))
        image[body] = rng.uniform(0.3, 0.55) * (1 + rng.uniform(0, 0.2) * folds[body])
        rim = body & (blurred(body.astype(np.float32), 1) < 0.75)
        image[rim] *= rng.uniform(0.6, 0.9)
        found |= body
    return found


def _vesicle(rng: np.random.Generator, image: Field, wall: Mask) -> None:
    """Draw a small ring inside a cell."""
    x, y = rng.uniform(0, SIDE, 2)
    ring = shapes.ring(SIDE, (x, y), rng.uniform(1.5, 3.5), 1.2) & ~wall
    image[ring] *= rng.uniform(0.6, 0.85)
