"""A generated stack of stained nuclei with its truth, to try 3-D images on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

Volume = npt.NDArray[np.float32]

VOXEL_UM = (2.0, 0.5, 0.5)
"""Size of a voxel (z, y, x) in micrometres."""

SHAPE = (16, 256, 256)
"""Planes, rows and columns."""

RADIUS_UM = ((4.0, 6.0), (5.5, 8.0), (5.5, 8.0))
"""Smallest and largest half axis of a nucleus along z, y and x in micrometres."""

TRIES = 400
"""So many nuclei are thrown in; those that would touch an earlier one are left out."""

BACKGROUND, NUCLEUS = 120.0, (500.0, 1500.0)
"""Photons of an empty voxel, and of the dimmest and brightest nucleus above it."""

SEED = 3


@dataclasses.dataclass(frozen=True, slots=True)
class _Nucleus:
    centre_um: npt.NDArray[np.float64]
    radius_um: npt.NDArray[np.float64]
    turn: float
    photons: float


def demo_stack() -> npt.NDArray[np.uint16]:
    """Return nuclei as a confocal microscope would show them, (16, 256, 256) uint16 photons.

    The same at each call. Voxels are :data:`VOXEL_UM` large; the nuclei are ellipsoids with an
    uneven outline and texture, blurred more along z than across, with photon noise.
    """
    rng = np.random.default_rng(SEED)
    texture = _texture(rng)
    photons = np.zeros(SHAPE, np.float32)
    for nucleus in _nuclei():
        box, inside = _inside(nucleus, texture)
        photons[box] += inside * nucleus.photons * np.exp(0.3 * texture[box])
    seen = gaussian_filter(photons, (0.7, 1.2, 1.2)) + BACKGROUND
    return np.asarray(rng.poisson(seen), np.uint16)


def demo_stack_truth() -> npt.NDArray[np.int32]:
    """Return the nuclei of :func:`demo_stack`, (16, 256, 256) int32, 0 is background."""
    texture = _texture(np.random.default_rng(SEED))
    labels = np.zeros(SHAPE, np.int32)
    for number, nucleus in enumerate(_nuclei(), start=1):
        box, inside = _inside(nucleus, texture)
        labels[box][inside] = number
    return labels


def _nuclei() -> list[_Nucleus]:
    """Return nuclei that do not touch each other."""
    placed: list[_Nucleus] = []
    for each in _thrown():
        gaps = [
            np.linalg.norm((each.centre_um - other.centre_um) / (each.radius_um + other.radius_um))
            for other in placed
        ]
        if min(gaps, default=2.0) > 1.15:
            placed.append(each)
    return placed


def _thrown() -> Iterator[_Nucleus]:
    rng = np.random.default_rng(SEED + 1)
    size_um = np.multiply(SHAPE, VOXEL_UM)
    low, high = np.transpose(RADIUS_UM)
    for _ in range(TRIES):
        centre, radius = rng.uniform(0, size_um), rng.uniform(low, high)
        yield _Nucleus(centre, radius, rng.uniform(0, np.pi), rng.uniform(*NUCLEUS))


def _texture(rng: np.random.Generator) -> Volume:
    """Return smooth noise of mean 0 and standard deviation 1."""
    noise = gaussian_filter(rng.standard_normal(SHAPE, np.float32), (1, 3, 3))
    return np.asarray((noise - noise.mean()) / noise.std(), np.float32)


def _inside(nucleus: _Nucleus, texture: Volume) -> tuple[tuple[slice, ...], npt.NDArray[np.bool_]]:
    """Return a box around a nucleus and which of its voxels are inside the uneven outline."""
    reach = 1.3 * nucleus.radius_um.max()
    first = np.floor((nucleus.centre_um - reach) / VOXEL_UM).astype(int)
    end = np.ceil((nucleus.centre_um + reach) / VOXEL_UM).astype(int)
    box = tuple(
        slice(max(a, 0), min(b, size)) for a, b, size in zip(first, end, SHAPE, strict=True)
    )
    z, y, x = (
        np.arange(part.start, part.stop) * step - centre
        for part, step, centre in zip(box, VOXEL_UM, nucleus.centre_um, strict=True)
    )
    z, y, x = np.ix_(z, y, x)
    cos, sin = np.cos(nucleus.turn), np.sin(nucleus.turn)
    radius_z, radius_y, radius_x = nucleus.radius_um
    distance = np.sqrt(
        (z / radius_z) ** 2
        + ((cos * y - sin * x) / radius_y) ** 2
        + ((sin * y + cos * x) / radius_x) ** 2
    )
    return box, np.asarray(distance + 0.08 * texture[box] < 1)
