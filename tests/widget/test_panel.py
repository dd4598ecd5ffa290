"""The panel as a person uses it, in a real viewer, with a fake engine."""

from __future__ import annotations

import numpy as np
import pytest
from superqt.utils import WorkerBase

from napari_clipseg.errors import EngineError, WeightsNotFound
from napari_clipseg.layers.results import METADATA_KEY
from napari_clipseg.widget.panel import RELABEL_MS

pytestmark = pytest.mark.display


def test_enter_makes_two_layers_exactly_on_the_image(person, engine, cells):
    image = person.viewer.add_image(
        cells, scale=(0.5, 0.25), translate=(100, 7), rotate=30, units=("um", "um"), name="cells"
    )
    person.run("bright")
    for words in ("(probability)", "(labels)"):
        layer = person.layer(words)
        for corner in ((0, 0), (19.5, 23.5), (31, 39)):
            np.testing.assert_allclose(layer.data_to_world(corner), image.data_to_world(corner))
        assert layer.units == image.units
    np.testing.assert_array_equal(person.layer("(labels)").data > 0, cells > 128)
    assert "bright: 2 objects" in person.panel.status.value
    assert "napari_clipseg" in person.layer("(labels)").metadata
    assert person.told == []


def test_a_second_prompt_encodes_nothing(person, engine, cells):
    person.viewer.add_image(cells)
    person.run("bright")
    person.run("dark")
    assert len(engine.images) == 1
    assert engine.decoded == [["bright"], ["dark"]]
    assert "4 tiles" in person.panel.status.value
    assert "reused" in person.panel.status.value
    assert person.layer("dark (labels)").data[0, 0] == 1


def test_the_same_prompt_again_updates_its_own_layers_while_they_are_there(person, engine, cells):
    person.viewer.add_image(cells)
    person.run("bright")
    before = list(person.viewer.layers)
    person.layer("(labels)").data[...] = 9
    person.run("bright")
    assert list(person.viewer.layers) == before
    assert person.layer("(labels)").data.max() == 2
    person.viewer.layers.remove(person.layer("(labels)"))
    person.run("bright")
    assert person.layer("(labels)").data.max() == 2
    assert person.layer("(labels)") not in before


def test_what_changes_the_input_is_encoded_anew(person, engine, cells):
    image = person.viewer.add_image(cells, name="one")
    person.run("bright")

    def other_image():
        person.panel.image.value = person.viewer.add_image(cells, name="two")

    changes = [
        lambda: setattr(image, "data", cells[::-1].copy()),
        lambda: setattr(image, "contrast_limits", (0, 100)),
        lambda: setattr(person.panel.zoom, "value", 2),
        lambda: setattr(person.panel.model, "value", "rd16"),
        other_image,
    ]
    for count, change in enumerate(changes, start=2):
        change()
        person.run("bright")
        assert len(engine.images) == count
        assert "reused" not in person.panel.status.value
    assert engine.loaded == [("starter", 1), ("starter", 2), ("rd16", 2)]


def test_several_prompts_get_two_layers_each(person, engine, cells):
    person.viewer.add_image(cells)
    person.run("bright; dark ;bright")
    assert engine.decoded == [["bright", "dark"]]
    assert len(person.viewer.layers) == 5
    dark, bright = person.layer("dark (prob").data, person.layer("bright (prob").data
    np.testing.assert_allclose(dark + bright, 1)


def test_dragging_the_threshold_never_calls_the_engine(person, engine, cells, qtbot):
    person.viewer.add_image(cells, contrast_limits=(0, 255))
    person.run("bright")
    computed, labels = engine.computed, person.layer("(labels)")
    for threshold in np.linspace(0.5, 0.9, 9):
        person.panel.threshold.value = threshold
    assert not labels.visible
    assert labels.data.max() == 2
    qtbot.waitUntil(lambda: labels.visible, timeout=5000)
    np.testing.assert_array_equal(labels.data > 0, cells == 255)
    assert engine.computed == computed
    assert '"threshold": 0.9' in labels.metadata[METADATA_KEY]["[:, :]"]


def test_the_minimum_size_drops_small_objects(person, engine, cells, qtbot):
    person.viewer.add_image(cells)
    person.run("bright")
    person.panel.min_size.value = 50
    qtbot.waitUntil(lambda: "1 objects" in person.panel.status.value, timeout=5000)
    assert set(np.unique(person.layer("(labels)").data)) == {0, 1}


def test_the_threshold_of_the_model_is_taken_over_until_one_is_chosen(person, engine, cells):
    engine.threshold = 0.3
    person.viewer.add_image(cells)
    person.run("bright")
    assert person.panel.threshold.value == pytest.approx(0.3)
    person.panel.threshold.value = 0.7
    person.sees("objects")
    person.run("dark")
    assert person.panel.threshold.value == pytest.approx(0.7)


