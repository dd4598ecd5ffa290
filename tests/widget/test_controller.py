"""Runs as the controller does them, on a viewer without a window and with a fake engine."""

from __future__ import annotations

import dataclasses
import errno
import threading
from typing import Any

import numpy as np
import pytest
from bench import BRIGHT, DARK, Bench
from fake_engine import FakeEngine
from superqt.utils import WorkerBase

from napari_clipseg.engine.prompts import Mix
from napari_clipseg.engine.recipe import Recipe
from napari_clipseg.engine.region import Region
from napari_clipseg.errors import EngineError, PromptError, WeightsNotFound
from napari_clipseg.layers.results import METADATA_KEY
from napari_clipseg.widget.controller import Controller
from napari_clipseg.widget.labelling import label_planes
from napari_clipseg.widget.request import PromptRow, ResultSettings, RunRequest


def changed(row: PromptRow, **fields: Any) -> PromptRow:
    return dataclasses.replace(row, **fields)


def test_a_run_makes_a_probability_and_labels_exactly_on_the_image(bench, cells):
    image = bench.viewer.add_image(
        cells, scale=(0.5, 0.25), translate=(100, 7), rotate=30, units=("um", "um"), name="cells"
    )
    bench.run(image)
    for words in ("cells: bright (probability)", "cells: bright (labels)"):
        layer = bench.layer(words)
        for corner in ((0, 0), (19.5, 23.5), (31, 39)):
            np.testing.assert_allclose(layer.data_to_world(corner), image.data_to_world(corner))
        assert layer.units == image.units
    np.testing.assert_array_equal(bench.layer("(labels)").data > 0, cells > 128)
    assert bench.view.status[-1] == "bright: 2 objects."
    assert "found on 8 %" in bench.view.presence[1]
    assert bench.told == []


def test_prompts_that_compete_share_a_label_layer_with_a_legend(bench, cells):
    image = bench.viewer.add_image(cells, name="cells", scale=(2, 2), units=("um", "um"))
    bench.view.settings = ResultSettings(instances=False)
    bench.run(image, BRIGHT, DARK)
    assert len(bench.viewer.layers) == 4
    labels = bench.layer("cells: bright, dark (labels)")
    legend = labels.features.set_index("index")
    assert legend["prompt"].to_dict() == {1: "bright", 2: "dark"}
    assert legend["colour"].to_dict() == {1: "#ff0000", 2: "#00ff00"}
    assert legend["count"].to_dict() == {1: 2, 2: 1}
    assert legend["area_px"].to_dict() == {1: 96, 2: 32 * 40 - 96}
    assert legend["area_µm²"][1] == pytest.approx(4 * 96)
    np.testing.assert_allclose(labels.get_color(1), (1, 0, 0, 1))


def test_prompts_that_do_not_compete_have_labels_of_their_own(bench, cells):
    image = bench.viewer.add_image(cells)
    bench.view.settings = ResultSettings(competition=False)
    bench.run(image, changed(BRIGHT, threshold=0.3), changed(DARK, threshold=0.2))
    bright, dark = bench.layer("bright (labels)").data > 0, bench.layer("dark (labels)").data > 0
    assert (bright & dark).sum() == 36
    assert bench.view.status[-1] == "bright: 2 objects, dark: 1 object."


def test_a_negative_prompt_takes_pixels_and_gets_no_labels(bench, cells):
    image = bench.viewer.add_image(cells, contrast_limits=(0, 255))
    bench.run(image, changed(BRIGHT, threshold=0.1), changed(DARK, threshold=0.1, negative=True))
    labels = bench.layer("bright, not dark (labels)")
    assert set(labels.features["prompt"]) == {"bright"}
    np.testing.assert_array_equal(labels.data > 0, cells > 128)
    assert set(bench.view.presence) == {1, 2}


def test_a_second_prompt_encodes_nothing_and_says_what_it_costs(bench, cells):
    image = bench.viewer.add_image(cells)
    request = RunRequest(image, (BRIGHT,))
    assert not bench.controller.ready(request)
    bench.run(image)
    assert bench.controller.ready(request)
    assert bench.view.encoded[-1].startswith("encoded, 4 tiles")
    assert "a new prompt takes about 0.1 s" in bench.view.encoded[-1]
    before = bench.engine.encoded
    bench.run(image, DARK)
    assert (bench.engine.encoded, len(bench.engine.prepared)) == (before, 1)
    assert any("Decoding" in each for each in bench.view.status)


def test_the_model_is_loaded_once_for_all_zooms(bench, cells):
    image = bench.viewer.add_image(cells)
    for zoom in (1.0, 2.0, 1.0):
        bench.run(image, zoom=zoom)
    assert len(bench.engine.loaded) == 1
    assert len(bench.engine.prepared) == 2
    bench.run(image, precision="bfloat16")
    assert [each.precision for each in bench.engine.loaded] == ["float32", "bfloat16"]


