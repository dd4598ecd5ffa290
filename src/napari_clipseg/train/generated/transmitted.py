"""Generated pictures in transmitted light: stained tissue, and living cells in phase contrast."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_clipseg.train.dataset import BACKGROUND, Scene, name_rest
from napari_clipseg.train.generated import shapes
from napari_clipseg.train.generated.canvas import SIDE, Field, random_ellipse, scene, to_uint8
from napari_clipseg.train.generated.shapes import Mask, blurred, smooth_noise
from napari_clipseg.train.stain import EOSIN, HAEMATOXYLIN, fibres, transmitted


def stained_tissue(rng: np.random.Generator) -> Scene:
    """Return tissue stained with haematoxylin and eosin: dark nuclei on fibres, gaps, red cells."""
    return _stained(rng, _stained_nuclei)


def vesicular_tissue(rng: np.random.Generator) -> Scene:
    """Return stained tissue whose nuclei are large and pale, with clumps of chromatin in them."""
    return _stained(rng, _vesicular_nuclei)


def _stained(
    rng: np.random.Generator, draw_nuclei: Callable[[np.random.Generator], tuple[Field, Mask]]
) -> Scene:
    """Return tissue with the nuclei that a function draws: their stain, and where they are."""
    gaps = smooth_noise(rng, SIDE, rng.uniform(8, 40)) > rng.uniform(0.8, 2.5)
    eosin = fibres(rng, SIDE) * rng.uniform(0.15, 0.8) * ~gaps
    for _ in range(int(rng.integers(0, 25)) if rng.random() < 0.3 else 0):
        eosin[random_ellipse(rng, (3, 5), 1.2)] = rng.uniform(0.5, 1.2)
    stain, nuclei = draw_nuclei(rng)
    stain = blurred(stain, rng.uniform(0.4, 1.3)) + rng.uniform(0, 0.25) * ~gaps
    tints = [np.clip(each + rng.normal(0, 0.06, 3), 0.02, 1.2) for each in (HAEMATOXYLIN, EOSIN)]
    amounts = np.stack([stain, blurred(eosin, 0.6)], axis=-1)
    light = rng.uniform(0.8, 1.0) * transmitted(amounts, np.stack(tints))
    light += rng.normal(0, rng.uniform(0.003, 0.02), light.shape)
    bits = nuclei.astype(np.uint8)
    named = {"stained-nucleus": 1, "background": name_rest(bits, BACKGROUND)}
    return scene(to_uint8(light), bits, named)


def phase_contrast(rng: np.random.Generator) -> Scene:
    """Return living cells on grey: in a bright halo, or in relief as in interference contrast."""
    found, height = np.zeros((SIDE, SIDE), bool), np.zeros((SIDE, SIDE), np.float32)
    radius = rng.uniform(7, 28)
    for _ in range(int(rng.integers(1, 3 + 2500 / radius**1.7))):
        x, y = rng.uniform(-5, SIDE + 5, 2)
        cell = shapes.blob(rng, SIDE, (x, y), radius * rng.uniform(0.6, 1.3))
        height[cell] = np.maximum(height[cell], rng.uniform(0.6, 1.2))
        found |= cell
    height *= 1 + rng.uniform(0, 0.35) * smooth_noise(rng, SIDE, rng.uniform(1, 5))
    for _ in range(int(rng.integers(0, 40))):
        height[random_ellipse(rng, (1, 3), 1.4) & found] += rng.uniform(-0.6, 0.6)
    grey = rng.uniform(0.3, 0.6) + 0.03 * smooth_noise(rng, SIDE, 80)
    grey += _relief(rng, height) if rng.random() < 0.5 else _halo(rng, height, found)
    grey += rng.normal(0, rng.uniform(0.005, 0.03), grey.shape)
    bits = found.astype(np.uint8)
    light = np.repeat(grey[..., None], 3, 2)
    return scene(to_uint8(light), bits, {"cell": 1, "background": name_rest(bits, BACKGROUND)})


def _stained_nuclei(rng: np.random.Generator) -> tuple[Field, Mask]:
    """Return the stain of nuclei, dense or pale with a dark rim, and where they are."""
    stain, found = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), bool)
    radius, longest = rng.uniform(3.5, 14), rng.uniform(1.1, 2.8)
    pale, darkest = rng.uniform(0, 0.6), rng.uniform(0.7, 1.8)
    crowded = smooth_noise(rng, SIDE, rng.uniform(15, 60)) > rng.uniform(-1.5, 0.8)
    for _ in range(int(rng.integers(6, 12 + 9000 / radius**1.9))):
        nucleus = random_ellipse(rng, (0.65 * radius, 1.2 * radius), longest)
        if not nucleus.any() or (nucleus & crowded).sum() < 0.5 * nucleus.sum():
            continue
        inside = ndimage.binary_erosion(nucleus, iterations=1 + round(radius / 10))
        stain[nucleus] = darkest * rng.uniform(0.7, 1.1)
        stain[inside] *= 1 - pale
        found |= nucleus
    stain *= np.clip(1 + rng.uniform(0.05, 0.4) * smooth_noise(rng, SIDE, rng.uniform(1, 3)), 0, 2)
    return stain, found


def _vesicular_nuclei(rng: np.random.Generator) -> tuple[Field, Mask]:
    """Return the stain of pale nuclei with clumps and a thin rim, in cells that are stained too."""
    stain, found = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), bool)
    radius, longest = math.exp(rng.uniform(math.log(6), math.log(32))), rng.uniform(1.1, 1.9)
    pale, cytoplasm = rng.uniform(0.25, 0.7), rng.uniform(0, 0.35)
    clumps = smooth_noise(rng, SIDE, rng.uniform(0.08, 0.2) * radius) > rng.uniform(0.2, 1.2)
    texture = np.where(clumps, rng.uniform(0.8, 1.5), pale)
    for _ in range(int(rng.integers(4, 8 + 9000 / radius**1.9))):
        nucleus = random_ellipse(rng, (0.7 * radius, 1.1 * radius), longest)
        if not nucleus.any() or (nucleus & found).sum() > 0.1 * nucleus.sum():
            continue
        cell = ndimage.binary_dilation(nucleus, iterations=1 + int(rng.uniform(0, 0.7) * radius))
        stain[cell & ~found] = np.maximum(stain[cell & ~found], cytoplasm * rng.uniform(0.5, 1))
        inside = ndimage.binary_erosion(nucleus, iterations=1 + round(radius / 12))
        solid = rng.random() < 0.25
        stain[nucleus] = rng.uniform(0.8, 1.4)
        stain[inside] = rng.uniform(0.9, 1.4) if solid else texture[inside]
        found |= nucleus
    stain *= np.clip(1 + 0.15 * smooth_noise(rng, SIDE, rng.uniform(1, 3)), 0, 2)
    return stain, found


def _relief(rng: np.random.Generator, height: Field) -> NDArray[np.float64]:
    """Return the slope of a surface towards a light: bright on one side, dark on the other."""
    down, across = np.gradient(blurred(height, rng.uniform(0.8, 2)))
    angle = rng.uniform(0, 2 * math.pi)
    slope = math.sin(angle) * down + math.cos(angle) * across
    return np.asarray(rng.uniform(0.6, 1.8) * slope)


def _halo(rng: np.random.Generator, height: Field, found: Mask) -> NDArray[np.float64]:
    """Return cells a little darker or brighter than what is around, in a bright border."""
    outside = ndimage.distance_transform_edt(~found)
    glow = np.exp(-outside / rng.uniform(1.5, 4)) * ~found
    rim = blurred((found & (ndimage.distance_transform_edt(found) < 2)).astype(np.float32), 0.7)
    inside = rng.uniform(-0.15, 0.15) * height + 0.1 * (height - blurred(height, 2)) * found
    return np.asarray(inside + rng.uniform(0.1, 0.4) * glow - rng.uniform(0.0, 0.2) * rim)