def test_cancel_stops_after_the_tile_and_keeps_what_is_done(person, engine, cells):
    person.viewer.add_image(cells)
    engine.tiles_before_gate = 1
    engine.gate.clear()
    person.type("dark")
    person.press(person.panel.run)
    person.sees("tile 1 of 4")
    assert not person.panel.run.enabled
    person.press(person.panel.cancel)
    engine.gate.set()
    person.sees("Cancelled")
    person.is_free()
    assert engine.computed <= 2
    assert person.layer("(probability)").data[:8].any()
    assert not person.layer("(probability)").data[16:].any()
    person.run("bright")


def test_a_second_run_during_a_run_is_refused(person, engine, cells):
    person.viewer.add_image(cells)
    engine.gate.clear()
    person.type("bright")
    person.press_enter()
    person.press_enter()
    assert person.told == ["A run is going on: wait until it is done, or press Cancel."]
    engine.gate.set()
    person.sees("2 objects")
    assert engine.calls == 1


def test_a_failed_run_is_told_and_run_comes_back(person, engine, cells):
    person.viewer.add_image(cells)
    for error in (EngineError("Tile 1 failed"), RuntimeError("Tile 1 failed")):
        engine.failure = error
        person.type("bright")
        person.press_enter()
        person.is_free()
        assert "Tile 1 failed" in person.panel.status.value
    assert len(person.viewer.layers) == 1
    assert ["Tile 1 failed" in told for told in person.told] == [True, True]
    engine.failure = None
    person.run("bright")


def test_a_model_that_cannot_be_loaded_adds_no_layer(person, engine, cells):
    person.viewer.add_image(cells)
    engine.load_failure = WeightsNotFound("fetch them")
    person.type("bright")
    person.press_enter()
    person.sees("Fetch them")
    person.is_free()
    assert len(person.viewer.layers) == 1
    assert len(person.told) == 1


def test_a_painted_example_is_the_prompt(person, engine, cells):
    image = person.viewer.add_image(cells, scale=(2, 2))
    person.press(person.panel.paint)
    example = person.panel.example.value
    assert person.viewer.layers.selection.active == example
    assert example.mode == "paint"
    example.brush_size = 4
    example.paint((7, 9), 1)
    person.run("")
    (mask,) = engine.masks
    np.testing.assert_array_equal(mask, example.data == 1)
    assert mask.shape == image.data.shape
    assert person.layer("example (labels)").data.max() == 2


def test_text_and_example_are_mixed_by_the_slider(person, engine, cells):
    person.viewer.add_image(cells)
    assert not person.panel.text_share.enabled
    person.press(person.panel.paint)
    person.panel.example.value.paint((7, 9), 1)
    person.type("bright")
    assert person.panel.text_share.enabled
    person.panel.text_share.value = 0.25
    person.run("bright")
    (mix,) = engine.prompts
    assert (mix.text.text, mix.weight) == ("bright", 0.25)


def test_the_plane_of_a_permuted_stack_is_segmented_where_it_is_shown(person, engine, cells):
    stack = np.zeros((32, 3, 40), np.uint8)
    stack[:, 2] = cells
    person.viewer.add_image(stack, contrast_limits=(0, 255), scale=(2, 10, 2))
    person.viewer.dims.order = (1, 0, 2)
    person.viewer.dims.set_point(1, 20)
    person.run("bright")
    labels = person.layer("(labels)").data
    np.testing.assert_array_equal(labels[:, 2] > 0, cells > 128)
    assert not labels[:, :2].any()
    person.viewer.dims.set_point(1, 0)
    person.run("dark")
    assert len(engine.images) == 2


def test_micrometres_beside_nanometres_find_the_right_plane(person, engine, cells):
    stack = np.stack([cells * 0, cells * 0, cells, cells * 0])
    person.viewer.add_image(stack, units=("um",) * 3, name="um", contrast_limits=(0, 255))
    nano = person.viewer.add_image(
        stack, scale=(1000,) * 3, units=("nm",) * 3, name="nm", contrast_limits=(0, 255)
    )
    person.viewer.dims.set_point(0, person.viewer.dims.range[0].stop * 2 / 3)
    for name in ("um", "nm"):
        person.panel.image.value = person.viewer.layers[name]
        person.run("bright")
        labels = person.layer(f"{name}: bright (labels)").data
        assert labels.any(axis=(1, 2)).tolist() == [False, False, True, False]
    assert person.layer("nm: bright (labels)").units == nano.units


def test_colour_and_pyramid_images_are_segmented(person, engine, cells):
    colour = np.repeat(cells[..., None], 3, axis=2)
    colour[..., 1] = 0
    person.viewer.add_image(colour, rgb=True, name="colour")
    person.run("bright")
    assert person.layer("colour: bright (labels)").data.shape == (32, 40)
    pyramid = person.viewer.add_image([cells, cells[::2, ::2]], multiscale=True, name="pyramid")
    person.panel.image.value = pyramid
    person.run("bright")
    np.testing.assert_array_equal(person.layer("pyramid: bright (labels)").data > 0, cells > 128)


