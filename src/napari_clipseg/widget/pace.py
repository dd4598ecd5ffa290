"""How long encoding and decoding take here, measured on the person's own image."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_clipseg.engine.region import Region

if TYPE_CHECKING:
    from napari_clipseg.engine.features import Features
    from napari_clipseg.widget.prompting import AnyPrompt


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
        """Time the tiles in the middle of an image; what is encoded for it is kept."""
        encoding = features.missing(_middle(features)) > 0
        first = _seconds_per_tile(features, prompts)
        if encoding:
            self.note(_seconds_per_tile(features, prompts), len(prompts), encoding=False)
        self.note(first, len(prompts), encoding=encoding)


def _middle(features: Features) -> Region:
    height, width = features.shape
    return Region((height // 2, width // 2, height // 2 + 1, width // 2 + 1))


def _seconds_per_tile(features: Features, prompts: Sequence[AnyPrompt]) -> float:
    scratch = np.zeros((len(prompts), *features.shape), np.float32)
    begun, tiles = time.perf_counter(), 0
    for _ in features.run(prompts, scratch, region=_middle(features)):
        tiles += 1
    return (time.perf_counter() - begun) / max(tiles, 1)
