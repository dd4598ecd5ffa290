"""Our two layers for each prompt: probability and labels, lying exactly on the image."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels
from napari.utils.colormaps import Colormap

from napari_clipseg.errors import OutOfMemory
from napari_clipseg.layers.geometry import Plane, spatial, spatial_shape

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_clipseg.engine.recipe import Recipe

METADATA_KEY = "napari_clipseg"
"""Layers of ours keep here, for each plane (as text, e.g. "[3, :, :]"), the recipe as JSON."""

GLOW = (1.0, 0.62, 0.1)
"""Colour of the probability, from transparent at 0 to opaque at 1."""


@dataclasses.dataclass(frozen=True, slots=True)
class Complete:
    """A complete result of one plane: probability and labels (H, W), with their records."""

    plane: Plane
    recipe: Recipe
    data: tuple[npt.NDArray[Any], ...]
    texts: tuple[dict[str, str], ...]


class Results:
    """The probability layer and the label layer of one prompt on one image.

    The layers have the full n-D shape of the image and are filled plane by plane.

    Parameters
    ----------
    image : napari.layers.Image
        Where the layers shall lie.
    title : str
        What was asked for.

    Attributes
    ----------
    title : str
    probability : napari.layers.Image
        float32 in [0, 1].
    labels : napari.layers.Labels
        int32, 0 is background.

    Raises
    ------
    OutOfMemory
        If there is no memory for the full shape.
    """

    def __init__(self, image: Image, title: str) -> None:
        self.title = title
        name, shape, place = f"{image.name}: {title}", spatial_shape(image), spatial(image)
        self.probability = Image(
            _zeros(shape, np.float32),
            name=f"{name} (probability)",
            colormap=_glow(),
            contrast_limits=(0, 1),
            opacity=0.6,
            metadata={METADATA_KEY: {}},
            **place,
        )
        self.labels = Labels(
            _zeros(shape, np.int32),
            name=f"{name} (labels)",
            opacity=0.5,
            metadata={METADATA_KEY: {}},
            **place,
        )
        self._recipes: dict[Plane, Recipe] = {}
        self._before_preview: tuple[bool, bool] | None = None
        self._replaced: Complete | None = None

    def fit(self, viewer: Viewer, image: Image) -> bool:
        """Return whether both layers are still there, unchanged in kind, and lie on the image."""
        return self.shown(viewer) and all(
            isinstance(layer.data, np.ndarray)
            and layer.data.dtype == dtype
            and layer.data.shape == spatial_shape(image)
            and _same_place(layer, image)
            for layer, dtype in ((self.probability, np.float32), (self.labels, np.int32))
        )

    def shown(self, viewer: Viewer) -> bool:
        """Return whether both layers are in a viewer."""
        return self.probability in viewer.layers and self.labels in viewer.layers

    def show(self, viewer: Viewer) -> None:
        """Add the layers to a viewer that does not have them; what is selected stays so."""
        selected = list(viewer.layers.selection)
        for layer in (self.probability, self.labels):
            if layer not in viewer.layers:
                viewer.add_layer(layer)
        if selected:
            viewer.layers.selection = selected

    def begin(self, plane: Plane) -> None:
        """Empty a plane before a run, so that no rows of an earlier one stay beside new ones.

        A complete result is kept aside until the run ends; :meth:`restore` brings it back.
        """
        self.end_preview()
        self._replaced = self._complete(plane)
        self._recipes.pop(plane, None)
        for layer in (self.probability, self.labels):
            layer.metadata[METADATA_KEY].pop(str(plane), None)
            plane.of(layer.data)[...] = 0
        self.labels.refresh(extent=False, thumbnail=False)

    def restore(self) -> bool:
        """Bring back what :meth:`begin` replaced; return whether there was anything."""
        old, self._replaced = self._replaced, None
        if old is None:
            return False
        self._recipes[old.plane] = old.recipe
        for layer, data, text in zip(
            (self.probability, self.labels), old.data, old.texts, strict=True
        ):
            old.plane.of(layer.data)[...] = data
            layer.metadata[METADATA_KEY] |= text
            layer.refresh()
        return True

    def _complete(self, plane: Plane) -> Complete | None:
        """Return a copy of a plane's result, None if it has none that is complete."""
        if plane not in self._recipes:
            return None
        layers, key = (self.probability, self.labels), str(plane)
        data = tuple(plane.of(layer.data).copy() for layer in layers)
        kept = (layer.metadata[METADATA_KEY] for layer in layers)
        texts = tuple({key: each[key]} if key in each else {} for each in kept)
        return Complete(plane, self._recipes[plane], data, texts)

    def write_rows(
        self, plane: Plane, rows: tuple[int, int], probability: npt.NDArray[np.float32]
    ) -> None:
        """Put rows (first, end) of probability (H, W) in place; :meth:`refresh` shows them."""
        first, end = rows
        plane.of(self.probability.data)[first:end] = probability[first:end]

    def refresh(self) -> None:
        """Show what was written of the probability."""
        self.probability.refresh(extent=False, thumbnail=False)

    def finish(self, plane: Plane, recipe: Recipe) -> None:
        """Note that the probability of a plane is complete, and how it was made."""
        self._replaced = None
        self._recipes[plane] = recipe
        self.probability.metadata[METADATA_KEY][str(plane)] = recipe.to_json()
        self.probability.refresh()

    @property
    def planes(self) -> dict[Plane, npt.NDArray[np.float32]]:
        """The planes that are complete, with their probability (H, W)."""
        return {plane: plane.of(self.probability.data) for plane in self._recipes}

    def write_labels(self, plane: Plane, labels: npt.NDArray[np.int32], threshold: float) -> None:
        """Put labels (H, W) in place, show them and note the threshold they were made with.

        A plane that is being made anew, and so is not complete, is left alone.
        """
        if plane not in self._recipes:
            return
        recipe = dataclasses.replace(self._recipes[plane], threshold=threshold)
        self.labels.metadata[METADATA_KEY][str(plane)] = recipe.to_json()
        plane.of(self.labels.data)[...] = labels
        self.labels.refresh()

    def preview(self, threshold: float) -> None:
        """Show the pixels above a threshold through the colormap alone, which costs nothing."""
        if self._before_preview is None:
            self._before_preview = self.probability.visible, self.labels.visible
        self.probability.visible, self.labels.visible = True, False
        self.probability.colormap = _step(threshold)

    def end_preview(self) -> None:
        """Show the layers again as they were before :meth:`preview`."""
        if self._before_preview is not None:
            self.probability.colormap = _glow()
            self.probability.visible, self.labels.visible = self._before_preview
            self._before_preview = None


def is_ours(layer: Layer) -> bool:
    """Return whether a layer is a result of ours."""
    return METADATA_KEY in layer.metadata


def _zeros(shape: tuple[int, ...], dtype: type[np.generic]) -> npt.NDArray[Any]:
    """Return zeros, which take memory only where they are written to."""
    try:
        return np.zeros(shape, dtype)
    except MemoryError as error:
        raise OutOfMemory(
            f"There is no memory for a result of the shape {shape}: "
            "crop the image, or take the planes you need as a layer of their own."
        ) from error


def _same_place(layer: Layer, image: Image) -> bool:
    ours, theirs = spatial(layer), spatial(image)
    return all(np.array_equal(np.asarray(ours[key]), np.asarray(theirs[key])) for key in ours)


def _glow() -> Colormap:
    return Colormap([(*GLOW, 0.0), (*GLOW, 1.0)], name="CLIPSeg probability")


def _step(threshold: float) -> Colormap:
    return Colormap(
        [(*GLOW, 0.0), (*GLOW, 1.0)],
        controls=[0.0, threshold, 1.0],
        interpolation="zero",
        name="CLIPSeg threshold",
    )
