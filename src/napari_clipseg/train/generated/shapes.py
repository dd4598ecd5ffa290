"""Forms from which generated pictures are made: masks of known shape, size and place."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import cKDTree

Mask = NDArray[np.bool_]
Point = tuple[float, float]


def smooth_noise(rng: np.random.Generator, side: int, sigma: float) -> NDArray[np.float32]:
    """Return noise (side, side) float32 of mean 0 and deviation 1, smooth over ``sigma`` px."""
    coarse = max(4, math.ceil(2 * side / sigma))
    field = Image.fromarray(rng.standard_normal((coarse, coarse)).astype(np.float32))
    grown = np.asarray(field.resize((side, side), Image.Resampling.BICUBIC))
    normalised: NDArray[np.float32] = (grown - grown.mean()) / (grown.std() + 1e-6)
    return normalised


def cells(
    rng: np.random.Generator, side: int, count: int, wobble: float = 0.0
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Divide a square into Voronoi cells.

    Returns
    -------
    (int64 (side, side), float64 (side, side))
        Number of the cell, and distance in pixels to the next cell's border.
    """
    rows, columns = np.mgrid[:side, :side].astype(np.float64)
    if wobble:
        rows = rows + wobble * smooth_noise(rng, side, 26)
        columns = columns + wobble * smooth_noise(rng, side, 26)
    seeds = rng.uniform(0, side, (max(count, 2), 2))
    distances, nearest = cKDTree(seeds).query(np.stack([rows, columns], -1), k=2)
    return nearest[..., 0].astype(np.int64), (distances[..., 1] - distances[..., 0]) / 2


def _drawn(side: int, draw: Callable[[ImageDraw.ImageDraw], object]) -> Mask:
    canvas = Image.new("L", (side, side))
    draw(ImageDraw.Draw(canvas))
    return np.asarray(canvas) > 0


def polygon(side: int, points: list[Point]) -> Mask:
    """Return the inside of a polygon of points (x, y)."""
    return _drawn(side, lambda pen: pen.polygon(points, fill=1))


def ellipse(side: int, centre: Point, radii: Point, angle: float) -> Mask:
    """Return an ellipse with radii along and across ``angle`` (radians)."""
    return regular(side, centre, radii, angle, corners=24)


def regular(side: int, centre: Point, radii: Point, angle: float, corners: int) -> Mask:
    """Return a polygon whose corners lie on an ellipse: 3 a triangle, 4 a square, 24 a disc."""
    turns = np.arange(corners) * 2 * math.pi / corners
    along, across = radii[0] * np.cos(turns), radii[1] * np.sin(turns)
    x = centre[0] + along * math.cos(angle) - across * math.sin(angle)
    y = centre[1] + along * math.sin(angle) + across * math.cos(angle)
    return polygon(side, list(zip(x.tolist(), y.tolist(), strict=True)))


def blob(rng: np.random.Generator, side: int, centre: Point, radius: float) -> Mask:
    """Return an irregular shape: a disc whose radius varies around it."""
    turns = np.arange(40) * 2 * math.pi / 40
    radii = np.full(40, radius)
    for wave in range(2, 6):
        height = radius * rng.uniform(0.05, 0.4) / wave * 2
        radii += height * np.cos(wave * turns + rng.uniform(0, 6.28))
    x = centre[0] + radii * np.cos(turns)
    y = centre[1] + radii * np.sin(turns)
    return polygon(side, list(zip(x.tolist(), y.tolist(), strict=True)))


def ring(side: int, centre: Point, radius: float, width: float) -> Mask:
    """Return a ring with the given outer radius."""
    inner = max(radius - width, 1.0)
    outer = ellipse(side, centre, (radius, radius), 0)
    hole: Mask = outer & ~ellipse(side, centre, (inner, inner), 0)
    return hole


def line(side: int, points: list[Point], width: float) -> Mask:
    """Return a polyline of points (x, y), ``width`` pixels wide."""
    return _drawn(
        side, lambda pen: pen.line(points, fill=1, width=max(1, round(width)), joint="curve")
    )


def walk(
    rng: np.random.Generator, side: int, bend: float, heading: float | None = None
) -> list[Point]:
    """Return the points (x, y) of a line that crosses the square; ``bend`` radians a step."""
    heading = rng.uniform(0, 2 * math.pi) if heading is None else heading
    x, y = rng.uniform(0.15 * side, 0.85 * side, 2)
    back, forth = steps(rng, (x, y), heading + math.pi, bend), steps(rng, (x, y), heading, bend)
    reach = side // 2 + int(rng.integers(side // 2))
    return back[: reach // 5][::-1] + forth[: reach // 5]


def steps(rng: np.random.Generator, start: Point, heading: float, bend: float) -> list[Point]:
    """Return 41 points (x, y), 5 pixels apart, of a line that goes off; ``bend`` radians a step."""
    turns = heading + np.cumsum(rng.normal(0, bend, 40))
    x = start[0] + np.cumsum(5 * np.cos(turns))
    y = start[1] + np.cumsum(5 * np.sin(turns))
    return [start, *zip(x.tolist(), y.tolist(), strict=True)]


def tree(rng: np.random.Generator, side: int, width: float, depth: int = 3) -> Mask:
    """Return a branching network, thinner at every branching, as vessels are."""
    found = np.zeros((side, side), bool)
    for _ in range(int(rng.integers(1, 4))):
        trunk = walk(rng, side, 0.12)
        found |= line(side, trunk, width)
        for _ in range(int(rng.integers(2, 5))):
            found |= _branch(rng, side, trunk[int(rng.integers(len(trunk)))], width, depth)
    return found


def _branch(rng: np.random.Generator, side: int, start: Point, width: float, depth: int) -> Mask:
    thinner = max(1.0, width * rng.uniform(0.5, 0.8))
    points = steps(rng, start, rng.uniform(0, 2 * math.pi), 0.2)[: int(rng.integers(6, 20))]
    found = line(side, points, thinner)
    if depth > 1:
        fork = points[int(rng.integers(len(points)))]
        found |= _branch(rng, side, fork, thinner, depth - 1)
    return found


def blurred(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return an image (H, W) or (H, W, C) blurred over its rows and columns."""
    spread = (sigma, sigma, 0)[: values.ndim]
    result: NDArray[np.float32] = ndimage.gaussian_filter(values, spread)
    return result
