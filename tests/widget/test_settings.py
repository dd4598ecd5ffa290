"""The page of the plugin in napari's Preferences, and what the panel makes of it."""

from __future__ import annotations

import os

import pytest
from npe2 import PluginManifest

from napari_clipseg.engine.devices import DEVICES, PRECISIONS
from napari_clipseg.model.weights import CACHE_VARIABLE, cache_folder
from napari_clipseg.widget import models
from napari_clipseg.widget.settings import (
    MARK,
    Settings,
    apply_cache_folder,
    read_settings,
    watch_settings,
)

NAME = "napari-clipseg"


@pytest.fixture
def preferences(plugin_settings, npe2pm):
    manifest = PluginManifest.from_distribution(NAME)
    with npe2pm.tmp_plugin(manifest=manifest):
        from napari.settings import get_plugin_settings

        yield get_plugin_settings(NAME).engine


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in (CACHE_VARIABLE, MARK):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)


def test_the_manifest_and_the_panel_agree_on_every_default(preferences):
    assert read_settings() == Settings()


def test_a_change_is_told_and_read(preferences):
    told = []
    end = watch_settings(lambda: told.append(read_settings()))
    preferences.device = "cpu"
    preferences.memory_mb = 500
    assert told[-1] == Settings(device="cpu", memory_mb=500)
    end()
    preferences.device = "auto"
    assert len(told) == 2


def test_the_choices_are_those_of_the_engine(preferences):
    fields = (
        PluginManifest.from_distribution(NAME).contributions.configurations["engine"].properties
    )
    assert fields["device"].enum == list(DEVICES)
    assert fields["precision"].enum == list(PRECISIONS) == list(models.PRECISIONS)
    assert set(models.device_choices()) <= set(DEVICES)


def test_a_cache_folder_of_the_settings_is_where_weights_are_looked_for(tmp_path):
    before = cache_folder()
    apply_cache_folder(str(tmp_path))
    assert cache_folder() == tmp_path
    apply_cache_folder("")
    assert cache_folder() == before


def test_a_cache_folder_of_the_environment_wins(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    apply_cache_folder("/elsewhere")
    assert cache_folder() == tmp_path
    apply_cache_folder("")
    assert os.environ[CACHE_VARIABLE] == str(tmp_path)
