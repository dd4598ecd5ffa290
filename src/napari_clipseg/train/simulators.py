"""Generated pictures of known things: fluorescence, membranes, vessels, land from above."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.train import shapes
from napari_clipseg.train.appearance import objects, textures
from napari_clipseg.train.dataset import Concept, Scene, contrast_window
from napari_clipseg.train.mosaic import SIDE
from napari_clipseg.train.shapes import Mask, blurred, smooth_noise

Field = NDArray[np.float32]

NAMES: Mapping[str, tuple[str, ...]] = {
    "nucleus": ("nuclei", "cell nuclei", "nucleus", "stained nuclei", "bright nuclei"),
    "spot": ("spots", "bright spots", "fluorescent spots", "puncta", "bright dots"),
    "filament": ("filaments", "fibres", "microtubules", "actin filaments", "bright lines"),
    "cell-membrane": ("cell membranes", "membranes", "cell boundaries", "cell walls", "membrane"),
    "cell-interior": ("cell interiors", "cells", "inside of cells", "cytoplasm"),
    "blood-vessel": ("blood vessels", "vessels", "veins", "blood vessel", "retinal vessels"),
    "background": ("background", "empty background"),
    "road": ("roads", "road", "streets", "paved road", "highway"),
    "building": ("buildings", "roofs", "rooftops", "houses", "building"),
    "trees": ("trees", "tree canopy", "forest", "vegetation", "bushes"),
    "water": ("water", "lake", "river", "pond", "sea"),
    "field": ("fields", "farmland", "cropland", "farm fields"),
}
"""Phrases of the things that are drawn here."""


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
    return _scene(_camera(rng, light), bits, {**named, "background": _rest(bits)})


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
            image[_ellipse(rng, (3, 9), 1.8)] *= rng.uniform(0.45, 0.8)
    bits = np.where(wall, 1, 2).astype(np.uint8)
    light = np.repeat(image.astype(np.float32)[..., None], 3, 2)
    return _scene(_camera(rng, light), bits, {"cell-membrane": 1, "cell-interior": 2, "nucleus": 0})


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
    pixels = _camera(rng, image.astype(np.float32), gain=rng.uniform(0.8, 1.0))
    return _scene(pixels, mask.astype(np.uint8), {"blood-vessel": 1, "nucleus": 0})


def retina(rng: np.random.Generator) -> Scene:
    """Return part of an eye's background: dark vessels on smooth orange, black around the field."""
    width = rng.uniform(1.5, 5)
    mask = shapes.tree(rng, SIDE, width) | shapes.tree(rng, SIDE, 0.6 * width)
    ground = 0.06 * smooth_noise(rng, SIDE, rng.uniform(4, 20)) + 0.1 * smooth_noise(rng, SIDE, 60)
    image = rng.uniform((0.5, 0.16, 0.02), (0.95, 0.5, 0.3)) * (1 + ground[..., None])
    if rng.random() < 0.4:
        disc = _ellipse(rng, (10, 25), 1.2).astype(np.float32)
        image += blurred(disc, rng.uniform(1, 4))[..., None] * (np.array([1, 0.85, 0.5]) - image)
    darker = rng.uniform((0.65, 0.4, 0.5), (0.95, 0.75, 0.9))
    strength = blurred(mask.astype(np.float32), rng.uniform(0.4, 0.9))[..., None]
    image *= 1 + (darker - 1) * strength
    if rng.random() < 0.25:
        image = np.repeat(image[..., 1:2] * rng.uniform(1, 1.8), 3, 2)
    if rng.random() < 0.5:
        inside = _field_of_view(rng)
        image *= inside[..., None]
        mask &= inside
    image = image * rng.uniform(0.6, 1.1) + rng.normal(0, rng.uniform(0.004, 0.02), image.shape)
    return _scene(_bytes(image), mask.astype(np.uint8), {"blood-vessel": 1, "nucleus": 0})


def town(rng: np.random.Generator) -> Scene:
    """Return streets with rows of houses and trees from above."""
    lawn = smooth_noise(rng, SIDE, rng.uniform(8, 30)) > rng.uniform(-0.8, 0.8)
    grass = rng.uniform((0.2, 0.28, 0.12), (0.45, 0.5, 0.3)) * np.ones((SIDE, SIDE, 1))
    image = np.where(lawn[..., None], grass, _cover(rng, 1)).astype(np.float32)
    image *= 1 + 0.08 * smooth_noise(rng, SIDE, rng.uniform(1.5, 6))[..., None]
    angle = rng.uniform(0, math.pi)
    streets = _streets(rng, angle)
    image[streets] = rng.uniform(0.35, 0.7) * rng.uniform(0.96, 1.04, 3)
    bits = np.where(streets, 8, 0).astype(np.uint8)
    for _ in range(int(rng.integers(10, 100))):
        _house(rng, image, bits, angle)
    for _ in range(int(rng.integers(0, 30))):
        tree = shapes.blob(rng, SIDE, tuple(rng.uniform(0, SIDE, 2)), rng.uniform(2, 9))
        image[tree] = _cover(rng, 2)[tree] * rng.uniform(0.6, 1.1)
        bits[tree] = 2
    image = blurred(image.astype(np.float32), rng.uniform(0.3, 0.9))
    image += rng.normal(0, 0.02, image.shape)
    return _scene(
        _bytes(image), bits, {"trees": 2, "road": 8, "building": 16, "water": 0}, "outdoor"
    )


