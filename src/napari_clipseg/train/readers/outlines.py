"""Masks from outlines and run lengths, as COCO's annotation files hold them. No torch.

References
----------
``rleFrPoly`` and ``rleFrString`` in COCO's ``maskApi.c`` define the rule and the format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_clipseg.train.config import ConfigError

_FINE = 5
"""Steps in a pixel in which COCO's tools trace an outline."""

_FIRST_CHARACTER, _CHARACTERS = 48, 64


def corners_of(outline: object, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the corners (N, 2) of an outline, x before y, in pixels.

    Parameters
    ----------
    outline : sequence
        Numbers, x and y in turns, or pairs of them.
    shape : (int, int)
        Height and width of the picture.

    Raises
    ------
    ConfigError
        If it is something else, or a corner is farther off than the picture is large.
    """
    try:
        corners = np.asarray(outline, np.float64).reshape(-1, 2)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"an outline is not numbers, x and y in turns: {error}") from error
    size = max(shape)
    astray = ~((corners >= -size) & (corners <= 2 * size)).all(1)
    if astray.any():
        x, y = corners[astray][0]
        raise ConfigError(
            f"an outline has a corner at x = {x:g}, y = {y:g}, far outside of a picture of "
            f"{shape[0]} x {shape[1]} pixels (height x width)"
        )
    return corners


def polygon_mask(outlines: Iterable[object], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels (H, W) bool inside any of the outlines, just as COCO's tools do.

    Parameters
    ----------
    outlines : iterable of outlines
        Corners in pixels, of which (0, 0) is the picture's upper left edge, so that a square
        from 2 to 6 has 16 pixels. Those of fewer than three corners are left out.
    shape : (int, int)
        Height and width.

    Raises
    ------
    ConfigError
        If there is no outline, as where only boxes were drawn, or one is none.
    """
    mask = np.zeros(shape, bool)
    polygons = [corners_of(outline, shape) for outline in outlines]
    if not polygons:
        raise ConfigError("there is no outline, so it shows no mask")
    for corners in polygons:
        if len(corners) >= 3:
            _fill(mask, corners)
    return mask


def _fill(mask: NDArray[np.bool_], corners: NDArray[np.float64]) -> None:
    """Set the pixels inside an outline: below an odd number of crossings of their column."""
    height, width = mask.shape
    path = _traced(corners)
    # where the path steps from one fine column to the next, and that is the middle of a pixel's
    upper_left = np.minimum(path[1:], path[:-1])
    column, fine = np.divmod(upper_left[:, 0], _FINE)
    crossing = (path[1:, 0] != path[:-1, 0]) & (fine == _FINE // 2)
    crossing &= (column >= 0) & (column < width)
    if not crossing.any():
        return
    column = column[crossing]
    row = np.clip((upper_left[crossing, 1] + _FINE // 2) // _FINE, 0, height)
    left, top, bottom = column.min(), row.min(), row.max()
    crossings = np.zeros((bottom + 1 - top, column.max() + 1 - left), np.uint8)
    np.add.at(crossings, (row - top, column - left), 1)
    # of a count that has run over, the last bit is right all the same
    inside = (np.add.accumulate(crossings, axis=0, dtype=np.uint8)[:-1] & 1) == 1
    mask[top:bottom, left : left + inside.shape[1]] |= inside


def _traced(corners: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the points (N, 2), x before y, of a closed outline on the fine grid, in its order.

    Along its longer axis a side goes step by step; across, it is rounded. It is followed from
    its lower end on that axis, so that it is the same in both directions.
    """
    start = np.trunc(_FINE * corners + 0.5).astype(np.int64)
    end = np.roll(start, -1, axis=0)
    steps = np.abs(end - start).max(1)
    longer = np.abs(end - start).argmax(1)[:, None]
    turned = np.take_along_axis(start > end, longer, 1)
    low, high = np.where(turned, end, start), np.where(turned, start, end)
    slope = (high - low) / np.maximum(steps, 1)[:, None]
    side = np.repeat(np.arange(len(start)), steps + 1)
    step = np.arange(len(side)) - (np.cumsum(steps + 1) - steps - 1)[side]
    step = np.where(turned[side, 0], steps[side] - step, step)
    path: NDArray[np.float64] = low[side] + slope[side] * step[:, None]
    return np.floor(path + 0.5).astype(np.int64)


def rle_mask(rle: Mapping[str, Any], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask (H, W) bool of COCO's run lengths, plain or packed into a string.

    Parameters
    ----------
    rle : mapping
        ``size`` (height, width) and ``counts``: lengths of runs of 0 and 1 in turns, down the
        columns.
    shape : (int, int)
        Height and width of the picture.

    Raises
    ------
    ConfigError
        If they are for another shape, or no lengths of runs that fill it.
    """
    height, width = shape
    if rle.get("size") != [height, width]:
        raise ConfigError(f"its size is {rle.get('size')!r}, the picture's {[height, width]}")
    counts = rle.get("counts")
    runs = _unpacked(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise ConfigError("its counts are not lengths of runs, whole numbers from 0")
    if sum(runs) != height * width:
        raise ConfigError(f"its runs have {sum(runs)} pixels, the picture {height * width}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _unpacked(packed: str) -> list[int]:
    """Return the run lengths of COCO's string: five bits a character, from the fourth on as steps.

    Raises
    ------
    ConfigError
        If the string holds another character.
    """
    runs: list[int] = []
    value = shift = 0
    for character in packed:
        code = ord(character) - _FIRST_CHARACTER
        if not 0 <= code < _CHARACTERS:
            raise ConfigError(f"its counts hold {character!r}, which packed run lengths do not")
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return runs
