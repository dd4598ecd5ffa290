from __future__ import annotations

import dataclasses
import json

import dask.array as da
import numpy as np
import pytest

from napari_clipseg.engine.recipe import Recipe
from napari_clipseg.layers.geometry import Plane
from napari_clipseg.layers.legend import Legend
from napari_clipseg.layers.query import QueryImage, QuerySettings, read_query
from napari_clipseg.layers.results import (
    METADATA_KEY,
    LabelledPlane,
    LabelResult,
    ProbabilityResult,
    add_quietly,
    is_ours,
)

ORANGE = "#ff9e1a"
SECOND = Plane((1, None, None), (1, 2))


@pytest.fixture
def query(viewer) -> QueryImage:
    image = viewer.add_image(
        np.zeros((2, 4, 5)), scale=(3, 2, 2), translate=(1, 2, 3), units=("um",) * 3, name="stack"
    )
    return read_query(viewer, image)


@pytest.fixture
def recipe() -> Recipe:
    return Recipe("fake", "0" * 64, ({"text": "cell"},), (0.0, 1.0), 0.5, {}, {})


def legend_of(*values: int, colors: tuple[str, ...] = (ORANGE,)) -> Legend:
    return Legend(
        prompts=("cell",),
        colors=colors,
        values=np.array(values),
        which=np.zeros(len(values), int),
        area_px=np.full(len(values), 3),
        count=np.ones(len(values), int),
        planes=np.full(len(values), "", object),
    )


@pytest.mark.parametrize("kind", ["probability", "labels"])
def test_results_have_the_shape_and_place_of_the_image(viewer, query, kind):
    of_probability = kind == "probability"
    result = ProbabilityResult(query, "cell", ORANGE) if of_probability else LabelResult(query, "x")
    add_quietly(viewer, result.layer)
    assert result.layer.data.shape == (2, 4, 5)
    assert result.layer.data.dtype == (np.float32 if of_probability else np.uint16)
    np.testing.assert_array_equal(result.layer.extent.world, query.layer.extent.world)
    assert result.layer.units == query.layer.units
    assert is_ours(result.layer)
    assert not is_ours(query.layer)


def test_the_result_of_a_coarse_level_has_its_pixels_where_they_are(viewer):
    image = viewer.add_image([np.zeros((8, 12)), np.zeros((4, 6))], scale=(2, 2))
    query = read_query(viewer, image, QuerySettings(level=1))
    layer = ProbabilityResult(query, "cell", ORANGE).layer
    assert layer.data.shape == (4, 6)
    np.testing.assert_allclose(layer.data_to_world((0, 0)), image.data_to_world((0.5, 0.5)))
    np.testing.assert_allclose(layer.data_to_world((3, 5)), image.data_to_world((6.5, 10.5)))


def test_adding_a_result_leaves_the_selection_alone_and_adds_it_once(viewer, query):
    layer = ProbabilityResult(query, "cell", ORANGE).layer
    add_quietly(viewer, layer)
    add_quietly(viewer, layer)
    assert len(viewer.layers) == 2
    assert viewer.layers.selection.active == query.layer


def test_results_fit_only_while_they_are_there_and_unchanged(viewer, query):
    results = (ProbabilityResult(query, "cell", ORANGE), LabelResult(query, "cell"))
    for result in results:
        assert not result.fits(viewer, query)
        add_quietly(viewer, result.layer)
        assert result.fits(viewer, query)
        result.layer.translate = (1, 2, 4)
        assert not result.fits(viewer, query)
        result.layer.translate = (1, 2, 3)
        assert result.fits(viewer, query)
        result.layer.data = np.zeros((2, 6, 7), result.layer.data.dtype)
        assert not result.fits(viewer, query)


def test_a_plane_is_written_in_the_memory_of_the_layer(query):
    result = ProbabilityResult(query, "cell", ORANGE)
    result.target(Plane((1, None, None), (2, 1)))[4, 0] = 0.5
    assert result.layer.data[1, 0, 4] == 0.5


def test_each_complete_plane_carries_its_recipe(query, recipe):
    result = ProbabilityResult(query, "cell", ORANGE)
    result.begin(SECOND)
    assert result.layer.metadata[METADATA_KEY] == {}
    result.finish(SECOND, recipe)
    assert Recipe.from_json(result.layer.metadata[METADATA_KEY]["[1, :, :]"]) == recipe
    assert list(result.recipes) == [SECOND]