def aerial(rng: np.random.Generator) -> Scene:
    """Return land from above: fields, woods, water, roads and roofs with their shadows."""
    image, bits = _land(rng)
    named = {"field": 1, "trees": 2, "water": 4}
    if rng.random() < 0.6:
        named["road"] = _roads(rng, image, bits, 8)
    if rng.random() < 0.6:
        named["building"] = _roofs(rng, image, bits, 16)
    image = blurred(image, rng.uniform(0.3, 0.9)) * rng.uniform(0.75, 1.1)
    image += rng.normal(0, 0.02, image.shape)
    return _scene(_bytes(image), bits, {"road": 0, "building": 0, **named}, "outdoor")


def _field_of_view(rng: np.random.Generator) -> Mask:
    """Return the part of the square inside the round opening of a camera."""
    radius = rng.uniform(0.5, 1.2) * SIDE
    towards = rng.uniform(0, 2 * math.pi)
    reach = radius - rng.uniform(0, 0.45) * SIDE
    centre = SIDE / 2 + reach * np.array([math.cos(towards), math.sin(towards)])
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside: Mask = np.hypot(rows - centre[0], columns - centre[1]) < radius
    return inside


def _streets(rng: np.random.Generator, angle: float) -> Mask:
    """Return a grid of streets, wide ones and lanes, a little bent."""
    bend = rng.uniform(0, 3) * smooth_noise(rng, SIDE, 60)
    rows, columns = np.mgrid[:SIDE, :SIDE] + bend
    found = np.zeros((SIDE, SIDE), bool)
    for turned in (angle, angle + math.pi / 2):
        along = columns * math.cos(turned) + rows * math.sin(turned)
        spacing = rng.uniform(35, 110)
        found |= (along + rng.uniform(0, spacing)) % spacing < rng.uniform(3, 15)
    return found


def _house(rng: np.random.Generator, image: Field, bits: NDArray[np.uint8], angle: float) -> None:
    """Draw a house (bit 16) with its shadow beside the streets, or none where there is no room."""
    x, y = rng.uniform(0, SIDE, 2)
    radii = (rng.uniform(4, 16), rng.uniform(4, 10))
    mask = _box((x, y), radii, angle + float(rng.choice([0, math.pi / 2])))
    if bits[mask].any():
        return
    shadow = np.roll(mask, rng.integers(1, 4, 2), (0, 1)) & (bits == 0) & ~mask
    image[shadow] *= 0.5
    image[mask] = rng.uniform(0.25, 1.0) * np.array([1, *rng.uniform(0.75, 1.05, 2)])
    ridge = _box((x, y), (radii[0], radii[1] / 2), angle)
    image[ridge & mask] *= rng.uniform(0.8, 1.0)
    bits[mask] = 16


def _land(rng: np.random.Generator) -> tuple[Field, NDArray[np.uint8]]:
    """Return ground of fields (bit 1), woods (2) and water (4)."""
    parts = shapes.cells(rng, SIDE, int(rng.integers(2, 9)), wobble=float(rng.choice([0, 1, 8])))[0]
    image = np.zeros((SIDE, SIDE, 3), np.float32)
    bits = np.zeros((SIDE, SIDE), np.uint8)
    for part in range(parts.max() + 1):
        kind = int(rng.choice([1, 1, 2, 4]))
        mask = parts == part
        image[mask] = _cover(rng, kind)[mask]
        bits[mask] = kind
    return image, bits


def _cover(rng: np.random.Generator, kind: int) -> Field:
    if kind == 1:
        colour = rng.uniform((0.3, 0.35, 0.15), (0.75, 0.65, 0.4))
        angle, period = rng.uniform(0, math.pi), rng.uniform(3, 9)
        rows, columns = np.mgrid[:SIDE, :SIDE] * (2 * math.pi / period)
        texture = rng.uniform(0, 0.08) * np.sin(np.cos(angle) * rows + np.sin(angle) * columns)
    elif kind == 2:
        colour = rng.uniform((0.08, 0.2, 0.06), (0.25, 0.42, 0.2))
        texture = rng.uniform(0.15, 0.4) * smooth_noise(rng, SIDE, rng.uniform(1.5, 5))
    else:
        colour = rng.uniform((0.03, 0.1, 0.15), (0.25, 0.4, 0.5))
        texture = rng.uniform(0, 0.04) * smooth_noise(rng, SIDE, rng.uniform(1, 10))
    cover: Field = (colour * (1 + texture[..., None])).astype(np.float32)
    return cover


