"""What the command palette and the menus offer beside the panel itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_clipseg.engine.recipe import Recipe
from napari_clipseg.layers.results import METADATA_KEY, is_ours
from napari_clipseg.widget.panel import Panel

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

DISTRIBUTION, WIDGET = "napari-clipseg", "Find by text or example"


def segment_active(viewer: napari.viewer.Viewer) -> None:
    """Segment the active image layer with the prompts of the panel, which is opened if need be.

    Where a result of ours is active, the image that it was made from is meant.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        napari hands it over because of this very annotation.
    """
    panel = open_panel(viewer)
    image = meant_by(viewer.layers.selection.active, panel.image.image.values())
    if image is None:
        panel.show_status(_nothing_to_segment(viewer.layers.selection.active))
        return
    panel.image.image.choose(image)
    if panel.request().prompts:
        panel.run.click()
    else:
        panel.line.setFocus()
        panel.show_status("Type what to find, and press Enter.")


def meant_by(active: Layer | None, offered: list[Layer]) -> Layer | None:
    """Return the image that an active layer stands for, None if it is not among those offered.

    Parameters
    ----------
    active : napari.layers.Layer or None
        An image, or a result of ours, whose recipe names the image.
    offered : list of napari.layers.Layer
        The images that can be segmented.
    """
    if active is None or not is_ours(active):
        return active if active in offered else None
    # the plane that was done last: an image may have been renamed since the first
    recipes = list(active.metadata[METADATA_KEY].values())
    name = Recipe.from_json(recipes[-1]).job.get("image") if recipes else None
    return next((each for each in offered if each.name == name), None)


def _nothing_to_segment(active: Layer | None) -> str:
    """Return a sentence on an active layer that stands for no image."""
    if active is None:
        return "No layer is active, or several are: select one image layer."
    if is_ours(active):
        return f"The image that '{active.name}' was made from is not here: select an image layer."
    return f"'{active.name}' is no image that can be segmented: select an image layer."


def open_panel(viewer: napari.viewer.Viewer) -> Panel:
    """Return the panel of a viewer, docked and visible."""
    for widget in viewer.window.dock_widgets.values():
        if isinstance(widget, Panel):
            _bring_up(widget)
            return widget
    panel: Panel
    _, panel = viewer.window.add_plugin_dock_widget(DISTRIBUTION, WIDGET)
    return panel


def _bring_up(panel: Any) -> None:
    dock = panel.parent()
    if dock is not None:
        dock.show()
        dock.raise_()