def test_what_is_begun_is_not_complete_until_it_is_restored(query, recipe):
    result = ProbabilityResult(query, "cell", ORANGE)
    result.finish(SECOND, recipe)
    result.begin(SECOND)
    assert result.recipes == {}
    result.restore(SECOND)
    assert result.recipes == {SECOND: recipe}
    result.restore(Plane((0, None, None), (1, 2)))
    assert list(result.layer.metadata[METADATA_KEY]) == ["[1, :, :]"]


def test_a_preview_shows_the_threshold_and_ends_as_it_began(query):
    result = ProbabilityResult(query, "cell", "#0000ff")
    result.layer.visible = False
    result.preview(0.3)
    assert result.layer.visible
    low, high = result.layer.colormap.map([0.29, 0.31])
    assert (low[3], high[3]) == (0, 1)
    result.preview(0.4)
    result.end_preview()
    assert not result.layer.visible
    np.testing.assert_allclose(result.layer.colormap.map([0.5])[0], (0, 0, 1, 0.5), atol=0.01)


def test_labels_show_their_legend_and_colours(query):
    result = LabelResult(query, "cell")
    result.show(SECOND, LabelledPlane(legend_of(1), json.dumps({"a": 1})))
    assert result.layer.features["area_px"].tolist() == [3]
    assert result.layer.features["area_µm²"].tolist() == pytest.approx([12])
    assert result.layer.metadata[METADATA_KEY] == {"[1, :, :]": '{"a": 1}'}
    result.restyle("cell", "#00ff00")
    np.testing.assert_allclose(result.layer.get_color(1), (0, 1, 0, 1))
    result.restyle("another", "#0000ff")
    np.testing.assert_allclose(result.layer.get_color(1), (0, 1, 0, 1))


def test_the_same_colours_are_not_set_again(query):
    result = LabelResult(query, "cell")
    result.show(SECOND, LabelledPlane(legend_of(1), "{}"))
    colormap = result.layer.colormap
    result.show(SECOND, LabelledPlane(dataclasses.replace(legend_of(1)), "{}"))
    assert result.layer.colormap is colormap


def test_labels_are_widened_without_a_change(query):
    result = LabelResult(query, "cell")
    result.target(SECOND)[1, 1] = 65535
    result.widen()
    assert result.layer.data.dtype == np.int32
    assert result.layer.data[1, 1, 1] == 65535


def test_hidden_labels_come_back_as_they_were(query):
    result = LabelResult(query, "cell")
    for visible in (True, False):
        result.layer.visible = visible
        result.hide()
        result.hide()
        assert not result.layer.visible
        result.end_preview()
        assert result.layer.visible is visible


@pytest.mark.parametrize("kind", [LabelResult, lambda *args: ProbabilityResult(*args, ORANGE)])
def test_a_plane_of_a_stack_beyond_all_memory_has_a_result(viewer, kind):
    huge = da.zeros((2000, 20_000, 20_000), chunks=(1, 2000, 2000), dtype=np.uint8)
    image = viewer.add_image(huge[:, :9, :9], contrast_limits=(0, 1))
    query = dataclasses.replace(read_query(viewer, image), shape=huge.shape)
    result = kind(query, "cell")
    plane = Plane((777, None, None), (1, 2))
    result.target(plane)[19_999, 3:5] = 1
    assert result.layer.data.shape == huge.shape
    assert result.layer.data[777, 19_999, :6].tolist() == [0, 0, 0, 1, 1, 0]


def test_labels_beyond_all_memory_are_widened_where_they_were_written(query, monkeypatch):
    result = LabelResult(query, "cell")
    result.target(SECOND)[1, 1] = 65535

    class Refusing(np.ndarray):
        def astype(self, *_, **__):
            raise MemoryError

    monkeypatch.setattr(result.layer, "_data", result.layer.data.view(Refusing))
    result.widen()
    assert result.layer.data.dtype == np.int32
    assert result.layer.data[1, 1, 1] == 65535
    assert np.count_nonzero(result.layer.data) == 1


def test_a_long_title_is_shortened_in_the_name_of_the_layer(query):
    result = ProbabilityResult(query, "a very long thing to look for " * 9, ORANGE)
    assert len(result.layer.name) < 90
    assert result.layer.name.endswith("… (probability)")
