"""From a picture of any size to one training square: cut, turned, and seen through a window."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_clipseg.train.config import AugmentConfig
from napari_clipseg.train.dataset import UNLABELLED, Concept, Scene
from napari_clipseg.train.stain import restained

_PLACES, _ENOUGH = 50, 0.05
"""Of so many places for a largest square, the first that is masked by more than this share."""

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)

Box = tuple[int, int, int, int]
"""A square of a picture: x0, y0, x1, y1."""


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


@dataclasses.dataclass(frozen=True, slots=True)
class Cutter:
    """Cuts training squares from scenes.

    Parameters
    ----------
    config : AugmentConfig
    side : int
        Side of the squares in pixels.
    """

    config: AugmentConfig
    side: int

    def cut(self, rng: np.random.Generator, scene: Scene, concept: Concept) -> Square:
        """Return a random square of a scene, turned and lit at random.

        Parameters
        ----------
        rng : Generator
            Decides everything.
        concept : Concept
            What most squares shall show.
        """
        size, box = (self.side, self.side), _CROPS[self.config.crop](self, rng, scene, concept)
        picture = Image.fromarray(scene.image).resize(size, Image.Resampling.BILINEAR, box)
        bits = Image.fromarray(scene.bits).resize(size, Image.Resampling.NEAREST, box)
        turns = int(rng.integers(4)) if self.config.turned and not scene.upright else 0
        step = -1 if rng.random() < self.config.mirrored else 1
        rgb = np.rot90(np.asarray(picture), turns)[:, ::step].astype(np.float32)
        turned = np.ascontiguousarray(np.rot90(np.asarray(bits), turns)[:, ::step])
        return Square(_lit(rng, rgb, scene, self.config), turned)


def _scaled(cutter: Cutter, rng: np.random.Generator, scene: Scene, concept: Concept) -> Box:
    """Return a square of random size, most often where the concept is."""
    height, width = scene.bits.shape
    low, high = (math.log(scale) for scale in cutter.config.scales)
    native = rng.random() < cutter.config.native
    scale = 1.0 if native else math.exp(rng.uniform(low, high))
    extent = min(round(cutter.side / scale), height, width)
    y, x = rng.integers(height - extent + 1), rng.integers(width - extent + 1)
    if rng.random() < cutter.config.on_object:
        rows, columns = np.nonzero(scene.bits & concept.bits)
        if len(rows):
            chosen = int(rng.integers(len(rows)))
            shift = rng.integers(extent, size=2)
            y = np.clip(rows[chosen] - shift[0], 0, height - extent)
            x = np.clip(columns[chosen] - shift[1], 0, width - extent)
    return int(x), int(y), int(x) + extent, int(y) + extent


def _largest(cutter: Cutter, rng: np.random.Generator, scene: Scene, concept: Concept) -> Box:
    """Return the first of some largest squares that is masked well enough, or the best of them."""
    mask, extent = scene.mask(concept), min(scene.bits.shape)
    best, most = (0, 0), -1.0
    for _ in range(_PLACES):
        y, x = (int(rng.integers(length - extent + 1)) for length in scene.bits.shape)
        share = float(mask[y : y + extent, x : x + extent].mean())
        if share > most:
            best, most = (y, x), share
        if most > _ENOUGH or not concept.bits:
            break
    y, x = best
    return x, y, x + extent, y + extent


_CROPS: Mapping[str, Callable[[Cutter, np.random.Generator, Scene, Concept], Box]] = {
    "scaled": _scaled,
    "largest": _largest,
}
"""How a square is chosen, by the name that ``AugmentConfig.crop`` takes."""


def _lit(
    rng: np.random.Generator, rgb: NDArray[np.float32], scene: Scene, config: AugmentConfig
) -> NDArray[np.float32]:
    """Return RGB in [0, 1]: stain, window, gamma, colour, inversion, blur and noise."""
    if scene.stained and rng.random() < config.restained:
        rgb = restained(rng, rgb)
    low, high = _window(rng, scene, config)
    image = np.clip((rgb - low) / (high - low), 0, 1)
    if rng.random() < config.gamma:
        image = image ** np.float32(math.exp(rng.normal(0, 0.25)))
    if scene.realm != "plain":
        image = _tinted(rng, image, config)
    if scene.invertible and rng.random() < config.inverted:
        image = 1 - image
    if rng.random() < config.blurred:
        sigma = rng.uniform(0.3, 1.2)
        image = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    if rng.random() < config.noisy:
        grain = rng.standard_normal(image.shape[:2], np.float32)[..., None]
        image = image + np.float32(rng.uniform(0.01, 0.07)) * grain
    seen: NDArray[np.float32] = np.clip(image, 0, 1).astype(np.float32)
    return seen


def _window(rng: np.random.Generator, scene: Scene, config: AugmentConfig) -> tuple[float, float]:
    """Return the scene's window, moved a little, or the full range as uint8 is shown."""
    low, high = scene.window
    draw = rng.random()
    if draw < config.full_range:
        return 0.0, 255.0
    if draw < 1 - config.moved:
        return low, high
    extent = high - low
    moved = low + extent * rng.uniform(-0.15, 0.1), high + extent * rng.uniform(-0.25, 0.3)
    return moved[0], max(moved[1], moved[0] + 1)


def _tinted(
    rng: np.random.Generator, image: NDArray[np.float32], config: AugmentConfig
) -> NDArray[np.float32]:
    """Return colour with its balance moved, now and then grey."""
    draw = rng.random()
    if draw >= config.tinted:
        return image
    if draw < config.grey:
        return np.repeat((image @ _LUMINANCE)[..., None], 3, axis=2)
    balanced: NDArray[np.float32] = image * rng.uniform(0.85, 1.15, 3).astype(np.float32)
    return np.clip(balanced, 0, 1)
