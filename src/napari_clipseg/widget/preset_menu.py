"""The menu of presets, by domain."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qtpy.QtWidgets import QMenu, QWidget

from napari_clipseg.widget.presets import Preset


def preset_menu(
    owner: QWidget, presets: Iterable[Preset], on_chosen: Callable[[Preset], None]
) -> QMenu:
    """Return a menu with a submenu for each domain and an entry for each of its presets."""
    menu = QMenu(owner)
    domains: dict[str, QMenu] = {}
    for preset in presets:
        if preset.domain not in domains:
            added = menu.addMenu(preset.domain)
            assert added is not None
            domains[preset.domain] = added
        action = domains[preset.domain].addAction(preset.name)
        assert action is not None
        action.triggered.connect(lambda _=False, preset=preset: on_chosen(preset))
    return menu
