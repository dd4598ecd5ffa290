"""From a picture of any size to one training square: cut, turned, and seen through a window."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_clipseg.train.dataset import UNLABELLED, Concept, Scene
from napari_clipseg.train.stain import restained

SCALES = (0.5, 2.0)
"""Smallest and largest magnification of a training square."""

_NATIVE = 0.35
"""Share of the squares that are cut at the picture's own resolution."""

_ON_OBJECT = 0.8
"""Share of the squares that are cut so that they show some of the concept asked for."""

_RESTAINED = 0.6
"""Share of the squares of stained tissue that are shown in other stains."""

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


@dataclasses.dataclass(frozen=True, slots=True)
class Square:
    """A training square.

    Parameters
    ----------
    image : float32 (S, S, 3)
        RGB in [0, 1].
    bits : uint8 (S, S)
        As in the scene it was cut from.
    """

    image: NDArray[np.float32]
    bits: NDArray[np.uint8]

    def mask(self, concept: Concept) -> NDArray[np.bool_]:
        """Return the pixels (S, S) of a concept."""
        found: NDArray[np.bool_] = (self.bits & concept.bits) != 0
        return found

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Pixels (S, S) of which all is known."""
        known: NDArray[np.bool_] = (self.bits & UNLABELLED) == 0
        return known


def cut(rng: np.random.Generator, scene: Scene, concept: Concept, side: int) -> Square:
    """Return a random square of a scene, turned and lit at random.

    Parameters
    ----------
    rng : Generator
        Decides everything.
    concept : Concept
        What most squares shall show.
    side : int
        Side of the square in pixels.
    """
    box = _box(rng, scene, concept, side)
    picture = Image.fromarray(scene.image).resize((side, side), Image.Resampling.BILINEAR, box)
    bits = Image.fromarray(scene.bits).resize((side, side), Image.Resampling.NEAREST, box)
    turns = 0 if scene.upright else int(rng.integers(4))
    step = -1 if rng.random() < 0.5 else 1
    rgb = np.rot90(np.asarray(picture), turns)[:, ::step].astype(np.float32)
    turned = np.ascontiguousarray(np.rot90(np.asarray(bits), turns)[:, ::step])
    return Square(_lit(rng, rgb, scene), turned)


def _box(
    rng: np.random.Generator, scene: Scene, concept: Concept, side: int
) -> tuple[int, int, int, int]:
    """Return a square (x0, y0, x1, y1) within the scene."""
    height, width = scene.bits.shape
    low, high = (math.log(scale) for scale in SCALES)
    scale = 1.0 if rng.random() < _NATIVE else math.exp(rng.uniform(low, high))
    extent = min(round(side / scale), height, width)
    y, x = rng.integers(height - extent + 1), rng.integers(width - extent + 1)
    if rng.random() < _ON_OBJECT:
        rows, columns = np.nonzero(scene.bits & concept.bits)
        if len(rows):
            chosen = int(rng.integers(len(rows)))
            shift = rng.integers(extent, size=2)
            y = np.clip(rows[chosen] - shift[0], 0, height - extent)
            x = np.clip(columns[chosen] - shift[1], 0, width - extent)
    return int(x), int(y), int(x) + extent, int(y) + extent


def _lit(rng: np.random.Generator, rgb: NDArray[np.float32], scene: Scene) -> NDArray[np.float32]:
    """Return RGB in [0, 1]: stain, window, gamma, colour, inversion, blur and noise."""
    if scene.stained and rng.random() < _RESTAINED:
        rgb = restained(rng, rgb)
    low, high = _window(rng, scene)
    image = np.clip((rgb - low) / (high - low), 0, 1)
    if rng.random() < 0.4:
        image = image ** np.float32(math.exp(rng.normal(0, 0.25)))
    if scene.realm != "plain":
        image = _tinted(rng, image)
    if scene.invertible and rng.random() < 0.12:
        image = 1 - image
    if rng.random() < 0.2:
        sigma = rng.uniform(0.3, 1.2)
        image = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    if rng.random() < 0.25:
        grain = rng.standard_normal(image.shape[:2], np.float32)[..., None]
        image = image + np.float32(rng.uniform(0.01, 0.07)) * grain
    seen: NDArray[np.float32] = np.clip(image, 0, 1).astype(np.float32)
    return seen


def _window(rng: np.random.Generator, scene: Scene) -> tuple[float, float]:
    """Return the scene's window, moved a little, or the full range as uint8 is shown."""
    low, high = scene.window
    draw = rng.random()
    if draw < 0.2:
        return 0.0, 255.0
    if draw < 0.6:
        return low, high
    extent = high - low
    moved = low + extent * rng.uniform(-0.15, 0.1), high + extent * rng.uniform(-0.25, 0.3)
    return moved[0], max(moved[1], moved[0] + 1)


def _tinted(rng: np.random.Generator, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return colour with its balance moved, now and then grey."""
    draw = rng.random()
    if draw >= 0.35:
        return image
    if draw < 0.08:
        return np.repeat((image @ _LUMINANCE)[..., None], 3, axis=2)
    balanced: NDArray[np.float32] = image * rng.uniform(0.85, 1.15, 3).astype(np.float32)
    return np.clip(balanced, 0, 1)