def test_several_planes_images_and_contrasts_stay_encoded_within_the_budget(bench, cells):
    stack = bench.viewer.add_image(np.stack([cells, cells[::-1]]), name="stack")
    other = bench.viewer.add_image(cells, name="other", contrast_limits=(0, 255))
    bench.run(stack, planes="all planes")
    bench.run(other)
    other.contrast_limits = (0, 100)
    bench.run(other)
    other.contrast_limits = (0, 255)
    encoded = bench.engine.encoded
    assert encoded == 4 * 4
    for image in (stack, other):
        bench.run(image, DARK)
    bench.viewer.dims.set_point(0, 1)
    bench.run(stack, DARK)
    assert bench.engine.encoded == encoded


def test_the_least_recently_used_goes_when_the_budget_is_full(bench, cells, monkeypatch):
    monkeypatch.setattr("napari_clipseg.widget.memory.MEGABYTE", 1)
    images = [bench.viewer.add_image(cells, name=str(each)) for each in range(3)]
    for image in images:
        bench.run(image, memory_mb=8000)
    ready = [bench.controller.ready(RunRequest(image, (BRIGHT,))) for image in images]
    assert ready == [False, True, True]
    bench.start(images[0], memory_mb=8000)
    assert "make room for others" in bench.view.status[-1]
    bench.is_idle()


def test_a_plane_beyond_the_budget_is_kept_on_disk(bench, cells, tmp_path):
    bench.run(bench.viewer.add_image(cells, name="my cells"), memory_mb=0)
    (folder,) = bench.engine.folders
    assert folder.parent == tmp_path
    assert folder.name.startswith("my-cells-")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda image: setattr(image, "contrast_limits", (0, 100)), "The contrast has changed"),
        (lambda image: setattr(image, "data", image.data.copy()), "The image has changed"),
    ],
)
def test_what_changes_the_pixels_is_told_and_encoded_anew(bench, cells, change, words):
    image = bench.viewer.add_image(cells, contrast_limits=(0, 255))
    bench.run(image)
    change(image)
    assert not bench.controller.ready(RunRequest(image, (BRIGHT,)))
    bench.start(image)
    assert bench.view.status[-1] == f"{words}: encoding anew."
    bench.is_idle()
    assert bench.engine.encoded == 8


def test_a_removed_image_is_forgotten(bench, cells):
    image = bench.viewer.add_image(cells)
    bench.run(image)
    bench.viewer.layers.remove(image)
    assert bench.controller._memory.nbytes == 0


def test_all_planes_fill_the_same_layers_and_objects_count_on(bench, cells):
    stack = bench.viewer.add_image(np.stack([cells, cells * 0, cells[:, ::-1]]), name="stack")
    bench.viewer.dims.set_point(0, 2)
    bench.run(stack, planes="all planes")
    labels = bench.layer("(labels)")
    assert labels.data.shape == (3, 32, 40)
    assert [len(np.unique(plane)) for plane in labels.data] == [3, 1, 3]
    assert len(np.unique(labels.data)) == 5
    assert sorted(labels.features["plane"]) == ["[0, :, :]"] * 2 + ["[2, :, :]"] * 2
    assert set(labels.metadata[METADATA_KEY]) == {"[0, :, :]", "[1, :, :]", "[2, :, :]"}
    assert bench.view.status[-1] == "3 planes done. bright: 4 objects."
    assert bench.view.progress[-1] == (12, 12)


def test_only_the_region_is_done_and_a_second_region_adds_to_it(bench, cells):
    image = bench.viewer.add_image(cells)
    roi = bench.viewer.add_labels(np.zeros((32, 40), np.uint8))
    roi.data[0:12] = 1
    bench.run(image, region=roi)
    probability = bench.layer("(probability)")
    assert probability.data[:12].any()
    assert not probability.data[12:].any()
    roi.data[0:12], roi.data[18:30] = 0, 1
    bench.run(image, region=roi)
    np.testing.assert_array_equal(bench.layer("(labels)").data > 0, cells > 128)
    recipe = Recipe.from_json(probability.metadata[METADATA_KEY]["[:, :]"])
    assert [each["box"] for each in recipe.job["regions"]] == [[0, 0, 12, 40], [18, 0, 30, 40]]


def test_a_region_made_in_another_way_empties_the_rest_of_the_plane(bench, cells):
    image = bench.viewer.add_image(cells)
    bench.run(image)
    roi = bench.viewer.add_labels(np.zeros((32, 40), np.uint8))
    roi.data[0:12] = 1
    bench.run(image, region=roi, zoom=2.0)
    assert not bench.layer("(probability)").data[12:].any()
    assert bench.view.status[-1] == "bright: 1 object."


def test_the_share_found_is_that_of_the_region(bench, cells):
    roi = bench.viewer.add_labels(np.zeros((32, 40), np.uint8))
    roi.data[4:10, 6:12] = 1
    bench.run(bench.viewer.add_image(cells), region=roi)
    assert "found on 100 %" in bench.view.presence[1]


