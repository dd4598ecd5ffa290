from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

NAME = "napari-clipseg"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution(NAME)


def test_every_command_can_be_imported(manifest):
    manifest.validate_imports()


def test_the_file_at_the_top_is_the_one_in_the_package():
    top = Path(__file__).parents[1]
    package = top / "src" / "napari_clipseg" / "napari.yaml"
    assert (top / "napari.yaml").read_text() == package.read_text()


def test_the_panel_is_in_the_segment_menu(manifest):
    commands = [item.command for item in manifest.contributions.menus["napari/layers/segment"]]
    assert commands == ["napari-clipseg.panel"]


@pytest.mark.display
def test_every_widget_opens_and_every_sample_loads(make_napari_viewer_proxy, npe2pm, manifest):
    with npe2pm.tmp_plugin(manifest=manifest):
        viewer = make_napari_viewer_proxy()
        for sample in manifest.contributions.sample_data:
            (layer,) = viewer.open_sample(NAME, sample.key)
            assert np.asarray(layer.data).size > 0
        for widget in manifest.contributions.widgets:
            _, panel = viewer.window.add_plugin_dock_widget(NAME, widget.display_name)
            assert panel.image.value in list(viewer.layers)
