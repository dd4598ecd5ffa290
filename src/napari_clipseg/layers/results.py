"""Our layers: a probability for each prompt, and labels, lying exactly on the image."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels
from napari.utils.colormaps import Colormap
from napari.utils.colormaps.standardize_color import transform_color

from napari_clipseg.engine.prompts import quoted
from napari_clipseg.layers.empty import zeros
from napari_clipseg.layers.geometry import SPATIAL, Plane, spatial
from napari_clipseg.layers.legend import Legend, legend_colormap, legend_table, pixel_area

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_clipseg.engine.recipe import Recipe
    from napari_clipseg.layers.query import QueryImage
    from napari_clipseg.layers.receipts import Receipt

METADATA_KEY = "napari_clipseg"
"""Layers of ours keep here, for each plane (as text, e.g. "[3, :, :]"), the recipe as JSON."""

LABEL_DTYPE = np.uint16
"""napari colours 16-bit labels on the graphics card; wider ones are converted pixel by pixel
with every refresh, which for 4096 x 4096 pixels takes 0.15 to 1 s."""

WIDE_LABEL_DTYPE = np.int32
"""Where there are more labels than 16 bits can tell apart."""


class ProbabilityResult:
    """The probability layer of one prompt on one image.

    It has the full n-D shape of the image at the level that is segmented, and is filled plane
    by plane: a worker writes into :meth:`target`, and what it wrote is booked here.

    Parameters
    ----------
    query : QueryImage
        Where the layer shall lie.
    title : str
        What was asked for.
    color : str
        Of the pixels that are found, "#rrggbb".

    Attributes
    ----------
    layer : napari.layers.Image
        float32 in [0, 1].
    recipes : dict
        Plane -> Recipe, of the planes that are complete.
    receipts : dict
        Plane -> Receipt, of planes of which it is known what they were made from.

    Raises
    ------
    OutOfMemory
        If there is no memory for the full shape.
    """

    def __init__(self, query: QueryImage, title: str, color: str) -> None:
        self.title, self.color = title, color
        self.recipes: dict[Plane, Recipe] = {}
        self.receipts: dict[Plane, Receipt] = {}
        self._set_aside: dict[Plane, Recipe | None] = {}
        self._visible: bool | None = None
        self.layer = Image(
            zeros(query.shape, np.float32),
            name=_name(query, title, "probability"),
            colormap=_glow(color),
            contrast_limits=(0, 1),
            opacity=0.6,
            metadata={METADATA_KEY: {}},
            **query.place,
        )

    def fits(self, viewer: Viewer, query: QueryImage) -> bool:
        """Return whether the layer is still there, unchanged in kind, and lies on the image."""
        return _fits(self.layer, viewer, query, np.float32)

    def target(self, plane: Plane) -> npt.NDArray[np.float32]:
        """Return a plane (H, W) of the layer's own memory, to be written to."""
        return np.asarray(plane.of(self.layer.data))

    def begin(self, plane: Plane) -> None:
        """Note that a plane is being made anew: until :meth:`finish` it is not complete."""
        self.end_preview()
        self._set_aside[plane] = self.recipes.pop(plane, None)
        self._book(plane)

    def restore(self, plane: Plane) -> None:
        """Note that a plane is again what it was before :meth:`begin`."""
        earlier = self._set_aside.pop(plane, None)
        if earlier is not None:
            self.recipes[plane] = earlier
        self._book(plane)
        self.layer.refresh(extent=False)

    def finish(self, plane: Plane, recipe: Recipe, receipt: Receipt | None = None) -> None:
        """Note that a plane is complete, how it was made and, if that is known, from what."""
        self._set_aside.pop(plane, None)
        self.recipes[plane] = recipe
        if receipt is None:
            self.receipts.pop(plane, None)
        else:
            self.receipts[plane] = receipt
        self._book(plane)
        self.layer.refresh(extent=False)

    def refresh(self) -> None:
        """Show what was written so far."""
        self.layer.refresh(extent=False, thumbnail=False)

    def preview(self, threshold: float) -> None:
        """Show the pixels above a threshold through the colormap alone, which costs nothing."""
        if self._visible is None:
            self._visible = self.layer.visible
        self.layer.visible = True
        self.layer.colormap = _step(self.color, threshold)

    def end_preview(self) -> None:
        """Show the layer again as it was before :meth:`preview`."""
        if self._visible is not None:
            self.layer.colormap = _glow(self.color)
            self.layer.visible, self._visible = self._visible, None

    def restyle(self, color: str) -> None:
        """Take another colour."""
        self.color = color
        self.layer.colormap = _glow(color)

    def _book(self, plane: Plane) -> None:
        recipe, book = self.recipes.get(plane), self.layer.metadata[METADATA_KEY]
        if recipe is None:
            book.pop(str(plane), None)
        else:
            book[str(plane)] = recipe.to_json()


@dataclasses.dataclass(frozen=True, slots=True)
class LabelledPlane:
    """Labels of one plane as they are shown: their legend, and the recipe as JSON."""

    legend: Legend
    recipe: str