def test_the_same_prompt_again_updates_its_own_layers_while_they_are_there(bench, cells):
    image = bench.viewer.add_image(cells)
    bench.run(image)
    before = list(bench.viewer.layers)
    bench.layer("(labels)").data[...] = 9
    bench.run(image)
    assert list(bench.viewer.layers) == before
    assert bench.layer("(labels)").data.max() == 2
    bench.viewer.layers.remove(bench.layer("(labels)"))
    bench.run(image)
    assert bench.layer("(labels)") not in before
    assert bench.layer("(probability)") in before


def test_a_layer_of_the_person_with_our_name_is_not_touched(bench, cells):
    image = bench.viewer.add_image(cells, name="cells")
    own = bench.viewer.add_labels(np.full((32, 40), 5), name="cells: bright (labels)")
    bench.run(image)
    assert (own.data == 5).all()
    assert len(bench.viewer.layers) == 4


def test_a_preview_changes_the_colormap_only(bench, cells):
    image = bench.viewer.add_image(cells, contrast_limits=(0, 255))
    bench.run(image, BRIGHT, DARK)
    runs, labels = len(bench.engine.runs), bench.layer("(labels)")
    before = labels.data.copy()
    bench.controller.preview(1, 0.9)
    low, high = bench.layer("bright (probability)").colormap.map([0.89, 0.91])
    assert (low[3], high[3]) == (0, 1)
    assert not labels.visible
    np.testing.assert_array_equal(labels.data, before)
    bench.view.chosen = {1: 0.9}
    bench.controller.relabel()
    bench.is_idle()
    assert labels.visible
    assert bench.layer("bright (probability)").colormap.map([0.5])[0][3] == pytest.approx(0.5, 0.1)
    assert not labels.data[cells == 200].any()
    assert len(bench.engine.runs) == runs
    recipe = Recipe.from_json(labels.metadata[METADATA_KEY]["[:, :]"])
    assert recipe.job["labels"]["thresholds"] == [0.9, 0.5]
    assert recipe.job["labels"]["competition"] is True


def test_relabelling_covers_all_planes_that_are_done(bench, cells):
    stack = bench.viewer.add_image(np.stack([cells, cells]), contrast_limits=(0, 255))
    bench.run(stack, planes="all planes")
    bench.view.chosen = {1: 0.9}
    bench.controller.relabel()
    bench.is_idle()
    assert [len(np.unique(plane)) for plane in bench.layer("(labels)").data] == [2, 2]


def test_other_label_settings_need_no_model(bench, cells):
    bench.run(bench.viewer.add_image(cells))
    bench.view.settings = ResultSettings(min_size=50)
    bench.controller.relabel()
    bench.sees("bright: 1 object.")


def test_labels_beyond_16_bits_are_widened(bench, monkeypatch):
    monkeypatch.setattr("napari_clipseg.layers.results.LABEL_DTYPE", np.uint8)
    image = np.zeros((64, 64), np.uint8)
    image[::3, ::3] = 255
    bench.run(bench.viewer.add_image(image, contrast_limits=(0, 255)))
    labels = bench.layer("(labels)")
    assert labels.data.dtype == np.int32
    assert labels.data.max() == 22 * 22


def test_a_colour_is_taken_over_at_once(bench, cells):
    bench.view.settings = ResultSettings(instances=False)
    bench.run(bench.viewer.add_image(cells), BRIGHT, DARK)
    bench.controller.restyle(2, "#0000ff")
    np.testing.assert_allclose(bench.layer("(labels)").get_color(2), (0, 0, 1, 1))
    glow = bench.layer("dark (probability)").colormap.map([1.0])[0]
    np.testing.assert_allclose(glow, (0, 0, 1, 1), atol=0.01)
    assert set(bench.layer("(labels)").features["colour"]) == {"#ff0000", "#0000ff"}


def test_cancel_stops_within_a_tile_and_keeps_what_is_done(bench, cells):
    image = bench.viewer.add_image(255 - cells)
    bench.hold(1)
    bench.start(image)
    bench.until(lambda: len(bench.viewer.layers) > 1)
    bench.controller.cancel()
    computed = bench.engine.computed
    bench.engine.gate.set()
    bench.is_idle()
    assert bench.view.status[-1] == "Cancelled; what is done stays in the layers."
    assert bench.engine.computed <= computed + 1
    assert bench.layer("(probability)").data[:8].any()
    assert not bench.layer("(probability)").data[16:].any()
    bench.run(image)


@pytest.fixture
def loading(bench):
    """Holds the model back until it is set."""
    loading = threading.Event()

    def load(choice: Any) -> FakeEngine:
        assert loading.wait(20)
        return bench.engine

    bench.controller.close()
    bench.controller = Controller(bench.viewer, bench.view, load)
    yield loading
    loading.set()


def test_a_run_cancelled_while_the_model_loads_does_nothing(bench, cells, loading):
    bench.start(bench.viewer.add_image(cells))
    bench.controller.cancel()
    loading.set()
    bench.is_idle()
    assert bench.view.status[-1] == "Cancelled."
    assert bench.engine.computed == 0
    assert len(bench.viewer.layers) == 1


