"""What the values of a label layer mean: its table of features and its colours."""

from __future__ import annotations

import colorsys
import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap, label_colormap
from napari.utils.colormaps.standardize_color import transform_color

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_clipseg.layers.geometry import Plane

Numbers: TypeAlias = npt.NDArray[np.int_]
RGB: TypeAlias = tuple[float, ...]

MOST_TINTED = 512
"""Objects that get a shade of their prompt's colour each; a table for more takes seconds."""

CLEAR = (0.0, 0.0, 0.0, 0.0)
GOLDEN = 0.618034
"""Multiples of the golden ratio, modulo 1, never come near each other soon."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Legend:
    """The N values of a label layer, as columns: there may be a hundred thousand objects.

    Parameters
    ----------
    prompts, colors : tuple of str
        What was asked for, and its colours, "#rrggbb".
    values : ndarray (N,) int
        Labels, rising.
    which : ndarray (N,) int
        The prompt of each, by number.
    area_px : ndarray (N,) int
        Pixels with this label.
    count : ndarray (N,) int
        Objects that have this label.
    planes : ndarray (N,) object
        The plane, as text, where a label is on one plane only; empty text elsewhere.
    """

    prompts: tuple[str, ...]
    colors: tuple[str, ...]
    values: Numbers
    which: Numbers
    area_px: Numbers
    count: Numbers
    planes: npt.NDArray[np.object_]

    @classmethod
    def merged(cls, legends: Sequence[Legend]) -> Legend:
        """Return the legend of several planes; where a value is on several, they add up."""
        first = legends[-1]
        values, place, inverse = np.unique(
            np.concatenate([each.values for each in legends]),
            return_index=True,
            return_inverse=True,
        )

        def added(column: str) -> Numbers:
            parts = np.concatenate([getattr(each, column) for each in legends])
            return np.bincount(inverse, parts, len(values)).astype(int)

        return cls(
            first.prompts,
            first.colors,
            values,
            np.concatenate([each.which for each in legends])[place],
            added("area_px"),
            added("count"),
            np.concatenate([each.planes for each in legends])[place],
        )

    def objects(self) -> dict[str, int]:
        """Return how many objects there are of each prompt."""
        counts = np.bincount(self.which, self.count, len(self.prompts))
        return {prompt: int(count) for prompt, count in zip(self.prompts, counts, strict=True)}

    def looks_like(self, other: Legend | None) -> bool:
        """Return whether the same values get the same colours."""
        return (
            other is not None
            and self.colors == other.colors
            and np.array_equal(self.values, other.values)
            and np.array_equal(self.which, other.which)
        )

    def with_color(self, prompt: str, color: str) -> Legend:
        """Return the legend with another colour for a prompt."""
        pairs = zip(self.prompts, self.colors, strict=True)
        colors = tuple(color if name == prompt else before for name, before in pairs)
        return dataclasses.replace(self, colors=colors)


@dataclasses.dataclass(frozen=True, slots=True)
class PixelArea:
    """The area of one pixel: in square units, 1 square pixel where no unit is known."""

    value: float
    unit: str

    @property
    def known(self) -> bool:
        """Whether it is an area of the world, not of a picture."""
        return self.unit not in ("", "pixel", "px")


def pixel_area(layer: Layer, plane: Plane) -> PixelArea:
    """Return the area that a pixel of a plane covers in the world.

    Two axes in different units are converted to the unit of the first.
    """
    unit = layer.units[plane.axes[0]]
    to_unit = [
        float((1 * each).to(unit).magnitude) if each.is_compatible_with(unit) else 1.0
        for each in layer.units
    ]
    points = np.zeros((3, layer.ndim))
    points[[1, 2], plane.axes] = 1
    origin, down, across = (np.asarray(layer.data_to_world(p)) * to_unit for p in points)
    sides = np.stack([down - origin, across - origin])
    return PixelArea(float(np.sqrt(max(np.linalg.det(sides @ sides.T), 0.0))), f"{unit:~P}")


def legend_table(legend: Legend, area: PixelArea) -> dict[str, npt.NDArray[Any]]:
    """Return the features of a label layer; napari says a label's row under the mouse.

    Columns: index (the label), prompt, colour, area_px, the area in square units where a unit
    is known, count, and the plane where labels belong to one.
    """
    columns: dict[str, npt.NDArray[Any]] = {
        "index": legend.values,
        "prompt": np.array(legend.prompts, object)[legend.which],
        "colour": np.array(legend.colors, object)[legend.which],
        "area_px": legend.area_px,
    }
    if area.known:
        columns[f"area_{area.unit}²"] = legend.area_px * area.value
    columns["count"] = legend.count
    if any(legend.planes):
        columns["plane"] = legend.planes
    return columns


def legend_colormap(legend: Legend) -> DirectLabelColormap | CyclicLabelColormap:
    """Return the colours of labels.

    Returns
    -------
    napari colormap
        Where each prompt has one value: its colour. Where objects have values of their own:
        shades of their prompt's colour, or napari's cycle of colours if there is only one
        prompt or too many objects.
    """
    per_prompt = np.bincount(legend.which, minlength=1)
    if per_prompt.max() <= 1:
        return _direct(legend, lambda color, _: _rgb(color))
    if np.count_nonzero(per_prompt) == 1 or len(legend.values) > MOST_TINTED:
        return label_colormap()
    return _direct(legend, _shade)


def _direct(legend: Legend, shade: Callable[[str, int], RGB]) -> DirectLabelColormap:
    table: dict[int | None, tuple[float, ...]] = {0: CLEAR, None: CLEAR}
    for value, which in zip(legend.values.tolist(), legend.which.tolist(), strict=True):
        table[value] = (*shade(legend.colors[which], value), 1.0)
    return DirectLabelColormap(color_dict=table)


def _rgb(color: str) -> RGB:
    return tuple(float(each) for each in transform_color(color)[0][:3])


def _shade(color: str, number: int) -> RGB:
    """Return a colour of the same hue, lighter or darker."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_rgb(color))
    spread = (number * GOLDEN) % 1 - 0.5
    return colorsys.hls_to_rgb(hue, min(max(lightness + 0.45 * spread, 0.15), 0.85), saturation)
