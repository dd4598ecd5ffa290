"""What the command palette and the menus offer beside the panel itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_clipseg.widget.panel import Panel

if TYPE_CHECKING:
    import napari.viewer

DISTRIBUTION, WIDGET = "napari-clipseg", "Find by text or example"


def segment_active(viewer: napari.viewer.Viewer) -> None:
    """Segment the active image layer with the prompts of the panel, which is opened if need be.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        napari hands it over because of this very annotation.
    """
    panel = open_panel(viewer)
    panel.image.image.choose(viewer.layers.selection.active)
    if panel.request().prompts:
        panel.run.click()
    else:
        panel.line.setFocus()
        panel.show_status("Type what to find, and press Enter.")


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