def test_a_run_that_fails_at_its_first_tile_adds_no_layer(bench, cells):
    bench.engine.failure = EngineError("Tile 1 failed")
    bench.start(bench.viewer.add_image(cells))
    bench.is_idle()
    assert bench.view.status[-1] == "The run failed. Tile 1 failed."
    assert len(bench.viewer.layers) == 1


def test_planes_without_the_region_are_left_out(bench, cells):
    stack = bench.viewer.add_image(np.stack([cells, cells, cells]))
    roi = bench.viewer.add_labels(np.zeros((3, 32, 40), np.uint8))
    roi.data[:2, :12] = 1
    bench.viewer.dims.set_point(0, 0)
    bench.run(stack, planes="all planes", region=roi)
    assert bench.view.status[-1] == "2 planes done. bright: 2 objects."
    assert bench.layer("(labels)").data.any(axis=(1, 2)).tolist() == [True, True, False]


@pytest.fixture
def replaced(bench, cells):
    """A result that a second run is replacing: its layer, its values and its book of before."""
    image = bench.viewer.add_image(cells)
    bench.run(image)
    layer = bench.layer("(probability)")
    before, book = layer.data.copy(), dict(layer.metadata[METADATA_KEY])
    bench.hold(1)
    bench.start(image, zoom=2.0)
    bench.until(lambda: not layer.metadata[METADATA_KEY])
    return layer, before, book


def test_a_cancelled_second_run_gives_back_the_first_result(bench, replaced):
    layer, before, book = replaced
    bench.controller.cancel()
    bench.engine.gate.set()
    bench.is_idle()
    assert bench.view.status[-1] == "Cancelled; the result of before is back in the layers."
    np.testing.assert_array_equal(layer.data, before)
    assert layer.metadata[METADATA_KEY] == book
    bench.view.chosen = {1: 0.99}
    bench.controller.relabel()
    bench.sees("1 object.")


@pytest.mark.parametrize("deed", ["changed", "removed"])
def test_an_image_that_goes_during_a_second_run_gives_back_the_first_result(bench, cells, deed):
    image = bench.viewer.add_image(cells)
    bench.run(image)
    layer = bench.layer("(probability)")
    before = layer.data.copy()
    bench.hold(1)
    bench.start(image, zoom=2.0)
    bench.until(lambda: not layer.metadata[METADATA_KEY])
    if deed == "removed":
        bench.viewer.layers.remove(image)
    else:
        image.data = cells[::-1].copy()
    bench.engine.gate.set()
    bench.is_idle()
    why = f"The image was {deed} during the run, so the run was cancelled."
    assert (bench.view.status[-1], bench.told) == (why, [why])
    np.testing.assert_array_equal(layer.data, before)
    assert "[:, :]" in layer.metadata[METADATA_KEY]
    assert bench.controller._memory.nbytes == 0


@pytest.mark.parametrize("tiles", [0, 1])
def test_a_result_layer_removed_during_its_run_ends_it(bench, cells, tiles):
    image = bench.viewer.add_image(cells)
    bench.run(image)
    bench.hold(tiles)
    bench.start(image, templates=("a {}",))
    layer = bench.layer("(probability)")
    bench.until(lambda: not layer.metadata[METADATA_KEY])
    bench.viewer.layers.remove(layer)
    bench.engine.gate.set()
    bench.is_idle()
    assert bench.told == ["A result layer was removed during its run, so the run was cancelled."]
    assert layer not in bench.viewer.layers
    bench.run(image)
    np.testing.assert_array_equal(bench.layer("(labels)").data > 0, cells > 128)


def test_a_second_run_during_a_run_is_refused(bench, cells):
    image = bench.viewer.add_image(cells)
    bench.hold(0)
    bench.start(image)
    bench.start(image)
    assert bench.told == ["A run is going on: wait until it is done, or press Cancel."]
    bench.engine.gate.set()
    bench.is_idle()
    assert len(bench.engine.decoded) == 1


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (EngineError("Tile 1 failed"), "Tile 1 failed"),
        (RuntimeError("Tile 1 failed"), "Tile 1 failed"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "not enough memory"),
        (MemoryError(), "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
    ],
)
def test_a_failed_run_is_told_gives_back_what_was_and_run_comes_back(bench, cells, failure, words):
    image = bench.viewer.add_image(cells)
    bench.run(image)
    before = bench.layer("(probability)").data.copy()
    bench.engine.failure = failure
    bench.engine.tiles_before_failure = bench.engine.computed + 2
    bench.start(image, zoom=2.0)
    bench.is_idle()
    assert words in bench.view.status[-1]
    assert bench.view.status[-1].startswith("The run failed.")
    assert len(bench.told) == 1
    assert words in bench.told[0]
    np.testing.assert_array_equal(bench.layer("(probability)").data, before)
    bench.engine.failure = None
    bench.run(image)


def test_a_model_that_cannot_be_loaded_adds_no_layer(bench, cells):
    bench.engine.load_failure = WeightsNotFound("fetch them")
    bench.start(bench.viewer.add_image(cells))
    bench.is_idle()
    assert bench.view.status[-1] == "The run failed. Fetch them."
    assert len(bench.viewer.layers) == 1


