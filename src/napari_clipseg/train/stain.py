"""Light through stained tissue: pictures of it are generated, and photographs stained anew."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_clipseg.train.generated.shapes import blurred, smooth_noise

HAEMATOXYLIN, EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.07, 0.99, 0.11])
"""Optical density of the stains in red, green and blue (Ruifrok & Johnston 2001, table 1)."""

_STAINS = np.stack([HAEMATOXYLIN, EOSIN, np.cross(HAEMATOXYLIN, EOSIN)])

_COUNTERSTAINED = 0.4
"""Share of the restained photographs that get fibres of eosin which were not there."""


def fibres(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """Return an uneven field (side, side) of mean 1, drawn out along one direction."""
    fine = rng.standard_normal((side, side)).astype(np.float32)
    along, across = rng.uniform(3, 12), rng.uniform(0.7, 3)
    drawn = ndimage.gaussian_filter(fine, (along, across))
    turned = ndimage.rotate(drawn, rng.uniform(0, 180), reshape=False, mode="mirror")
    coarse = smooth_noise(rng, side, rng.uniform(10, 40))
    field: NDArray[np.float32] = 1 + rng.uniform(0.1, 0.4) * turned / (turned.std() + 1e-6)
    return np.clip(field + 0.25 * coarse, 0.1, None)


def transmitted(amounts: NDArray[np.floating], tints: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the light (H, W, 3) that passes amounts (H, W, N) of stains of tints (N, 3).

    It falls off exponentially with the amount of each stain (Lambert-Beer).
    """
    light: NDArray[np.floating] = np.exp(-(amounts @ tints))
    return light


def restained(rng: np.random.Generator, rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a square of a photograph of tissue as other stains would show it.

    The amounts of haematoxylin and eosin are taken apart, changed, and put together with other
    tints (Tellez et al. 2019, arXiv 1902.06543, section 3.1.1); now and then with eosin between
    the nuclei, and with stained cytoplasm, that were not there.

    Parameters
    ----------
    rgb : float32 (S, S, 3)
        In 0 to 255.
    """
    side = len(rgb)
    amounts = -np.log((rgb + 1) / 256) @ np.linalg.inv(_STAINS)
    amounts *= rng.uniform((0.65, 0.5, 0.5), (1.5, 1.5, 1.2))
    if rng.random() < _COUNTERSTAINED:
        amounts[..., 1] += rng.uniform(0.1, 0.7) * fibres(rng, side)
        cytoplasm = smooth_noise(rng, side, rng.uniform(6, 30)) > rng.uniform(0.3, 1.5)
        haze = blurred(cytoplasm.astype(np.float32), rng.uniform(0.5, 3))
        amounts[..., :2] += haze[..., None] * rng.uniform(0, 0.35, 2)
    tints = np.clip(_STAINS[:2] + rng.normal(0, 0.06, (2, 3)), 0.02, 1.2)
    light = transmitted(amounts, np.concatenate([tints, _STAINS[2:]]))
    seen: NDArray[np.float32] = np.clip(256 * light - 1, 0, 255).astype(np.float32)
    return seen
