"""Generated pictures of blood vessels: angiograms, and the back of the eye."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.train.dataset import Scene
from napari_clipseg.train.generated import shapes
from napari_clipseg.train.generated.canvas import (
    SIDE,
    camera,
    random_ellipse,
    scene,
    to_uint8,
)
from napari_clipseg.train.generated.shapes import Mask, blurred, smooth_noise


def vessels(rng: np.random.Generator) -> Scene:
    """Return branching vessels, dark on a retina or bright in an angiogram."""
    mask = shapes.tree(rng, SIDE, rng.uniform(2, 8))
    ground = 0.1 * smooth_noise(rng, SIDE, rng.uniform(3, 50))
    colour = rng.uniform((0.5, 0.2, 0.05), (1.0, 0.55, 0.35))
    if rng.random() < 0.4:
        colour = np.full(3, rng.uniform(0.15, 0.7))
    contrast = rng.uniform(1.5, 2.5) if colour[1] == colour[2] < 0.4 else rng.uniform(0.35, 0.8)
    strength = blurred(mask.astype(np.float32), rng.uniform(0.4, 1.2))[..., None]
    image = (1 + ground[..., None]) * colour * (1 + (contrast - 1) * strength)
    pixels = camera(rng, image.astype(np.float32), gain=rng.uniform(0.8, 1.0))
    return scene(pixels, mask.astype(np.uint8), {"blood-vessel": 1, "nucleus": 0})


def retina(rng: np.random.Generator) -> Scene:
    """Return part of an eye's background: dark vessels on smooth orange, black around the field."""
    width = rng.uniform(1.5, 5)
    mask = shapes.tree(rng, SIDE, width) | shapes.tree(rng, SIDE, 0.6 * width)
    ground = 0.06 * smooth_noise(rng, SIDE, rng.uniform(4, 20)) + 0.1 * smooth_noise(rng, SIDE, 60)
    image = rng.uniform((0.5, 0.16, 0.02), (0.95, 0.5, 0.3)) * (1 + ground[..., None])
    if rng.random() < 0.4:
        disc = random_ellipse(rng, (10, 25), 1.2).astype(np.float32)
        image += blurred(disc, rng.uniform(1, 4))[..., None] * (np.array([1, 0.85, 0.5]) - image)
    darker = rng.uniform((0.65, 0.4, 0.5), (0.95, 0.75, 0.9))
    strength = blurred(mask.astype(np.float32), rng.uniform(0.4, 0.9))[..., None]
    image *= 1 + (darker - 1) * strength
    if rng.random() < 0.25:
        image = np.repeat(image[..., 1:2] * rng.uniform(1, 1.8), 3, 2)
    return _photographed(rng, image, mask, framed=0.5)


def fundus(rng: np.random.Generator) -> Scene:
    """Return part of an eye's background as a camera near it shows it: wide, tapering vessels.

    Arteries are lighter than veins and have a bright reflex along their middle.
    """
    ground = 0.05 * smooth_noise(rng, SIDE, rng.uniform(2, 8)) + 0.15 * smooth_noise(rng, SIDE, 80)
    image = rng.uniform((0.45, 0.15, 0.02), (0.95, 0.55, 0.3)) * (1 + ground[..., None])
    found = np.zeros((SIDE, SIDE), bool)
    widest = math.exp(rng.uniform(math.log(2.5), math.log(11)))
    darker = rng.uniform((0.7, 0.45, 0.5), (0.95, 0.75, 0.9))
    centre = rng.uniform(-0.3 * SIDE, 1.3 * SIDE, 2)
    disc = shapes.ellipse(SIDE, tuple(centre), tuple(rng.uniform(2, 4, 2) * widest), 0)
    pale = blurred(disc.astype(np.float32), rng.uniform(1, 4))[..., None]
    image += pale * (np.array([1, 0.85, 0.5]) - image) * rng.uniform(0.3, 0.9)
    for _ in range(int(rng.integers(2, 7))):
        heading = _towards(centre, rng.uniform(0.1 * SIDE, 0.9 * SIDE, 2))
        vessel, reflex = _tapering(rng, centre, heading, widest * rng.uniform(0.4, 1))
        strength = blurred(vessel.astype(np.float32), rng.uniform(0.5, 1))
        strength = strength - 0.5 * rng.uniform() * blurred(reflex.astype(np.float32), 0.7)
        image *= 1 + (darker * rng.uniform(0.9, 1.1) - 1) * strength[..., None]
        found |= vessel
    return _photographed(rng, image, found, framed=0.3)


def _photographed(
    rng: np.random.Generator, image: NDArray[np.float64], vessels: Mask, framed: float
) -> Scene:
    """Return an eye as a camera sees it; with a share ``framed`` its round opening is seen, too."""
    if rng.random() < framed:
        inside = _field_of_view(rng)
        image = image * inside[..., None]
        vessels = vessels & inside
    image = image * rng.uniform(0.6, 1.1) + rng.normal(0, rng.uniform(0.004, 0.02), image.shape)
    return scene(to_uint8(image), vessels.astype(np.uint8), {"blood-vessel": 1, "nucleus": 0})


def _tapering(
    rng: np.random.Generator,
    start: NDArray[np.float64],
    heading: float,
    width: float,
    depth: int = 3,
) -> tuple[Mask, Mask]:
    """Return a vessel with its branches, and the light along the middle of its wide parts."""
    points = shapes.steps(rng, (float(start[0]), float(start[1])), heading, 0.12)
    vessel, reflex = np.zeros((SIDE, SIDE), bool), np.zeros((SIDE, SIDE), bool)
    for first in range(0, len(points) - 1, 4):
        part = points[first : first + 5]
        vessel |= shapes.line(SIDE, part, max(1.0, width))
        if width > 4:
            reflex |= shapes.line(SIDE, part, width / 4)
        if depth > 0 and rng.random() < 0.2:
            end = np.array(part[-1])
            turned = _towards(np.array(part[0]), end) + rng.choice([-1, 1]) * rng.uniform(0.3, 1.1)
            branch = _tapering(rng, end, turned, width * rng.uniform(0.4, 0.85), depth - 1)
            vessel, reflex = vessel | branch[0], reflex | branch[1]
            width *= 0.9
    return vessel, reflex


def _towards(start: NDArray[np.float64], end: NDArray[np.float64]) -> float:
    """Return the direction (radians) from one point (x, y) to another."""
    return math.atan2(end[1] - start[1], end[0] - start[0])


def _field_of_view(rng: np.random.Generator) -> Mask:
    """Return the part of the square inside the round opening of a camera."""
    radius = rng.uniform(0.5, 1.2) * SIDE
    towards = rng.uniform(0, 2 * math.pi)
    reach = radius - rng.uniform(0, 0.45) * SIDE
    centre = SIDE / 2 + reach * np.array([math.cos(towards), math.sin(towards)])
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside: Mask = np.hypot(rows - centre[0], columns - centre[1]) < radius
    return inside
