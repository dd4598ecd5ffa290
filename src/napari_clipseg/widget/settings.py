"""What napari's Preferences hold for this plugin, read when a panel opens and on every change."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

from napari.settings import get_plugin_settings

from napari_clipseg.model.catalog import DEFAULT_MODEL
from napari_clipseg.model.weights import CACHE_VARIABLE

PLUGIN = "napari-clipseg"

MARK = CACHE_VARIABLE + "_OF_SETTINGS"
"""Environment variable with the cache folder that the settings put there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The settings, each as the manifest's ``configurations`` declares it.

    Parameters
    ----------
    model : str
        Name, path or hub id that a new panel begins with.
    device, precision : str
    memory_mb : int
        Megabytes of encoded images kept in memory.
    cache_folder : str
        Where weights are fetched to and looked for; empty: huggingface_hub's own folder.
    """

    model: str = DEFAULT_MODEL
    device: str = "auto"
    precision: str = "float32"
    memory_mb: int = 2000
    cache_folder: str = ""


def read_settings() -> Settings:
    """Return the settings as they are now; the defaults where napari holds none for the plugin."""
    engine = _engine()
    if engine is None:
        return Settings()
    names = [field.name for field in dataclasses.fields(Settings)]
    return Settings(**{name: getattr(engine, name) for name in names})


def watch_settings(on_change: Callable[[], None]) -> Callable[[], None]:
    """Call a function after every change of a setting; return what ends that."""
    engine = _engine()
    if engine is None:
        return _nothing

    def changed(_: Any) -> None:
        on_change()

    engine.events.connect(changed)

    def end() -> None:
        engine.events.disconnect(changed)

    return end


def apply_cache_folder(folder: str) -> None:
    """Have weights looked for in a folder; with an empty name where huggingface_hub keeps them.

    Several rooms and processes look for weights, and all of them ask the environment. A folder
    that the person set there, outside of the settings, stays in force.
    """
    ours = os.environ.get(MARK)
    if os.environ.get(CACHE_VARIABLE) not in (None, "", ours):
        return
    if folder.strip():
        os.environ[CACHE_VARIABLE] = os.environ[MARK] = folder.strip()
    elif ours is not None:
        os.environ.pop(CACHE_VARIABLE, None)
        os.environ.pop(MARK)


def _engine() -> Any:
    """Return the group of settings, None where the manifest is not registered with napari."""
    try:
        return get_plugin_settings(PLUGIN).engine
    except KeyError:
        return None


def _nothing() -> None:
    return None