def _roads(rng: np.random.Generator, image: Field, bits: NDArray[np.uint8], bit: int) -> int:
    grey = rng.uniform(0.35, 0.8)
    for _ in range(int(rng.integers(1, 4))):
        width = rng.uniform(3, 13)
        mask = shapes.line(SIDE, shapes.walk(rng, SIDE, float(rng.choice([0, 0, 0.06]))), width)
        image[mask] = grey * rng.uniform(0.97, 1.03, 3)
        bits[mask] = bit
    image[bits == bit] *= 1 + 0.03 * rng.standard_normal((int((bits == bit).sum()), 1))
    return bit


def _roofs(rng: np.random.Generator, image: Field, bits: NDArray[np.uint8], bit: int) -> int:
    """Draw houses, lit from one side, each with its shadow."""
    angle = rng.uniform(0, math.pi)
    reach, towards_x, towards_y = rng.uniform((1, 0, 0), (5, 6.28, 6.28))
    shadow = reach * np.array([math.cos(towards_x), math.sin(towards_y)])
    for _ in range(int(rng.integers(2, 14))):
        x, y = rng.uniform(0, SIDE, 2)
        radii = (rng.uniform(6, 22), rng.uniform(5, 14))
        turned = angle + float(rng.choice([0, math.pi / 2]))
        image[_box((x + shadow[0], y + shadow[1]), radii, turned)] *= 0.45
        mask = _box((x, y), radii, turned)
        colour = rng.uniform(0.35, 0.95) * np.array([1, rng.uniform(0.55, 1), rng.uniform(0.5, 1)])
        rows, columns = np.mgrid[:SIDE, :SIDE]
        lit = (columns - x) * -math.sin(turned) + (rows - y) * math.cos(turned) > 0
        shade = np.where(lit, 1.0, rng.uniform(0.7, 1.0))[..., None]
        image[mask] = (colour * shade)[mask]
        bits[mask] = bit
    return bit


def _box(centre: tuple[float, float], radii: tuple[float, float], angle: float) -> Mask:
    along = np.array([math.cos(angle), math.sin(angle)]) * radii[0]
    across = np.array([-math.sin(angle), math.cos(angle)]) * radii[1]
    corners = [along + across, along - across, -along - across, across - along]
    return shapes.polygon(SIDE, [(centre[0] + x, centre[1] + y) for x, y in corners])


def _ellipse(rng: np.random.Generator, radii: tuple[float, float], longest: float) -> Mask:
    x, y = rng.uniform(-5, SIDE + 5, 2)
    radius, stretch = rng.uniform(*radii), rng.uniform(1, longest)
    return shapes.ellipse(SIDE, (x, y), (radius * stretch, radius), rng.uniform(0, math.pi))


def _nuclei(rng: np.random.Generator) -> tuple[Field, Mask]:
    light, found = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), bool)
    radius = rng.uniform(5, 24)
    faintest = rng.uniform(0.25, 0.9)
    for _ in range(int(rng.integers(2, 4 + 2500 / radius**1.8))):
        mask = _ellipse(rng, (0.7 * radius, 1.2 * radius), 1.7)
        light[mask] = np.maximum(light[mask], rng.uniform(faintest, 1.0))
        found |= mask
    light *= 1 + rng.uniform(0, 0.25) * smooth_noise(rng, SIDE, rng.uniform(2, 8))
    return blurred(light, rng.uniform(0.5, 1.8)), found


def _spots(rng: np.random.Generator) -> tuple[Field, Mask]:
    light, found = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), bool)
    radius = rng.uniform(1.5, 4)
    for _ in range(int(rng.integers(5, 60))):
        mask = _ellipse(rng, (0.8 * radius, 1.2 * radius), 1.15)
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


def _camera(rng: np.random.Generator, light: Field, gain: float = 0.0) -> NDArray[np.uint8]:
    """Add uneven light, background and noise; a gain of 0 is drawn, dim pictures among them."""
    uneven = 1 + rng.uniform(0, 0.25) * smooth_noise(rng, SIDE, 80)[..., None]
    seen = light * uneven + rng.uniform(0, 0.12)
    photons = math.exp(rng.uniform(math.log(20), math.log(500)))
    counted = seen + rng.normal(0, 1, (SIDE, SIDE, 1)) * np.sqrt(np.clip(seen, 0, None) / photons)
    return _bytes(counted * (gain or rng.uniform(0.2, 0.9)))


def _bytes(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    return pixels


def _rest(bits: NDArray[np.uint8]) -> int:
    bits[bits == 0] = 1 << 6
    return 1 << 6


def _scene(
    image: NDArray[np.uint8],
    bits: NDArray[np.uint8],
    named: Mapping[str, int],
    realm: str = "micro",
) -> Scene:
    concepts = tuple(Concept(name, NAMES[name], value) for name, value in named.items())
    return Scene(image, bits, concepts, realm, contrast_window(image))


GENERATORS: dict[str, Callable[[np.random.Generator], Scene]] = {
    "objects": objects,
    "textures": textures,
    "fluorescence": fluorescence,
    "membranes": membranes,
    "vessels": vessels,
    "retina": retina,
    "aerial": aerial,
    "town": town,
}