def test_bad_input_gets_one_sentence_and_no_layer(bench, cells):
    image = bench.viewer.add_image(np.stack([cells, cells]))
    empty = bench.viewer.add_labels(np.zeros((2, 32, 40), np.uint8))
    bench.start(None)
    bench.start(image, PromptRow(1, " "))
    bench.start(image, changed(BRIGHT, negative=True))
    bench.start(image, PromptRow(1, example=empty))
    bench.start(image, region=empty)
    bench.viewer.dims.ndisplay = 3
    bench.start(image)
    words = ["no image", "type a prompt", "All prompts are negative", "ainted", "no label", "2-D"]
    assert len(bench.told) == len(words)
    assert all(word in told for word, told in zip(words, bench.told, strict=True)), bench.told
    assert len(bench.viewer.layers) == 2
    assert not bench.engine.loaded


def test_an_example_may_be_removed_while_the_run_is_on(bench, cells):
    image = bench.viewer.add_image(cells)
    example = bench.viewer.add_labels((cells == 200).astype(np.uint8))
    bench.hold(0)
    bench.start(image, PromptRow(1, "bright", example=example, text_share=0.25))
    bench.viewer.layers.remove(example)
    bench.engine.gate.set()
    bench.is_idle()
    assert bench.view.status[-1] == "bright + example: 2 objects."


def test_what_is_on_screen_is_done_first(bench, cells, monkeypatch):
    look = Region((16, 10, 24, 30))
    monkeypatch.setattr("napari_clipseg.widget.run.visible_region", lambda *_: look)
    bench.run(bench.viewer.add_image(cells))
    regions = [region for names, region in bench.engine.runs]
    assert regions[:2] == [look, None]
    assert bench.engine.encoded == 4
    np.testing.assert_array_equal(bench.layer("(labels)").data > 0, cells > 128)


def test_an_estimate_encodes_one_place_and_says_how_long_a_run_takes(bench, cells):
    image = bench.viewer.add_image(cells)
    bench.controller.estimate(RunRequest(image, ()))
    bench.is_idle()
    assert bench.view.encoded[-1] == "about 0.1 s on cpu (3 tiles to encode)"
    assert len(bench.viewer.layers) == 1
    bench.run(image)
    assert (bench.engine.encoded, len(bench.engine.loaded)) == (4, 1)


def test_the_threshold_of_the_model_is_offered(bench, cells):
    bench.engine.threshold = 0.3
    bench.run(bench.viewer.add_image(cells))
    assert bench.view.suggested == [0.3]


def test_rows_that_are_called_the_same_have_results_of_their_own(bench, cells):
    bench.run(bench.viewer.add_image(cells), BRIGHT, changed(BRIGHT, key=3))
    assert bench.layer("bright (2) (probability)")


def test_closing_during_a_run_leaves_no_worker_and_says_nothing_more(bench, cells):
    bench.hold(1)
    bench.start(bench.viewer.add_image(cells))
    bench.until(lambda: len(bench.viewer.layers) > 1)
    said = len(bench.view.status)
    bench.controller.close()
    bench.engine.gate.set()
    bench.until(lambda: not WorkerBase._worker_set)
    bench.qtbot.wait(20)
    assert len(bench.view.status) == said
    assert bench.engine.computed < 4


def test_closing_during_a_second_run_gives_back_the_first_result_with_its_recipe(bench, replaced):
    layer, before, book = replaced
    bench.controller.close()
    bench.engine.gate.set()
    bench.until(lambda: not WorkerBase._worker_set)
    bench.qtbot.wait(20)
    np.testing.assert_array_equal(layer.data, before)
    assert layer.metadata[METADATA_KEY] == book


def test_a_plane_that_was_done_before_closing_is_booked_as_what_it_is(bench, cells):
    image = bench.viewer.add_image(cells)
    bench.run(image)
    layer = bench.layer("(probability)")
    bench.start(image, zoom=2.0)
    assert bench.controller._worker.ended.wait(20)
    bench.controller.close()
    bench.until(lambda: not WorkerBase._worker_set)
    bench.qtbot.wait(20)
    assert Recipe.from_json(layer.metadata[METADATA_KEY]["[:, :]"]).settings["zoom"] == 2.0


def test_two_viewers_do_not_know_of_each_other(bench, cells, qtbot):
    other = Bench(qtbot, FakeEngine())
    for each in (bench, other):
        each.run(each.viewer.add_image(cells))
    assert len(bench.engine.prepared) == len(other.engine.prepared) == 1
    other.controller.close()


def test_the_painted_label_reaches_the_engine_mixed_with_the_text(bench, cells):
    image = bench.viewer.add_image(cells, scale=(2, 2))
    painted = (cells == 200).astype(np.uint8) * 7
    painted[30:, 30:] = 1
    example = bench.viewer.add_labels(painted, scale=(2, 2))
    bench.run(image, PromptRow(1, "x", example=example, label_value=7, text_share=0.25))
    (mix,) = bench.engine.prompts
    assert isinstance(mix, Mix)
    assert (mix.text.text, mix.weight) == ("x", 0.25)
    np.testing.assert_array_equal(mix.mask.mask, cells == 200)


