"""What generated scenes share: their side, the phrases of what they show, and a camera."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.train.dataset import Concept, Scene, contrast_window
from napari_clipseg.train.generated import shapes
from napari_clipseg.train.generated.shapes import Mask, smooth_noise

SIDE = 160
"""Side in pixels of generated pictures: more than a tile, so that tiles can be cut from them."""

Field = NDArray[np.float32]
"""Light (SIDE, SIDE) or (SIDE, SIDE, 3): 0 is black, 1 is white."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "nucleus": ("nuclei", "cell nuclei", "nucleus", "stained nuclei", "bright nuclei"),
    "stained-nucleus": (
        "nuclei",
        "cell nuclei",
        "purple nuclei",
        "dark purple nuclei",
        "haematoxylin stained nuclei",
        "nuclei in tissue",
    ),
    "cell": ("cells", "living cells", "cultured cells", "cells in phase contrast", "cell bodies"),
    "spot": ("spots", "bright spots", "fluorescent spots", "puncta", "bright dots"),
    "filament": ("filaments", "fibres", "microtubules", "actin filaments", "bright lines"),
    "cell-membrane": ("cell membranes", "membranes", "cell boundaries", "cell walls", "membrane"),
    "cell-interior": ("cell interiors", "cells", "inside of cells", "cytoplasm"),
    "mitochondrion": ("mitochondria", "mitochondrion", "dark organelles"),
    "blood-vessel": ("blood vessels", "vessels", "veins", "blood vessel", "retinal vessels"),
    "background": ("background", "empty background"),
    "road": ("roads", "road", "streets", "paved road", "highway"),
    "building": ("buildings", "roofs", "rooftops", "houses", "building"),
    "trees": ("trees", "tree canopy", "forest", "vegetation", "bushes"),
    "water": ("water", "lake", "river", "pond", "sea"),
    "field": ("fields", "farmland", "cropland", "farm fields"),
}
"""Phrases of what microscopes, vessels and land show; of objects each picture says its own."""


def scene(
    image: NDArray[np.uint8],
    bits: NDArray[np.uint8],
    named: Mapping[str, int],
    realm: str = "micro",
) -> Scene:
    """Return a picture with its masks, its concepts called as :data:`NAMES` says.

    Parameters
    ----------
    image : uint8 (SIDE, SIDE, 3)
    bits : uint8 (SIDE, SIDE)
        As in :class:`~napari_clipseg.train.dataset.Scene`.
    named : mapping of str to int
        Name of each concept -> its bits, 0 where it is absent.
    realm : str
        As in :class:`~napari_clipseg.train.dataset.Scene`.
    """
    concepts = tuple(Concept(name, NAMES[name], value) for name, value in named.items())
    return Scene(image, bits, concepts, realm, contrast_window(image))


def camera(rng: np.random.Generator, light: Field, gain: float | None = None) -> NDArray[np.uint8]:
    """Return light (SIDE, SIDE, 3) as a camera sees it: unevenly lit, over a background, noisy.

    Parameters
    ----------
    rng : Generator
        Decides how uneven, how bright the background and how many photons.
    light : float32 (SIDE, SIDE, 3)
    gain : float, optional
        What the light is multiplied by; drawn by default, dim pictures among them.
    """
    uneven = 1 + rng.uniform(0, 0.25) * smooth_noise(rng, SIDE, 80)[..., None]
    seen = light * uneven + rng.uniform(0, 0.12)
    photons = math.exp(rng.uniform(math.log(20), math.log(500)))
    counted = seen + rng.normal(0, 1, (SIDE, SIDE, 1)) * np.sqrt(np.clip(seen, 0, None) / photons)
    return to_uint8(counted * (rng.uniform(0.2, 0.9) if gain is None else gain))


def to_uint8(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return values in [0, 1] as bytes; what lies outside is clipped."""
    pixels: NDArray[np.uint8] = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    return pixels


def random_ellipse(rng: np.random.Generator, radii: tuple[float, float], longest: float) -> Mask:
    """Return an ellipse anywhere, its short radius drawn, up to ``longest`` times as long."""
    x, y = rng.uniform(-5, SIDE + 5, 2)
    radius, stretch = rng.uniform(*radii), rng.uniform(1, longest)
    return shapes.ellipse(SIDE, (x, y), (radius * stretch, radius), rng.uniform(0, math.pi))
