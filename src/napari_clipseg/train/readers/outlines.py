"""Masks from outlines and run lengths, as annotation files hold them. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Points = Sequence[float] | Sequence[Sequence[float]]
"""An outline: x and y in turns, or pairs of them."""


def polygon_mask(outlines: Iterable[Points], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels inside any of the outlines, borders included.

    Parameters
    ----------
    outlines : iterable of outlines
        x and y of their corners in pixels. Those of fewer than three corners are left out.
    shape : (int, int)
        Height and width.

    Notes
    -----
    Pillow draws the outlines: along borders the result may differ by a pixel from that of
    COCO's own tools.
    """
    canvas = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(canvas)
    for outline in outlines:
        corners = [(float(x), float(y)) for x, y in np.reshape(outline, (-1, 2))]
        if len(corners) >= 3:
            draw.polygon(corners, fill=1, outline=1)
    return np.asarray(canvas, bool)


def rle_mask(rle: dict[str, Any]) -> NDArray[np.bool_]:
    """Return the mask of COCO's run lengths, plain or packed into a string.

    Parameters
    ----------
    rle : dict
        ``size`` (height, width) and ``counts``: lengths of runs of 0 and 1 in turns, down the
        columns.
    """
    height, width = rle["size"]
    counts = rle["counts"]
    runs = _unpacked(counts) if isinstance(counts, str | bytes) else counts
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _unpacked(packed: str | bytes) -> list[int]:
    """Return the run lengths of COCO's string: five bits a character, from the fourth on as steps.

    References
    ----------
    ``rleFrString`` in COCO's ``maskApi.c`` defines the format.
    """
    text = packed.encode() if isinstance(packed, str) else packed
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = character - 48
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return runs