def test_texts_are_put_into_the_templates(bench, cells):
    bench.run(bench.viewer.add_image(cells), templates=("a photo of {}",))
    (prompt,) = bench.engine.prompts
    assert prompt.sentences() == ["a photo of bright"]


def test_an_image_of_one_value_is_told(bench, cells):
    bench.run(bench.viewer.add_image(cells * 0, contrast_limits=(0, 255)))
    assert "The image shows one value throughout" in bench.view.status[-1]


def test_a_run_asked_for_while_the_time_is_measured_starts_afterwards(bench, cells):
    image = bench.viewer.add_image(cells)
    bench.hold(0)
    bench.controller.estimate(RunRequest(image, (BRIGHT,)))
    bench.start(image)
    bench.engine.gate.set()
    bench.sees("2 objects")
    assert len(bench.engine.loaded) == 1


def test_an_estimate_of_an_image_that_changes_meanwhile_is_not_kept(bench, cells):
    image = bench.viewer.add_image(cells)
    bench.hold(0)
    bench.controller.estimate(RunRequest(image, ()))
    image.data = cells[::-1].copy()
    bench.engine.gate.set()
    bench.is_idle()
    assert "changed" in bench.view.encoded[-1]
    assert bench.controller._memory.nbytes == 0


def test_labels_of_other_prompts_on_the_image_are_hidden_by_new_ones(bench, cells):
    image = bench.viewer.add_image(cells, name="cells")
    other = bench.viewer.add_image(cells, name="other")
    bench.run(other)
    bench.run(image)
    bench.run(image, BRIGHT, DARK)
    first, both = bench.layer("cells: bright (labels)"), bench.layer("cells: bright, dark (lab")
    assert (first.visible, both.visible) == (False, True)
    bench.run(image)
    assert (first.visible, both.visible) == (True, False)
    assert bench.viewer.layers[-1] is first
    assert bench.layer("other: bright (labels)").visible
    both.visible = True
    bench.controller.relabel()
    bench.is_idle()
    assert both.visible


def test_probability_of_earlier_prompts_steps_back_and_comes_again_with_them(bench, cells):
    image = bench.viewer.add_image(cells, name="cells")
    other = bench.viewer.add_image(cells, name="other")
    mine = bench.viewer.add_image(cells, name="no result")
    bench.run(other)
    bench.run(image)
    bench.run(image, DARK)
    bright, dark = (bench.layer(f"cells: {each} (probability)") for each in ("bright", "dark"))
    assert (bright.visible, dark.visible) == (False, True)
    bench.run(image)
    assert (bright.visible, dark.visible) == (True, False)
    bench.run(image, BRIGHT, DARK)
    assert (bright.visible, dark.visible) == (True, True)
    others = (mine, image, bench.layer("other: bright (probability)"))
    assert all(each.visible for each in others)


def test_what_a_person_shows_or_hides_stays_so_when_the_same_is_run_again(bench, cells):
    image = bench.viewer.add_image(cells, name="cells")
    bench.run(image)
    bench.run(image, DARK)
    bright, dark = (bench.layer(f"cells: {each} (probability)") for each in ("bright", "dark"))
    labels = bench.layer("cells: dark (labels)")
    bright.visible, dark.visible, labels.visible = True, False, False
    bench.run(image, DARK, zoom=2.0)
    bench.controller.relabel()
    bench.is_idle()
    assert (bright.visible, dark.visible, labels.visible) == (True, False, False)
    bench.run(image)
    bench.run(image, DARK)
    assert not dark.visible  # a person has hidden it, not a run


@pytest.mark.parametrize("let_go", [True, False])
def test_a_threshold_dragged_during_a_run_that_is_cancelled_holds_for_the_labels(
    bench, cells, let_go
):
    image = bench.viewer.add_image(cells, contrast_limits=(0, 255))
    bench.run(image)
    labels, probability = bench.layer("(labels)"), bench.layer("(probability)")
    bench.hold(1)
    bench.start(image, zoom=2.0)
    bench.until(lambda: not probability.metadata[METADATA_KEY])
    bench.controller.preview(1, 0.9)
    bench.view.chosen = {1: 0.9}
    if let_go:
        bench.controller.relabel()
    bench.controller.cancel()
    bench.engine.gate.set()
    bench.is_idle()
    assert labels.visible
    assert probability.colormap.map([0.5])[0][3] == pytest.approx(0.5, 0.1)
    np.testing.assert_array_equal(labels.data > 0, cells > 0.9 * 255)
    assert bench.view.status[-1].startswith("Cancelled; the result of before is back")


