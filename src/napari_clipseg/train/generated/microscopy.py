"""Generated pictures as microscopes give them: fluorescence, and cells side by side."""

from __future__ import annotations

import numpy as np

from napari_clipseg.train.dataset import BACKGROUND, Scene, name_rest
from napari_clipseg.train.generated import shapes
from napari_clipseg.train.generated.canvas import SIDE, Field, camera, random_ellipse, scene
from napari_clipseg.train.generated.shapes import Mask, blurred, smooth_noise


def fluorescence(rng: np.random.Generator) -> Scene:
    """Return stained nuclei, spots and filaments as a fluorescence microscope shows them."""
    draw = {"nucleus": _nuclei, "spot": _spots, "filament": _filaments}
    shown = [name for name in draw if rng.random() < 0.55] or ["nucleus"]
    bits = np.zeros((SIDE, SIDE), np.uint8)
    light = np.zeros((SIDE, SIDE, 3), np.float32)
    tints = np.eye(3)[rng.permutation(3)] if rng.random() < 0.3 else np.ones((3, 3))
    for index, name in enumerate(shown):
        field, mask = draw[name](rng)
        bits[mask] |= 1 << index
        light = np.maximum(light, field[..., None] * tints[index])
    named = {name: 1 << shown.index(name) if name in shown else 0 for name in draw}
    return scene(camera(rng, light), bits, {**named, "background": name_rest(bits, BACKGROUND)})


def membranes(rng: np.random.Generator) -> Scene:
    """Return cells side by side with bright membranes, or dark ones as in electron microscopy."""
    cells, border = shapes.cells(rng, SIDE, int(rng.integers(6, 70)), wobble=rng.uniform(2, 7))
    wall = border < rng.uniform(0.9, 2.8)
    inside = rng.uniform(0.25, 0.55, cells.max() + 1)[cells].astype(np.float32)
    inside += rng.uniform(0.02, 0.12) * smooth_noise(rng, SIDE, rng.uniform(1, 4))
    if rng.random() < 0.5:
        image = np.where(wall, 0.9 * rng.uniform(0.7, 1.0), 0.4 * inside)
    else:
        image = np.where(wall, rng.uniform(0.05, 0.25), 0.35 + inside)
        for _ in range(int(rng.integers(0, 12))):
            image[random_ellipse(rng, (3, 9), 1.8)] *= rng.uniform(0.45, 0.8)
    bits = np.where(wall, 1, 2).astype(np.uint8)
    light = np.repeat(image.astype(np.float32)[..., None], 3, 2)
    return scene(camera(rng, light), bits, {"cell-membrane": 1, "cell-interior": 2, "nucleus": 0})


def _nuclei(rng: np.random.Generator) -> tuple[Field, Mask]:
    light, found = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), bool)
    radius = rng.uniform(5, 24)
    faintest = rng.uniform(0.25, 0.9)
    for _ in range(int(rng.integers(2, 4 + 2500 / radius**1.8))):
        mask = random_ellipse(rng, (0.7 * radius, 1.2 * radius), 1.7)
        light[mask] = np.maximum(light[mask], rng.uniform(faintest, 1.0))
        found |= mask
    light *= 1 + rng.uniform(0, 0.25) * smooth_noise(rng, SIDE, rng.uniform(2, 8))
    return blurred(light, rng.uniform(0.5, 1.8)), found


def _spots(rng: np.random.Generator) -> tuple[Field, Mask]:
    light, found = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), bool)
    radius = rng.uniform(1.5, 4)
    for _ in range(int(rng.integers(5, 60))):
        mask = random_ellipse(rng, (0.8 * radius, 1.2 * radius), 1.15)
        light[mask] = rng.uniform(0.7, 1.3)
        found |= mask
    return blurred(light, rng.uniform(0.4, 1.0)), found


def _filaments(rng: np.random.Generator) -> tuple[Field, Mask]:
    light, found = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), bool)
    bend, width = rng.uniform(0.02, 0.25), rng.uniform(1.5, 4)
    for _ in range(int(rng.integers(3, 16))):
        mask = shapes.line(SIDE, shapes.walk(rng, SIDE, bend), width)
        light[mask] += rng.uniform(0.4, 0.8)
        found |= mask
    return blurred(light, rng.uniform(0.4, 1.0)), found