class LabelResult:
    """A label layer on an image, of one prompt or of several that compete, with its legend.

    Parameters
    ----------
    query : QueryImage
        Where the layer shall lie.
    title : str
        What was asked for.

    Attributes
    ----------
    layer : napari.layers.Labels
        uint16, int32 where there are more labels; 0 is background. Its features are the legend.

    Raises
    ------
    OutOfMemory
        If there is no memory for the full shape.
    """

    def __init__(self, query: QueryImage, title: str) -> None:
        self.title = title
        self._planes: dict[Plane, LabelledPlane] = {}
        self._written: set[Plane] = set()
        self._coloured: Legend | None = None
        self._visible: bool | None = None
        self.layer = Labels(
            zeros(query.shape, LABEL_DTYPE),
            name=_name(query, title, "labels"),
            opacity=0.5,
            metadata={METADATA_KEY: {}},
            **query.place,
        )

    def fits(self, viewer: Viewer, query: QueryImage) -> bool:
        """Return whether the layer is still there, unchanged in kind, and lies on the image."""
        return _fits(self.layer, viewer, query, LABEL_DTYPE, WIDE_LABEL_DTYPE)

    def target(self, plane: Plane) -> npt.NDArray[np.integer[Any]]:
        """Return a plane (H, W) of the layer's own memory, to be written to."""
        self._written.add(plane)
        return np.asarray(plane.of(self.layer.data))

    def widen(self) -> None:
        """Make room for more labels than 16 bits can tell apart."""
        narrow = self.layer.data
        if narrow.dtype == WIDE_LABEL_DTYPE:
            return
        try:
            self.layer.data = narrow.astype(WIDE_LABEL_DTYPE)
        except MemoryError:
            self.layer.data = self._widened(narrow)

    def begin(self) -> None:
        """Forget the legend of all planes: what labels mean is going to change."""
        self._planes.clear()

    def show(self, plane: Plane, labelled: LabelledPlane) -> None:
        """Show what was written to a plane, with its legend, and keep its recipe."""
        self._planes[plane] = labelled
        self.layer.metadata[METADATA_KEY][str(plane)] = labelled.recipe
        legend = Legend.merged([each.legend for each in self._planes.values()])
        self.layer.features = legend_table(legend, pixel_area(self.layer, plane))
        self._colour(legend)
        self.layer.refresh(extent=False)

    def restyle(self, prompt: str, color: str) -> None:
        """Give the labels of a prompt another colour."""
        for plane, each in self._planes.items():
            legend = each.legend.with_color(prompt, color)
            self._planes[plane] = dataclasses.replace(each, legend=legend)
        for plane, last in list(self._planes.items())[-1:]:
            self.show(plane, last)

    def hide(self) -> None:
        """Hide the layer until :meth:`end_preview`."""
        if self._visible is None:
            self._visible = self.layer.visible
            self.layer.visible = False

    def end_preview(self) -> None:
        """Show the layer again as it was before :meth:`hide`."""
        if self._visible is not None:
            self.layer.visible, self._visible = self._visible, None

    def _widened(self, narrow: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return a copy of the planes that were written to: there is no memory for all."""
        wide = zeros(narrow.shape, WIDE_LABEL_DTYPE)
        for plane in self._written:
            plane.of(wide)[...] = plane.of(narrow)
        return wide

    def _colour(self, legend: Legend) -> None:
        """Change the colours only where they differ: a new table costs a pass over the image."""
        if not legend.looks_like(self._coloured):
            self._coloured = legend
            self.layer.colormap = legend_colormap(legend)


def is_ours(layer: Layer) -> bool:
    """Return whether a layer is a result of ours."""
    return METADATA_KEY in layer.metadata


def add_quietly(viewer: Viewer, layer: Layer) -> None:
    """Add a layer to a viewer that does not have it; what is selected stays so."""
    if layer in viewer.layers:
        return
    selected = list(viewer.layers.selection)
    viewer.add_layer(layer)
    if selected:
        viewer.layers.selection = selected


def _name(query: QueryImage, title: str, kind: str) -> str:
    return f"{query.layer.name}: {quoted(title)} ({kind})"


def _fits(layer: Layer, viewer: Viewer, query: QueryImage, *dtypes: type[np.generic]) -> bool:
    data = layer.data
    return bool(
        layer in viewer.layers
        and isinstance(data, np.ndarray)
        and data.dtype in dtypes
        and data.shape == tuple(query.shape)
        and _same_place(spatial(layer), query.place)
    )


def _same_place(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return all(np.array_equal(_plain(ours[key]), _plain(theirs[key])) for key in SPATIAL)


def _plain(value: Any) -> npt.NDArray[Any]:
    return np.asarray([str(each) for each in value] if isinstance(value, tuple) else value)


def _glow(color: str) -> Colormap:
    """Return a colormap from transparent at 0 to a colour at 1."""
    red, green, blue = transform_color(color)[0][:3]
    ends = [(red, green, blue, 0.0), (red, green, blue, 1.0)]
    return Colormap(ends, name=f"CLIPSeg probability {color}")


def _step(color: str, threshold: float) -> Colormap:
    """Return a colormap that shows the colour above a threshold and nothing below."""
    red, green, blue = transform_color(color)[0][:3]
    return Colormap(
        [(red, green, blue, 0.0), (red, green, blue, 1.0)],
        controls=[0.0, threshold, 1.0],
        interpolation="zero",
        name=f"CLIPSeg threshold {color}",
    )