def test_a_preview_that_is_left_at_a_failed_run_ends(bench, cells):
    image = bench.viewer.add_image(cells)
    bench.run(image)
    bench.hold(0)
    bench.engine.failure = EngineError("Tile 1 failed")
    bench.start(image, DARK)
    bench.controller.preview(1, 0.7)
    assert not bench.layer("(labels)").visible
    bench.engine.gate.set()
    bench.is_idle()
    assert bench.layer("(labels)").visible


def test_labels_of_an_image_that_is_removed_do_not_come_back(bench, cells, monkeypatch):
    made, go_on = threading.Event(), threading.Event()

    def label_late(task: Any) -> Any:
        for each in label_planes(task):
            made.set()
            assert go_on.wait(20)
            yield each

    monkeypatch.setattr("napari_clipseg.widget.labeller.label_planes", label_late)
    image = bench.viewer.add_image(cells)
    bench.start(image)
    bench.until(made.is_set)
    bench.viewer.layers.remove(image)
    go_on.set()
    bench.is_idle()
    assert not [each for each in bench.viewer.layers if "(labels)" in each.name]
    assert bench.view.status[-1] == "The image was removed before its labels were made."
    bench.controller.relabel()
    bench.is_idle()
    assert not [each for each in bench.viewer.layers if "(labels)" in each.name]


def test_a_run_begun_before_the_layers_of_the_last_were_added_uses_them(bench, cells, monkeypatch):
    class Never:
        singleShot = staticmethod(lambda *_: None)

    monkeypatch.setattr("napari_clipseg.widget.showing.QTimer", Never)
    image = bench.viewer.add_image(cells, name="cells")
    for template in ("{}", "a {}"):
        bench.run(image, templates=(template,))
    assert bench.engine.decoded == [["bright"], ["bright"]]
    names = [each.name for each in bench.viewer.layers]
    assert sorted(names) == ["cells", "cells: bright (labels)", "cells: bright (probability)"]


def test_what_is_there_already_is_not_made_again(bench, cells):
    image, dark = bench.viewer.add_image(cells), PromptRow(2, "dark", color="#00ffff")
    bench.run(image)
    bench.run(image)
    assert bench.engine.decoded == [["bright"]]
    bench.run(image, BRIGHT, dark)
    assert bench.engine.decoded == [["bright"], ["dark"]]
    np.testing.assert_array_equal(bench.layer("bright (probability)").data > 0.5, cells > 128)
    assert set(np.unique(bench.layer("dark (labels)").data)) == {1, 2, 3}


def test_a_brief_run_is_shown_when_it_is_done(bench, cells):
    image, dark = bench.viewer.add_image(cells), PromptRow(2, "dark", color="#00ffff")
    bench.run(image)
    bench.hold(2)
    bench.start(image, dark)
    bench.until(lambda: bench.engine.computed == bench.engine.tiles_before_gate)
    bench.qtbot.wait(100)
    assert not [each for each in bench.viewer.layers if "dark" in each.name]
    bench.engine.gate.set()
    bench.is_idle()
    np.testing.assert_array_equal(bench.layer("dark (labels)").data > 0, cells < 128)


def test_what_a_brief_run_has_done_stays_when_it_is_cancelled(bench, cells):
    image, dark = bench.viewer.add_image(cells), PromptRow(2, "dark", color="#00ffff")
    bench.run(image)
    bench.hold(1)
    bench.start(image, dark)
    bench.until(lambda: bench.engine.computed == bench.engine.tiles_before_gate)
    bench.controller.cancel()
    bench.engine.gate.set()
    bench.is_idle()
    assert bench.view.status[-1] == "Cancelled; what is done stays in the layers."
    shown = bench.layer("dark (probability)").data
    assert shown[:8].all() and not shown[16:].any()


@pytest.mark.parametrize("what", ["edited", "contrast", "data", "region before", "cancelled"])
def test_what_is_not_there_any_more_is_made_again(bench, cells, what):
    image = bench.viewer.add_image(cells, contrast_limits=(0, 255))
    part = bench.viewer.add_shapes([[(0, 0), (0, 8), (8, 8), (8, 0)]])
    bench.run(image, **({"region": part} if what == "region before" else {}))
    layer = bench.layer("(probability)")
    expected = cells > 128
    if what == "edited":
        layer.data[3:5] = 0.25
    elif what == "contrast":
        image.contrast_limits = (0, 300)
    elif what == "data":
        image.data, expected = 255 - cells, cells < 128
    elif what == "cancelled":
        image.contrast_limits = (0, 300)
        bench.hold(1)
        bench.start(image)
        bench.until(lambda: bench.engine.computed == bench.engine.tiles_before_gate)
        bench.controller.cancel()
        bench.engine.gate.set()
        bench.is_idle()
    before = len(bench.engine.decoded)
    bench.run(image)
    assert bench.engine.decoded[before:] == [["bright"]]
    np.testing.assert_array_equal(layer.data > 0.5, expected)


def test_cancel_while_the_model_loads_says_what_is_waited_for(bench, cells, loading):
    bench.start(bench.viewer.add_image(cells))
    bench.controller.cancel()
    assert bench.view.status[-1] == "The model is being loaded; the run ends after that …"
    loading.set()
    bench.is_idle()
    assert bench.view.status[-1] == "Cancelled."