@pytest.mark.parametrize("deed", ["removed", "changed"])
def test_an_image_that_goes_during_the_run_ends_it(person, engine, cells, deed):
    image = person.viewer.add_image(cells)
    engine.tiles_before_gate = 1
    engine.gate.clear()
    person.type("bright")
    person.press_enter()
    person.sees("tile 1")
    if deed == "removed":
        person.viewer.layers.remove(image)
    else:
        image.data = cells[:8]
    engine.gate.set()
    person.sees(f"The image was {deed} during the run")
    person.is_free()
    assert len(person.told) == 1


def test_bad_input_gets_one_sentence_and_no_layer(person, engine, cells):
    person.type("bright")
    person.press_enter()
    person.viewer.add_image(np.stack([cells, cells]))
    person.type(" ; ")
    person.press_enter()
    person.press(person.panel.paint)
    person.press_enter()
    person.viewer.dims.ndisplay = 3
    person.press_enter()
    words = ["no image", "type a prompt", "Nothing is painted", "switch to 2-D"]
    assert len(person.told) == len(words)
    assert all(word in told for word, told in zip(words, person.told, strict=True))
    assert len(person.viewer.layers) == 2
    assert engine.calls == 0


def test_missing_weights_are_told_with_licence_and_command(person, cells, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr("napari_clipseg.model.weights._find", lambda entry, cache: None)
    person.viewer.add_image(cells)
    person.panel.model.value = "rd64-refined"
    person.type("bright")
    person.press_enter()
    (told,) = person.told
    assert "napari-clipseg weights fetch rd64-refined" in told
    assert "icence" in told
    assert len(person.viewer.layers) == 1


def test_a_weights_file_of_ones_own_can_be_chosen(person, engine, cells, monkeypatch, tmp_path):
    path = str(tmp_path / "own.safetensors")
    monkeypatch.setattr(
        "napari_clipseg.widget.panel.QFileDialog.getOpenFileName", lambda *_: (path, "")
    )
    person.viewer.add_image(cells)
    person.press(person.panel.browse)
    person.viewer.add_image(cells)
    person.run("bright")
    assert person.panel.model.native.currentText().endswith("/own.safetensors")
    assert engine.loaded == [(path, 1.0)]


def test_the_image_combo_follows_the_layers_and_leaves_results_out(person, engine, cells):
    image = person.viewer.add_image(cells, name="one")
    assert person.panel.image.value == image
    person.run("bright")
    assert person.panel.image.choices == (image,)
    image.name = "other"
    assert person.panel.image.native.currentText() == "other"


def test_two_viewers_do_not_know_of_each_other(
    person, engine, cells, make_napari_viewer_proxy, qtbot
):
    other = type(person)(make_napari_viewer_proxy(), type(engine)(), qtbot)
    for each in (person, other):
        each.viewer.add_image(cells)
    person.run("bright")
    assert len(other.viewer.layers) == 1
    assert other.panel.status.value == "Ready."
    other.run("dark")
    assert len(person.viewer.layers) == 3


def test_every_control_has_a_tooltip_and_fits_into_300_pixels(person, cells):
    controls = [each for each in person.panel if each.widget_type != "Container"]
    assert all(each.tooltip for each in controls)
    person.viewer.add_image(cells, name="a very long name of an image, as microscopes give them")
    person.panel.show_status("/a/path/without/any/blank/that/could/be/broken/" * 3)
    assert person.panel.native.minimumSizeHint().width() <= 300


def test_closing_the_viewer_during_a_run_leaves_no_worker(person, engine, cells, qtbot):
    person.viewer.add_image(cells)
    engine.tiles_before_gate = 1
    engine.gate.clear()
    person.type("bright")
    person.press_enter()
    person.sees("tile 1")
    person.viewer.close()
    engine.gate.set()
    qtbot.waitUntil(lambda: not WorkerBase._worker_set, timeout=5000)
    qtbot.wait(2 * RELABEL_MS)
    assert engine.computed < 4


def test_a_run_goes_on_while_the_dock_is_hidden(person, engine, cells):
    person.viewer.add_image(cells)
    engine.gate.clear()
    person.type("bright")
    person.press_enter()
    person.panel.native.parent().hide()
    engine.gate.set()
    person.sees("2 objects")


def test_the_threshold_can_be_moved_during_a_run(person, engine, cells):
    person.viewer.add_image(cells, contrast_limits=(0, 255))
    person.run("bright")
    engine.gate.clear()
    person.press_enter()
    person.panel.threshold.value = 0.9
    engine.gate.set()
    person.sees("1 objects")
    person.is_free()
    assert person.layer("(labels)").visible
    np.testing.assert_array_equal(person.layer("(labels)").data > 0, cells == 255)
