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


def test_panel_and_segment_active_are_in_the_segment_menu(manifest):
    items = manifest.contributions.menus["napari/layers/segment"]
    assert [item.command for item in items] == [f"{NAME}.panel", f"{NAME}.segment_active"]
    assert items[1].when == "active_layer_type == 'image'"


def test_segment_active_is_for_image_layers_only(manifest):
    commands = {each.id: each for each in manifest.contributions.commands}
    assert commands[f"{NAME}.segment_active"].enablement == "active_layer_type == 'image'"


def test_no_key_is_taken_from_anybody(manifest):
    assert not manifest.contributions.keybindings


@pytest.mark.display
def test_every_widget_opens_and_every_sample_loads(make_napari_viewer_proxy, npe2pm, manifest):
    with npe2pm.tmp_plugin(manifest=manifest):
        viewer = make_napari_viewer_proxy()
        for sample in manifest.contributions.sample_data:
            for layer in viewer.open_sample(NAME, sample.key):
                assert np.asarray(layer.data).size > 0
        for widget in manifest.contributions.widgets:
            _, panel = viewer.window.add_plugin_dock_widget(NAME, widget.display_name)
            assert panel.image.image.value() in list(viewer.layers)
