"""How long encoding and decoding take here, measured on the person's own image."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_clipseg.engine.region import Region

if TYPE_CHECKING:
    from napari_clipseg.engine.features import Features
    from napari_clipseg.widget.prompting import AnyPrompt


REPEATS = 3
"""How often tiles are decoded: other programs, and the viewer, may take the processor away."""

TILES_ACROSS = 4
"""Of a square of encoded tiles that is decoded to see how long one takes."""


@dataclasses.dataclass(slots=True)
class Pace:
    """How long things took last time; None: not known yet.

    Parameters
    ----------
    encode : float, optional
        Seconds to encode a tile.
    decode : float, optional
        Seconds to decode a tile for one prompt.
    """

    encode: float | None = None
    decode: float | None = None

    def note(self, seconds: float, prompts: int, *, encoding: bool) -> None:
        """Note how long a tile took on average, its prompts included."""
        if not encoding:
            self.decode = seconds / prompts
        elif self.decode is not None:
            self.encode = max(seconds - self.decode * prompts, 0.0)

    def measure(self, features: Features, prompts: Sequence[AnyPrompt]) -> None:
        """Time tiles in the middle of an image; one that is encoded for it is kept."""
        square = middle(features, across=TILES_ACROSS)
        if features.missing(square):
            square = middle(features, across=0)
        encoding = features.missing(square) > 0
        first = _seconds_per_tile(features, prompts, square)
        if first is None:
            return
        again = [_seconds_per_tile(features, prompts, square) or 0.0 for _ in range(REPEATS)]
        self.note(min(again), len(prompts), encoding=False)
        if encoding:
            self.note(first, len(prompts), encoding=True)


def middle(features: Features, across: int) -> Region:
    """Return a square in the middle of an image that so many tiles fit into, at least a pixel."""
    height, width = features.shape
    side = int(across * math.sqrt(height * width / max(features.tiles, 1)))
    half = min(side, height - 1, width - 1) // 2
    y, x = height // 2, width // 2
    return Region((y - half, x - half, y + half + 1, x + half + 1))


def _seconds_per_tile(
    features: Features, prompts: Sequence[AnyPrompt], region: Region
) -> float | None:
    """Return how long a tile of a region takes; None where there is none."""
    scratch = np.zeros((len(prompts), *features.shape), np.float32)
    begun = time.perf_counter()
    tiles = sum(1 for _ in features.run(prompts, scratch, region=region))
    return (time.perf_counter() - begun) / tiles if tiles else None
