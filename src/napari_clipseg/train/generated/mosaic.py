"""Mosaics: pictures pieced together from tiles that are wholly of one thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_clipseg.train.dataset import Concept, Scene
from napari_clipseg.train.generated.canvas import SIDE
from napari_clipseg.train.generated.shapes import cells, smooth_noise


def mosaic(
    rng: np.random.Generator,
    tiles: Mapping[str, Sequence[NDArray[np.uint8]]],
    phrases: Mapping[str, tuple[str, ...]],
) -> Scene:
    """Return a picture of two to four materials.

    Parameters
    ----------
    rng : Generator
        Decides everything.
    tiles, phrases : mapping
        Pictures (h, w, 3) and phrases of each concept.
    """
    count = min(int(rng.integers(2, 5)), len(tiles))
    names = list(rng.choice(list(tiles), count, replace=False))
    parts = _partition(rng, count)
    image = np.zeros((SIDE, SIDE, 3), np.float32)
    soft = rng.choice([0.5, 1.0, 2.5])
    shares = [ndimage.gaussian_filter((parts == k).astype(np.float32), soft) for k in range(count)]
    for share, name in zip(shares, names, strict=True):
        texture = _fill(rng, tiles[name][int(rng.integers(len(tiles[name])))])
        image += share[..., None] * texture
    concepts = [Concept(name, phrases[name], 1 << k) for k, name in enumerate(names)]
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    return Scene(pixels, (1 << parts).astype(np.uint8), tuple(concepts), "mosaic")


def _partition(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Divide the square among ``count`` parts, by cells or by blobs over a ground."""
    if rng.random() < 0.5:
        return (
            cells(rng, SIDE, int(rng.integers(count, 9)), wobble=float(rng.choice([0, 6])))[0]
            % count
        )
    parts = np.zeros((SIDE, SIDE), np.int64)
    for part in range(1, count):
        noise = smooth_noise(rng, SIDE, float(rng.uniform(10, 30)))
        parts[noise > np.quantile(noise, rng.uniform(0.55, 0.85))] = part
    return parts


def _fill(rng: np.random.Generator, tile: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Cover the square with a tile, mirrored at its borders, at a random scale."""
    scale = rng.uniform(0.6, 1.6) * max(1.0, SIDE / 2.5 / min(tile.shape[:2]))
    size = [max(8, round(extent * scale)) for extent in tile.shape[1::-1]]
    texture = np.asarray(Image.fromarray(tile).resize((size[0], size[1])))
    texture = np.rot90(texture, int(rng.integers(4)))
    rows, columns = (_mirrored(extent, int(rng.integers(extent))) for extent in texture.shape[:2])
    return texture[rows][:, columns].astype(np.float32)


def _mirrored(extent: int, start: int) -> NDArray[np.int64]:
    """Return the indices of a line that runs to and fro over ``extent`` pixels."""
    line = (np.arange(SIDE) + start) % (2 * extent)
    return np.minimum(line, 2 * extent - 1 - line)
