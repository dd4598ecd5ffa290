"""Generated pictures of land from above: fields, woods, water, roads, houses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.train.dataset import Scene
from napari_clipseg.train.generated import shapes
from napari_clipseg.train.generated.canvas import SIDE, Field, scene, to_uint8
from napari_clipseg.train.generated.shapes import Mask, blurred, smooth_noise

Pair = tuple[float, float] | NDArray[np.float64]
"""A point (x, y), or lengths along and across an angle."""

FIELD, TREES, WATER, ROAD, BUILDING = (1 << index for index in range(5))
"""Bits of what is seen from above."""


def aerial(rng: np.random.Generator) -> Scene:
    """Return land from above: fields, woods, water, roads and roofs with their shadows."""
    image, bits = _land(rng)
    named = {"road": 0, "building": 0, "field": FIELD, "trees": TREES, "water": WATER}
    if rng.random() < 0.6:
        named["road"] = ROAD
        _roads(rng, image, bits)
    if rng.random() < 0.6:
        named["building"] = BUILDING
        _roofs(rng, image, bits)
    image = blurred(image, rng.uniform(0.3, 0.9)) * rng.uniform(0.75, 1.1)
    image += rng.normal(0, 0.02, image.shape)
    return scene(to_uint8(image), bits, named, "outdoor")


def town(rng: np.random.Generator) -> Scene:
    """Return streets with rows of houses and trees from above."""
    lawn = smooth_noise(rng, SIDE, rng.uniform(8, 30)) > rng.uniform(-0.8, 0.8)
    grass = rng.uniform((0.2, 0.28, 0.12), (0.45, 0.5, 0.3)) * np.ones((SIDE, SIDE, 1))
    image = np.where(lawn[..., None], grass, _crops(rng)).astype(np.float32)
    image *= 1 + 0.08 * smooth_noise(rng, SIDE, rng.uniform(1.5, 6))[..., None]
    angle = rng.uniform(0, math.pi)
    paved = streets(rng, angle)
    image[paved] = rng.uniform(0.35, 0.7) * rng.uniform(0.96, 1.04, 3)
    bits = np.where(paved, ROAD, 0).astype(np.uint8)
    for _ in range(int(rng.integers(10, 100))):
        _house(rng, image, bits, angle)
    for _ in range(int(rng.integers(0, 30))):
        tree = shapes.blob(rng, SIDE, tuple(rng.uniform(0, SIDE, 2)), rng.uniform(2, 9))
        image[tree] = leaves(rng)[tree] * rng.uniform(0.6, 1.1)
        bits[tree] = TREES
    image = blurred(image.astype(np.float32), rng.uniform(0.3, 0.9))
    image += rng.normal(0, 0.02, image.shape)
    named = {"trees": TREES, "road": ROAD, "building": BUILDING, "water": 0}
    return scene(to_uint8(image), bits, named, "outdoor")


def _land(rng: np.random.Generator) -> tuple[Field, NDArray[np.uint8]]:
    """Return ground divided among fields, woods and water."""
    parts = shapes.cells(rng, SIDE, int(rng.integers(2, 9)), wobble=float(rng.choice([0, 1, 8])))[0]
    image = np.zeros((SIDE, SIDE, 3), np.float32)
    bits = np.zeros((SIDE, SIDE), np.uint8)
    for part in range(parts.max() + 1):
        kind = int(rng.choice([FIELD, FIELD, TREES, WATER]))
        mask = parts == part
        image[mask] = _COVERS[kind](rng)[mask]
        bits[mask] = kind
    return image, bits


def _crops(rng: np.random.Generator) -> Field:
    colour = rng.uniform((0.3, 0.35, 0.15), (0.75, 0.65, 0.4))
    angle, period = rng.uniform(0, math.pi), rng.uniform(3, 9)
    rows, columns = np.mgrid[:SIDE, :SIDE] * (2 * math.pi / period)
    depth = rng.uniform(0, 0.08)
    return _textured(colour, depth * np.sin(np.cos(angle) * rows + np.sin(angle) * columns))


def leaves(rng: np.random.Generator) -> Field:
    """Return foliage (SIDE, SIDE, 3)."""
    colour = rng.uniform((0.08, 0.2, 0.06), (0.25, 0.42, 0.2))
    depth = rng.uniform(0.15, 0.4)
    return _textured(colour, depth * smooth_noise(rng, SIDE, rng.uniform(1.5, 5)))


def _ripples(rng: np.random.Generator) -> Field:
    colour = rng.uniform((0.03, 0.1, 0.15), (0.25, 0.4, 0.5))
    depth = rng.uniform(0, 0.04)
    return _textured(colour, depth * smooth_noise(rng, SIDE, rng.uniform(1, 10)))


def _textured(colour: NDArray[np.float64], texture: NDArray[np.floating]) -> Field:
    cover: Field = (colour * (1 + texture[..., None])).astype(np.float32)
    return cover


_COVERS: Mapping[int, Callable[[np.random.Generator], Field]] = {
    FIELD: _crops,
    TREES: leaves,
    WATER: _ripples,
}
"""What covers the ground (SIDE, SIDE, 3), by its bit."""


def _roads(rng: np.random.Generator, image: Field, bits: NDArray[np.uint8]) -> None:
    """Draw one to three roads, straight or bent, that cross the picture."""
    grey = rng.uniform(0.35, 0.8)
    for _ in range(int(rng.integers(1, 4))):
        width = rng.uniform(3, 13)
        mask = shapes.line(SIDE, shapes.walk(rng, SIDE, float(rng.choice([0, 0, 0.06]))), width)
        image[mask] = grey * rng.uniform(0.97, 1.03, 3)
        bits[mask] = ROAD
    paved = bits == ROAD
    image[paved] *= 1 + 0.03 * rng.standard_normal((int(paved.sum()), 1))


def _roofs(rng: np.random.Generator, image: Field, bits: NDArray[np.uint8]) -> None:
    """Draw houses, lit from one side, each with its shadow."""
    angle = rng.uniform(0, math.pi)
    reach, towards_x, towards_y = rng.uniform((1, 0, 0), (5, 6.28, 6.28))
    shadow = reach * np.array([math.cos(towards_x), math.sin(towards_y)])
    for _ in range(int(rng.integers(2, 14))):
        x, y = rng.uniform(0, SIDE, 2)
        radii = (rng.uniform(6, 22), rng.uniform(5, 14))
        turned = angle + float(rng.choice([0, math.pi / 2]))
        image[box((x + shadow[0], y + shadow[1]), radii, turned)] *= 0.45
        mask = box((x, y), radii, turned)
        colour = rng.uniform(0.35, 0.95) * np.array([1, rng.uniform(0.55, 1), rng.uniform(0.5, 1)])
        rows, columns = np.mgrid[:SIDE, :SIDE]
        lit = (columns - x) * -math.sin(turned) + (rows - y) * math.cos(turned) > 0
        shade = np.where(lit, 1.0, rng.uniform(0.7, 1.0))[..., None]
        image[mask] = (colour * shade)[mask]
        bits[mask] = BUILDING


def streets(rng: np.random.Generator, angle: float, zoom: float = 1.0) -> Mask:
    """Return a grid of streets along and across ``angle``, wide ones and lanes, a little bent."""
    bend = rng.uniform(0, 3) * smooth_noise(rng, SIDE, 60)
    rows, columns = np.mgrid[:SIDE, :SIDE] + bend
    found = np.zeros((SIDE, SIDE), bool)
    for turned in (angle, angle + math.pi / 2):
        along = columns * math.cos(turned) + rows * math.sin(turned)
        spacing = zoom * rng.uniform(35, 110)
        found |= (along + rng.uniform(0, spacing)) % spacing < zoom * rng.uniform(3, 15)
    return found


def _house(rng: np.random.Generator, image: Field, bits: NDArray[np.uint8], angle: float) -> None:
    """Draw a house with its shadow beside the streets, or none where there is no room."""
    x, y = rng.uniform(0, SIDE, 2)
    radii = (rng.uniform(4, 16), rng.uniform(4, 10))
    mask = box((x, y), radii, angle + float(rng.choice([0, math.pi / 2])))
    if bits[mask].any():
        return
    shadow = np.roll(mask, rng.integers(1, 4, 2), (0, 1)) & (bits == 0) & ~mask
    image[shadow] *= 0.5
    image[mask] = rng.uniform(0.25, 1.0) * np.array([1, *rng.uniform(0.75, 1.05, 2)])
    ridge = box((x, y), (radii[0], radii[1] / 2), angle)
    image[ridge & mask] *= rng.uniform(0.8, 1.0)
    bits[mask] = BUILDING


def box(centre: Pair, radii: Pair, angle: float) -> Mask:
    """Return a rectangle with radii along and across ``angle`` (radians)."""
    along = np.array([math.cos(angle), math.sin(angle)]) * radii[0]
    across = np.array([-math.sin(angle), math.cos(angle)]) * radii[1]
    corners = [along + across, along - across, -along - across, across - along]
    return shapes.polygon(SIDE, [(centre[0] + x, centre[1] + y) for x, y in corners])
