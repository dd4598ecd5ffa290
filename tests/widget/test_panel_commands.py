"""The command of the palette, the preferences, and what is read of the image."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_clipseg.widget import commands, panel, preset_menu
from napari_clipseg.widget.request import RunRequest
from napari_clipseg.widget.run import read_planes

pytestmark = pytest.mark.display


def test_segment_active_opens_the_panel_once_and_runs_with_its_prompts(
    make_napari_viewer_proxy, npe2pm, engine, cells, qtbot, monkeypatch
):
    manifest = PluginManifest.from_distribution("napari-clipseg")
    monkeypatch.setattr(panel.Panel.__init__, "__defaults__", (engine,))
    with npe2pm.tmp_plugin(manifest=manifest):
        viewer = make_napari_viewer_proxy()
        viewer.add_image(cells, name="one")
        two = viewer.add_image(cells, name="two")
        from napari._app_model import get_app_model

        app = get_app_model()
        app.commands.execute_command("napari-clipseg.segment_active")
        (opened,) = [
            each for each in viewer.window.dock_widgets.values() if isinstance(each, panel.Panel)
        ]
        assert opened.image.image.value() == two
        assert "press Enter" in opened.status.text()
        QTest.keyClicks(opened.line, "bright")
        QTest.keyClick(opened.line, Qt.Key.Key_Return)
        viewer.layers.selection.active = viewer.layers["one"]
        commands.segment_active(viewer)
        qtbot.waitUntil(lambda: "object" in opened.status.text(), timeout=60_000)
        assert "one: bright (labels)" in [each.name for each in viewer.layers]
        assert commands.open_panel(viewer) is opened
        qtbot.waitUntil(opened.run.isEnabled, timeout=60_000)


@pytest.fixture
def at_panel(person, monkeypatch):
    monkeypatch.setattr(commands, "open_panel", lambda viewer: person.panel)
    person.viewer.add_image(np.zeros((9, 9), np.uint8), name="other")
    return person


@pytest.mark.parametrize("kind", ["(labels)", "(probability)"])
def test_segment_active_takes_the_image_that_an_active_result_was_made_from(at_panel, cells, kind):
    one = at_panel.viewer.add_image(cells, name="one")
    combo = at_panel.panel.image.image
    combo.choose(one)
    at_panel.run("bright")
    combo.choose(at_panel.viewer.layers["other"])
    at_panel.viewer.layers.selection.active = at_panel.layer(kind)
    commands.segment_active(at_panel.viewer)
    assert combo.value() == one
    at_panel.is_done()


def test_segment_active_runs_nothing_where_no_image_is_meant(at_panel, engine, cells):
    one = at_panel.viewer.add_image(cells, name="one")
    combo, layers = at_panel.panel.image.image, at_panel.viewer.layers
    combo.choose(one)
    at_panel.run("bright")
    runs = len(engine.decoded)
    painted = at_panel.viewer.add_labels(np.zeros((9, 9), np.uint8), name="painted")
    layers.remove(one)
    for active, words in (
        (painted, "'painted' is no image"),
        (at_panel.layer("(labels)"), "was made from is not here"),
        (None, "No layer is active"),
    ):
        layers.selection.active = active
        commands.segment_active(at_panel.viewer)
        assert words in at_panel.panel.status.text()
        assert combo.value() == layers["other"]
        assert at_panel.panel.run.isEnabled()
    assert len(engine.decoded) == runs


def test_the_preferences_are_what_a_panel_begins_with_and_follows(
    make_napari_viewer_proxy, plugin_settings, npe2pm, engine
):
    manifest = PluginManifest.from_distribution("napari-clipseg")
    with npe2pm.tmp_plugin(manifest=manifest):
        from napari.settings import get_plugin_settings

        settings = get_plugin_settings("napari-clipseg").engine
        settings.precision, settings.memory_mb = "bfloat16", 700
        opened = panel.Panel(make_napari_viewer_proxy(), engine)
        asked = opened.request()
        assert (asked.precision, asked.memory_mb, asked.model) == ("bfloat16", 700, "starter")
        settings.model, settings.device = "rd64", "cpu"
        asked = opened.request()
        assert (asked.model, asked.device) == ("rd64", "cpu")
        opened.model.model.choose("starter")
        opened.model.memory.setValue(300)
        settings.precision = "float32"
        asked = opened.request()
        assert (asked.model, asked.memory_mb, asked.precision) == ("starter", 300, "float32")
        opened.deleteLater()


def test_what_of_an_image_is_asked_for_follows_the_controls(person, cells):
    image = person.panel.image
    assert not image.planes.isVisible()
    stack = person.viewer.add_image(np.stack([cells] * 5), name="stack")
    assert image.planes.isVisible()
    assert not image.level.isVisible()
    person.choose(image.planes, "from … to …")
    assert person.panel.request().planes == (0, 5)
    for box, number in zip(image.range, (3, 1), strict=True):
        box.selectAll()
        QTest.keyClicks(box, str(number))
        QTest.keyClick(box, Qt.Key.Key_Return)
    assert person.panel.request().planes == (1, 4)
    person.choose(image.planes, "all planes")
    area = person.viewer.add_shapes(name="area")
    person.choose(image.region, "area")
    image.more.header.click()
    person.choose(image.channels, "axis 0 (5)")
    assert [box.value() for box in image.indices] == [0, 1, 2]
    asked = person.panel.request()
    assert asked == RunRequest(
        stack,
        (),
        channels=(0, 1, 2),
        channel_axis=0,
        planes="plane shown",
        region=area,
    )


def test_a_range_of_planes_does_not_hold_for_an_image_without_a_stack(person, cells):
    stack = person.viewer.add_image(np.stack([cells] * 5), name="stack")
    image = person.panel.image
    person.choose(image.planes, "from … to …")
    flat = person.viewer.add_image(cells, name="flat")
    image.image.choose(flat)
    assert not image.planes.isVisible()
    assert person.panel.request().planes == "plane shown"
    person.run("bright")
    assert person.layer("flat: bright (labels)").data.any()
    image.image.choose(stack)
    assert person.panel.request().planes == (0, 5)


def test_a_range_lies_on_the_axis_that_the_run_takes_however_axes_are_transposed(
    person, engine, cells
):
    data = np.broadcast_to(cells, (2, 5, *cells.shape)).copy()
    person.viewer.add_image(data, name="stack", axis_labels=("t", "z", "y", "x"))
    image = person.panel.image
    person.choose(image.planes, "from … to …")
    for order, axis, label in (
        ((0, 1, 2, 3), 0, "Axis t"),
        ((1, 0, 2, 3), 0, "Axis t"),
        ((0, 2, 1, 3), 0, "Axis t"),
        ((2, 0, 1, 3), 0, "Axis t"),
        ((0, 3, 1, 2), 0, "Axis t"),
        ((3, 1, 0, 2), 1, "Axis z"),
    ):
        person.viewer.dims.order = order
        image.refill()
        assert image.range_label.text() == label
        assert [box.maximum() for box in image.range] == [data.shape[axis] - 1] * 2
        planes = read_planes(person.viewer, person.panel.request())[1]
        assert {each.index[axis] for each in planes} == set(range(data.shape[axis]))


def test_the_axis_of_a_range_is_named_by_its_number_where_it_has_no_label(person, cells):
    person.viewer.add_image(np.stack([cells] * 5), name="stack")
    person.choose(person.panel.image.planes, "from … to …")
    assert person.panel.image.range_label.text() == "Axis 0"
    assert person.panel.image.range_label.isVisible()


def test_one_channel_may_be_all_three_colours(person, cells):
    person.viewer.add_image(np.stack([cells] * 5), name="stack")
    image = person.panel.image
    image.more.header.click()
    person.choose(image.channels, "axis 0 (5)")
    for box in image.indices:
        box.setValue(0)
    person.viewer.add_image(cells, name="other")
    assert person.panel.request().channels == (0, 0, 0)


def test_three_layers_become_the_colours_of_one_image(person, engine, cells):
    for name, part in (("red", cells), ("green", cells // 2), ("blue", cells * 0)):
        person.viewer.add_image(part, name=name, contrast_limits=(0, 255))
    image = person.panel.image
    image.more.header.click()
    person.choose(image.channels, "three layers")
    assert [each.name for each in person.panel.request().channels] == ["red", "green", "blue"]
    person.choose(image.layers[2], "green")
    person.viewer.add_image(cells, name="more")
    assert [each.name for each in person.panel.request().channels] == ["red", "green", "green"]
    person.run("bright")
    assert engine.prepared[0].shape == (32, 40, 3)


def test_a_level_of_a_pyramid_is_segmented_in_its_own_pixels(person, engine, cells):
    person.viewer.add_image([cells, cells[::2, ::2]], multiscale=True, name="pyramid")
    assert person.panel.image.level.isVisible()
    person.choose(person.panel.image.level, "1: 16 x 20")
    person.run("bright")
    assert person.layer("(labels)").data.shape == (16, 20)


def test_the_image_combo_follows_the_layers_and_leaves_results_out(person, engine, cells):
    combo = person.panel.image.image
    image = person.viewer.add_image(cells, name="one")
    assert combo.value() == image
    person.run("bright")
    assert combo.values() == [image]
    image.name = "other"
    assert combo.currentText() == "other"
    person.viewer.layers.remove(image)
    assert combo.values() == []


def test_weights_of_ones_own_are_chosen_by_file_or_folder(person, engine, cells, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("/a/own.safetensors", ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "/a/folder")
    person.panel.model_fold.header.click()
    person.press(person.panel.model.file)
    assert person.panel.model.model.currentText() == "a/own.safetensors"
    assert "no weights" in person.panel.model.facts.text()
    person.press(person.panel.model.folder)
    person.viewer.add_image(cells)
    person.run("bright")
    assert engine.loaded[0].model == "/a/folder"


def test_weights_that_are_not_here_are_told_with_their_licence(person, cells, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr("napari_clipseg.model.weights._find", lambda entry, cache: None)
    person.viewer.add_image(cells)
    person.panel.model.model.choose("rd64-refined")
    person.add("bright")
    person.press(person.panel.run)
    (told,) = person.told
    assert "Download" in told
    assert "icence" in told
    assert len(person.viewer.layers) == 1


def test_a_malformed_file_of_presets_is_one_sentence_and_the_panel_opens(
    make_napari_viewer_proxy, engine, monkeypatch, tmp_path
):
    path = tmp_path / "presets.toml"
    path.write_text("[broken", encoding="utf-8")
    monkeypatch.setattr(preset_menu, "own_presets_path", lambda: path)
    notification_manager.records.clear()
    opened = panel.Panel(make_napari_viewer_proxy(), engine)
    (told,) = [record.message for record in notification_manager.records]
    assert str(path) in told
    assert str(path) in opened.presets.toolTip()
    assert len(opened.presets.menu().actions()) == 3
    opened.deleteLater()


def test_what_is_asked_for_is_copied_as_text(person, cells):
    person.viewer.add_image(cells, name="cells")
    person.add("bright")
    person.panel.results_fold.header.click()
    person.press(person.panel.results.copy_python)
    text = QApplication.clipboard().text()
    compile(text, "copied", "exec")
    assert "viewer.layers['cells']" in text
    person.press(person.panel.results.copy_command)
    assert "napari-clipseg segment IMAGE.tif" in QApplication.clipboard().text()
