"""Generated pictures of built-up land from above, in the muted colours of aerial photographs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.train.dataset import Scene
from napari_clipseg.train.generated import shapes
from napari_clipseg.train.generated.canvas import SIDE, Field, scene, to_uint8
from napari_clipseg.train.generated.land import BUILDING, ROAD, TREES, box, leaves, streets
from napari_clipseg.train.generated.shapes import Mask, blurred, smooth_noise


def suburb(rng: np.random.Generator) -> Scene:
    """Return streets with cars, closely built blocks, yards, car parks and trees over all of it."""
    angle = rng.uniform(0, math.pi)
    zoom = math.exp(rng.uniform(math.log(0.6), math.log(2)))
    image = _yards(rng)
    road = streets(rng, angle, zoom)
    bits = np.where(road, ROAD, 0).astype(np.uint8)
    paved = rng.uniform(0.3, 0.75)
    image[road] = paved * rng.uniform(0.96, 1.06, 3)
    for _ in range(int(rng.integers(0, 3))):
        park = box(rng.uniform(0, SIDE, 2), zoom * rng.uniform(8, 25, 2), angle) & ~road
        image[park] = paved * rng.uniform(0.85, 1.15)
    for _ in range(int(rng.integers(15, int(30 + 90 / zoom)))):
        _block(rng, image, bits, angle, zoom)
    for _ in range(int(rng.integers(0, 40))):
        _car(rng, image, bits, angle, zoom)
    for _ in range(int(rng.integers(0, 40))):
        _tree(rng, image, bits, zoom)
    image *= 1 + 0.06 * smooth_noise(rng, SIDE, rng.uniform(1, 3))[..., None]
    image = blurred(image, rng.uniform(0.3, 1.0)) * rng.uniform(0.7, 1.15)
    image += rng.normal(0, 0.015, image.shape).astype(np.float32)
    named = {"trees": TREES, "road": ROAD, "building": BUILDING, "water": 0}
    return scene(to_uint8(image), bits, named, "outdoor")


def _yards(rng: np.random.Generator) -> Field:
    """Return ground (SIDE, SIDE, 3): grass, bare earth and concrete, side by side."""
    image = np.zeros((SIDE, SIDE, 3), np.float32)
    parts = shapes.cells(rng, SIDE, int(rng.integers(3, 25)), wobble=float(rng.choice([0, 2, 8])))[
        0
    ]
    palette = np.array([[0.36, 0.42, 0.27], [0.52, 0.47, 0.38], [0.55, 0.55, 0.53]])
    for part in range(parts.max() + 1):
        colour = palette[rng.integers(3)] * rng.uniform(0.7, 1.25) * rng.uniform(0.93, 1.07, 3)
        image[parts == part] = colour
    for depth, grain in ((0.1, rng.uniform(1, 3)), (0.12, rng.uniform(6, 20))):
        image *= 1 + depth * smooth_noise(rng, SIDE, grain)[..., None]
    return image


def _block(
    rng: np.random.Generator, image: Field, bits: NDArray[np.uint8], angle: float, zoom: float
) -> None:
    """Draw a house of one or two wings with its shadow, or none on a street."""
    centre, radii = rng.uniform(0, SIDE, 2), zoom * rng.uniform((4, 3), (13, 9))
    turned = angle + float(rng.choice([0, math.pi / 2])) + rng.normal(0, 0.03)
    mask = box(centre, radii, turned)
    if rng.random() < 0.35:
        mask |= box(centre + rng.uniform(-1, 1, 2) * radii[0], radii[::-1] * 0.8, turned)
    if (bits[mask] == ROAD).any() or (bits[mask] == BUILDING).mean() > 0.15:
        return
    reach = max(1, round(2 * zoom))
    shadow = np.roll(mask, rng.integers(-reach, reach + 1, 2), (0, 1)) & (bits != BUILDING) & ~mask
    image[shadow] *= rng.uniform(0.4, 0.7)
    image[mask] = _roof_colour(rng)
    ridge = box(
        centre + np.array([-math.sin(turned), math.cos(turned)]) * radii[1] / 2, radii, turned
    )
    image[ridge & mask] *= rng.uniform(0.75, 1.0)
    bits[mask] = BUILDING


def _roof_colour(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the colour (3,) of tiles, of slate and concrete, or of bright metal."""
    tiles, slate, metal = [0.55, 0.36, 0.28], [0.42, 0.42, 0.44], [0.85, 0.85, 0.86]
    colour = np.array([tiles, slate, metal])[rng.integers(3)]
    return np.asarray(colour * rng.uniform(0.7, 1.15) * rng.uniform(0.94, 1.06, 3))


def _car(
    rng: np.random.Generator, image: Field, bits: NDArray[np.uint8], angle: float, zoom: float
) -> None:
    """Draw a car along the streets, where nothing is built."""
    turned = angle + float(rng.choice([0, math.pi / 2]))
    car = box(rng.uniform(0, SIDE, 2), (2.2 * zoom, 1.0 * zoom), turned)
    if not (bits[car] == BUILDING).any():
        image[car] = rng.uniform(0.05, 1.0) * rng.uniform(0.9, 1.1, 3)


def _tree(rng: np.random.Generator, image: Field, bits: NDArray[np.uint8], zoom: float) -> None:
    """Draw the crown of a tree with its shadow, over whatever is there."""
    centre = (float(rng.uniform(0, SIDE)), float(rng.uniform(0, SIDE)))
    crown: Mask = shapes.blob(rng, SIDE, centre, zoom * rng.uniform(1.5, 6))
    shadow = np.roll(crown, (1, 1), (0, 1)) & ~crown
    image[shadow] *= 0.6
    green = leaves(rng)[crown]
    image[crown] = (
        green + rng.uniform(0, 0.6) * (green.mean(-1, keepdims=True) - green)
    ) * rng.uniform(0.8, 1.3)
    bits[crown] = TREES
