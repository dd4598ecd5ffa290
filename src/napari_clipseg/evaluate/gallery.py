"""The best and the worst answers of a model, kept as small pictures. No torch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_clipseg.engine.pixels import Contrast
from napari_clipseg.evaluate.drawing import Canvas
from napari_clipseg.io.overlay import overlay

KEPT = 6
"""Answers kept of either end."""

SIDE = 220
"""Width and height in pixels of the square that a picture is fitted into."""

GAP = 10
CAPTION = 22

Rgb = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """A picture as a model was shown it.

    Parameters
    ----------
    name : str
    image : ndarray (H, W) or (H, W, C)
    contrast : "auto" or (float, float)
    """

    name: str
    image: npt.NDArray[Any]
    contrast: Contrast


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """One answer.

    Parameters
    ----------
    concept, prompt : str
        What was asked for, and how.
    mask, found : ndarray (H, W) bool
        The truth and the answer.
    iou : float
    """

    concept: str
    prompt: str
    mask: npt.NDArray[np.bool_]
    found: npt.NDArray[np.bool_]
    iou: float


@dataclasses.dataclass(frozen=True, slots=True)
class Panel:
    """One answer as it is drawn: picture, truth and answer side by side, and what they are.

    Parameters
    ----------
    rank : float
        The lower, the sooner it is shown.
    prompt, caption : str
    rgb : ndarray (H, W, 3) uint8
    """

    rank: float
    prompt: str
    caption: str
    rgb: Rgb


class Gallery:
    """Keeps the answers of highest and lowest IoU, whatever the number of those offered.

    Of several prompts for one concept in one picture only the best, or worst, is kept.
    """

    def __init__(self) -> None:
        self._best: dict[tuple[str, str], Panel] = {}
        self._worst: dict[tuple[str, str], Panel] = {}

    def offer(self, shown: Shown, judged: Judged) -> None:
        """Take in an answer if it is among the best or the worst so far."""
        key = (shown.name, judged.concept)
        for kept, rank in ((self._best, -judged.iou), (self._worst, judged.iou)):
            last = kept[key].rank if key in kept else _last_rank(kept)
            if rank < last:
                kept[key] = _panel(shown, judged, rank)
                if len(kept) > KEPT:
                    del kept[max(kept, key=lambda each: kept[each].rank)]

    def sheet(self) -> Rgb:
        """Return a picture (H, W, 3) of all that is kept: the best to the left, best first.

        No answer is shown twice: of few, the better half is to the left, the rest to the right.
        """
        best, worst = self._halves()
        columns = [("best", best), ("worst, the worst first", worst)]
        width = 3 * SIDE + 2 * GAP
        height = 2 * CAPTION + len(best) * (SIDE + CAPTION + GAP)
        canvas = Canvas(2 * width + 3 * GAP, height)
        for column, (title, kept) in enumerate(columns):
            left = GAP + column * (width + GAP)
            canvas.text((left, 4), f"{title} (picture, truth, answer)")
            for row, panel in enumerate(kept):
                top = 2 * CAPTION + row * (SIDE + CAPTION + GAP)
                canvas.text((left, top - CAPTION + 4), panel.caption)
                canvas.paste(panel.rgb, (left, top))
        return canvas.rgb()

    def _halves(self) -> tuple[list[Panel], list[Panel]]:
        """Return the best and the worst, in order; what is among both is in one of them."""
        best, worst = (
            sorted(kept.items(), key=lambda each: each[1].rank)
            for kept in (self._best, self._worst)
        )
        shared = [key for key, panel in best if _same(panel, self._worst.get(key))]
        better = (len(shared) + 1) // 2
        left_out, in_best = set(shared[better:]), set(shared[:better])
        return (
            [panel for key, panel in best if key not in left_out],
            [panel for key, panel in worst if key not in in_best],
        )


def _same(panel: Panel, other: Panel | None) -> bool:
    """Return whether two panels of one concept in one picture are of the same prompt."""
    return other is not None and panel.prompt == other.prompt


def _last_rank(kept: Mapping[tuple[str, str], Panel]) -> float:
    """Return the rank that a new answer has to undercut."""
    return max(panel.rank for panel in kept.values()) if len(kept) == KEPT else math.inf


def _panel(shown: Shown, judged: Judged, rank: float) -> Panel:
    nothing = np.zeros(judged.mask.shape, np.uint8)
    parts = [
        _fitted(overlay(shown.image, labels.astype(np.uint8), contrast=shown.contrast))
        for labels in (nothing, judged.mask, judged.found)
    ]
    line = np.full((SIDE, GAP, 3), 255, np.uint8)
    rgb = np.concatenate([parts[0], line, parts[1], line, parts[2]], axis=1)
    caption = f"{judged.prompt} | {shown.name} | IoU {judged.iou:.2f}"
    return Panel(rank, judged.prompt, caption, rgb)


def _fitted(rgb: Rgb) -> Rgb:
    """Return a picture scaled to fit the square, the rest white."""
    scale = SIDE / max(rgb.shape[:2])
    size = (max(round(rgb.shape[1] * scale), 1), max(round(rgb.shape[0] * scale), 1))
    square = Image.new("RGB", (SIDE, SIDE), "white")
    square.paste(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR))
    return np.asarray(square)