def test_all_planes_are_ready_only_when_each_is_encoded(bench, cells):
    stack = bench.viewer.add_image(np.stack([cells, cells, cells]), contrast_limits=(0, 255))
    request = RunRequest(stack, (BRIGHT,))
    every = dataclasses.replace(request, planes="all planes")
    bench.viewer.dims.set_point(0, 0)
    bench.run(stack)
    assert bench.controller.ready(request)
    assert not bench.controller.ready(every)
    bench.viewer.dims.set_point(0, 1)
    assert not bench.controller.ready(request)
    bench.run(stack, planes=(1, 3))
    assert bench.controller.ready(every)
    assert bench.controller.ready(dataclasses.replace(request, planes=(0, 2)))


def test_an_estimate_counts_the_planes_that_are_not_encoded(bench, cells):
    stack = bench.viewer.add_image(np.stack([cells] * 5), contrast_limits=(0, 255))
    bench.viewer.dims.set_point(0, 0)
    bench.run(stack)
    bench.controller.estimate(RunRequest(stack, (BRIGHT,), planes="all planes"))
    bench.is_idle()
    assert bench.view.encoded[-1].endswith("on cpu (16 tiles on 5 planes to encode)")
    bench.run(stack, planes="all planes")
    bench.controller.estimate(RunRequest(stack, (BRIGHT,), planes="all planes"))
    bench.is_idle()
    assert bench.view.encoded[-1].endswith("on cpu (20 tiles on 5 planes, encoded already)")


def test_an_estimate_passes_over_planes_without_the_region(bench, cells):
    stack = bench.viewer.add_image(np.stack([cells] * 5), contrast_limits=(0, 255))
    bench.viewer.dims.set_point(0, 1)
    roi = bench.viewer.add_labels(np.zeros((5, 32, 40), np.uint8))
    roi.data[1, 0:12] = 1
    roi.data[4, 0:20] = 1
    bench.controller.estimate(RunRequest(stack, (BRIGHT,), region=roi, planes="all planes"))
    bench.is_idle()
    assert bench.view.encoded[-1].endswith("on cpu (5 tiles on 2 planes to encode)")


def test_of_a_large_stack_planes_spread_over_it_are_looked_at_for_a_region(
    bench, cells, monkeypatch
):
    monkeypatch.setattr("napari_clipseg.widget.estimate.LOOKED_AT_PX", 2 * cells.size)
    stack = bench.viewer.add_image(np.stack([cells] * 9), contrast_limits=(0, 255))
    bench.viewer.dims.set_point(0, 0)
    roi = bench.viewer.add_labels(np.zeros((9, 32, 40), np.uint8))
    roi.data[:, 0:12] = 1
    bench.controller.estimate(RunRequest(stack, (BRIGHT,), region=roi, planes="all planes"))
    bench.is_idle()
    assert bench.view.encoded[-1].endswith("on cpu (18 tiles on 9 planes to encode)")


def test_an_estimate_counts_the_tiles_of_the_region(bench, cells):
    image = bench.viewer.add_image(cells)
    roi = bench.viewer.add_labels(np.zeros((32, 40), np.uint8))
    roi.data[0:12] = 1
    bench.controller.estimate(RunRequest(image, (BRIGHT,), region=roi))
    bench.is_idle()
    # the tile in the middle, on which the time is measured, lies elsewhere
    assert bench.view.encoded[-1].endswith("on cpu (2 tiles to encode)")


def test_an_example_on_another_image_fits_no_threshold(bench, cells):
    image = bench.viewer.add_image(cells, name="cells")
    other = bench.viewer.add_image(cells, name="other")
    example = bench.viewer.add_labels((cells == 200).astype(np.uint8))
    row = PromptRow(1, "bright", example=example)
    bench.run(image, row)
    assert 0.05 <= bench.controller.fitting_threshold(row) <= 0.95
    with pytest.raises(PromptError, match="painted on 'other', not on 'cells'"):
        bench.controller.fitting_threshold(changed(row, example_image=other))


def test_pixels_that_are_nan_hold_no_data(bench, cells):
    image = cells.astype(np.float32)
    image[:, 30:] = np.nan
    bench.run(bench.viewer.add_image(image, contrast_limits=(0, 255)))
    found = bench.layer("(labels)").data > 0
    np.testing.assert_array_equal(found[:, :30], cells[:, :30] > 128)
    assert not found[:, 30:].any()
    assert bench.told == []
    (recipe,) = bench.layer("(probability)").metadata[METADATA_KEY].values()
    assert Recipe.from_json(recipe).job["options"] == {"nodata": "nan"}


def test_a_plane_with_nan_can_be_kept_on_disk(bench, cells):
    image = cells.astype(np.float32)
    image[:, 30:] = np.nan
    bench.run(bench.viewer.add_image(image, contrast_limits=(0, 255)), memory_mb=0)
    assert len(bench.engine.folders) == 1
    assert bench.engine.folders[0] is not None
