"""Curves and captions drawn with Pillow, which is here anyway: no plotting library is needed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

FONT_SIZE = 13
COLOURS = ("#1f5fa8", "#c2410c", "#2f855a", "#7c3aed", "#b7791f", "#0e7490")
INK, FAINT = "#1a1a1a", "#d8d8d8"
MARGIN = 52
"""Pixels around the axes, for the numbers and names beside them."""

TICKS = 6
"""Distances between the numbers along an axis, at most."""

DOT = 3
"""Radius in pixels of a curve of one point."""


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A named curve.

    Parameters
    ----------
    name : str
    x, y : ndarray (n,)
        Within the plot's ranges; a point that is not finite is left out.
    """

    name: str
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Plot:
    """Curves between axes.

    Parameters
    ----------
    title, x_name : str
    lines : sequence of Line
    x_end, y_end : float
        Where the axes, which begin at 0, end.
    x_unit : float
        Smallest distance of the numbers along x: 1 for what is counted.
    """

    title: str
    x_name: str
    lines: Sequence[Line]
    x_end: float = 1.0
    y_end: float = 1.0
    x_unit: float = 0.0


class Canvas:
    """A white picture to draw on.

    Parameters
    ----------
    width, height : int
        In pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width, height), "white")
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(FONT_SIZE)

    def text(
        self, place: tuple[float, float], text: str, colour: str = INK, anchor: str = "la"
    ) -> None:
        """Write text at (x, y), by default its upper left corner; see Pillow for other anchors."""
        self._draw.text(place, text, fill=colour, font=self._font, anchor=anchor)

    def paste(self, rgb: npt.NDArray[np.uint8], place: tuple[int, int]) -> None:
        """Lay a picture with its upper left corner at (x, y)."""
        self._image.paste(Image.fromarray(rgb), place)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: int = 2) -> None:
        """Draw a line through points (x, y); of a single one, a dot."""
        if len(points) == 1:
            self._draw.circle(points[0], DOT, fill=colour)
        else:
            self._draw.line(list(points), fill=colour, width=width, joint="curve")

    def rgb(self) -> npt.NDArray[np.uint8]:
        """Return the picture (H, W, 3)."""
        return np.asarray(self._image)


def draw(plots: Sequence[Plot], side: int = 420) -> npt.NDArray[np.uint8]:
    """Return plots side by side, each with axes and a legend above.

    Parameters
    ----------
    plots : sequence of Plot
    side : int
        Length of the axes in pixels.

    Returns
    -------
    ndarray (H, W, 3) uint8
    """
    legend = (1 + max(len(plot.lines) for plot in plots)) * (FONT_SIZE + 6)
    canvas = Canvas(len(plots) * (side + 2 * MARGIN), side + legend + 2 * MARGIN)
    for index, plot in enumerate(plots):
        left = index * (side + 2 * MARGIN) + MARGIN
        _draw_axes(canvas, (left, legend + MARGIN // 2), side, plot)
        canvas.text((left, 6), plot.title)
        for number, line in enumerate(plot.lines):
            colour = COLOURS[number % len(COLOURS)]
            canvas.text((left, (number + 1) * (FONT_SIZE + 6) + 6), line.name, colour)
            drawn = np.isfinite(line.y)
            x = left + line.x[drawn] / plot.x_end * side
            y = legend + MARGIN // 2 + (1 - line.y[drawn] / plot.y_end) * side
            canvas.line(list(zip(x.tolist(), y.tolist(), strict=True)), colour)
    return canvas.rgb()


def _draw_axes(canvas: Canvas, corner: tuple[int, int], side: int, plot: Plot) -> None:
    left, top = corner
    canvas.line([(left, top), (left + side, top), (left + side, top + side)], FAINT, 1)
    for value in ticks(plot.x_end, plot.x_unit):
        x = left + value / plot.x_end * side
        canvas.line([(x, top), (x, top + side)], FAINT, 1)
        canvas.text((x, top + side + 4), f"{value:.6g}", anchor="ma")
    for value in ticks(plot.y_end):
        y = top + (1 - value / plot.y_end) * side
        canvas.line([(left, y), (left + side, y)], FAINT, 1)
        canvas.text((left - 6, y), f"{value:.6g}", anchor="rm")
    canvas.text((left + side / 2, top + side + 22), plot.x_name, anchor="ma")


def ticks(end: float, unit: float = 0.0) -> list[float]:
    """Return where an axis from 0 to ``end`` is marked.

    Parameters
    ----------
    end : float
        Above 0.
    unit : float
        Smallest distance between marks, which is else 1, 2 or 5 times a power of 10.

    Examples
    --------
    >>> ticks(20)
    [0.0, 5.0, 10.0, 15.0, 20.0]
    """
    closest = end / TICKS
    power = 10.0 ** math.floor(math.log10(closest))
    step = max(unit, power * next(each for each in (1, 2, 5, 10) if each * power >= closest))
    return [number * step for number in range(int(end / step + 1e-9) + 1)]
