"""The button of presets: its menu, by domain."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qtpy.QtWidgets import QMenu, QPushButton, QWidget

from napari_clipseg.errors import ClipSegError
from napari_clipseg.widget.notices import advise
from napari_clipseg.widget.presets import (
    Preset,
    bundled_presets,
    own_presets,
    own_presets_path,
)


def offer_presets(button: QPushButton, on_chosen: Callable[[Preset], None]) -> None:
    """Give a button the menu of all presets; a person's own file that is bad is told."""
    path, presets = own_presets_path(), bundled_presets()
    try:
        presets += own_presets(path)
    except ClipSegError as error:
        advise(str(error))
    button.setMenu(preset_menu(button, presets, on_chosen))
    button.setToolTip(
        f"Sets of prompts by domain. Your own are read from {path} when the panel opens."
    )


def preset_menu(
    owner: QWidget, presets: Iterable[Preset], on_chosen: Callable[[Preset], None]
) -> QMenu:
    """Return a menu with a submenu for each domain and an entry for each of its presets."""
    menu = QMenu(owner)
    domains: dict[str, QMenu] = {}
    for preset in presets:
        if preset.domain not in domains:
            # owned: PySide6 deletes a submenu that only addMenu made
            domains[preset.domain] = QMenu(preset.domain, menu)
            menu.addMenu(domains[preset.domain])
        action = domains[preset.domain].addAction(preset.name)
        assert action is not None
        action.triggered.connect(lambda _=False, preset=preset: on_chosen(preset))
    return menu
