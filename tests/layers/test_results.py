from __future__ import annotations

import json

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_clipseg.engine.recipe import Recipe
from napari_clipseg.errors import OutOfMemory
from napari_clipseg.layers import results as module
from napari_clipseg.layers.geometry import Plane
from napari_clipseg.layers.results import METADATA_KEY, Results, is_ours

WHOLE = Plane((None, None), (0, 1))


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def recipe() -> Recipe:
    return Recipe("fake", "0" * 64, ({"text": "cell"},), (0.0, 1.0), 0.5, {}, {})


def test_results_have_the_shape_and_place_of_the_image(viewer):
    image = viewer.add_image(
        np.zeros((2, 4, 5)), scale=(3, 2, 2), translate=(1, 2, 3), units=("um",) * 3, name="stack"
    )
    results = Results(image, "cell")
    results.show(viewer)
    for layer, dtype in ((results.probability, np.float32), (results.labels, np.int32)):
        assert (layer.data.shape, layer.data.dtype) == ((2, 4, 5), dtype)
        np.testing.assert_array_equal(layer.extent.world, image.extent.world)
        assert layer.units == image.units
        assert is_ours(layer)
    assert not is_ours(image)


def test_showing_results_leaves_the_selection_alone(viewer):
    image = viewer.add_image(np.zeros((4, 5)))
    Results(image, "cell").show(viewer)
    assert viewer.layers.selection.active == image


def test_showing_results_twice_adds_them_once(viewer):
    results = Results(viewer.add_image(np.zeros((4, 5))), "cell")
    results.show(viewer)
    results.show(viewer)
    assert len(viewer.layers) == 3


def test_results_fit_only_while_they_are_there_and_unchanged(viewer):
    image = viewer.add_image(np.zeros((4, 5)))
    results = Results(image, "cell")
    assert not results.fit(viewer, image)
    results.show(viewer)
    assert results.fit(viewer, image)
    image.scale = (2, 2)
    assert not results.fit(viewer, image)
    image.scale = (1, 1)
    image.data = np.zeros((6, 7))
    assert not results.fit(viewer, image)


def test_results_whose_layer_was_removed_do_not_fit(viewer):
    image = viewer.add_image(np.zeros((4, 5)))
    results = Results(image, "cell")
    results.show(viewer)
    viewer.layers.remove(results.labels)
    assert not results.fit(viewer, image)


def test_rows_and_labels_go_to_their_plane_only(viewer, recipe):
    image = viewer.add_image(np.zeros((3, 4, 5)))
    results, plane = Results(image, "cell"), Plane((1, None, None), (1, 2))
    results.begin(plane)
    results.write_rows(plane, (2, 4), np.ones((4, 5), np.float32))
    results.finish(plane, recipe)
    results.write_labels(plane, np.full((4, 5), 7, np.int32), 0.25)
    assert results.probability.data.sum() == results.probability.data[1, 2:].sum() == 10
    assert (results.labels.data[1] == 7).all()
    assert not results.labels.data[[0, 2]].any()


def test_each_plane_carries_its_recipe(viewer, recipe):
    image = viewer.add_image(np.zeros((3, 4, 5)))
    results, plane = Results(image, "cell"), Plane((1, None, None), (1, 2))
    results.finish(plane, recipe)
    results.write_labels(plane, np.zeros((4, 5), np.int32), 0.25)
    assert Recipe.from_json(results.probability.metadata[METADATA_KEY]["[1, :, :]"]) == recipe
    assert json.loads(results.labels.metadata[METADATA_KEY]["[1, :, :]"])["threshold"] == 0.25


def test_beginning_again_empties_the_plane(viewer, recipe):
    results = Results(Image(np.zeros((4, 5))), "cell")
    results.write_rows(WHOLE, (0, 4), np.ones((4, 5), np.float32))
    results.finish(WHOLE, recipe)
    results.write_labels(WHOLE, np.ones((4, 5), np.int32), 0.5)
    results.begin(WHOLE)
    assert not results.probability.data.any()
    assert not results.labels.data.any()
    assert results.planes == {}
    assert results.labels.metadata[METADATA_KEY] == {}


def test_a_preview_shows_the_threshold_and_ends_as_it_began(viewer):
    results = Results(Image(np.zeros((4, 5))), "cell")
    results.probability.visible = False
    results.preview(0.3)
    assert (results.probability.visible, results.labels.visible) == (True, False)
    low, high = results.probability.colormap.map([0.29, 0.31])
    assert (low[3], high[3]) == (0, 1)
    results.preview(0.4)
    results.end_preview()
    assert (results.probability.visible, results.labels.visible) == (False, True)
    assert 0.4 < results.probability.colormap.map([0.5])[0][3] < 0.6


def test_a_result_too_large_for_memory_is_refused(monkeypatch):
    def refuse(*_):
        raise MemoryError

    image = Image(np.zeros((4, 5)))
    monkeypatch.setattr(module.np, "zeros", refuse)
    with pytest.raises(OutOfMemory, match="crop the image"):
        Results(image, "cell")


def test_a_run_that_did_not_end_gives_back_what_it_replaced(viewer, recipe):
    results = Results(viewer.add_image(np.zeros((4, 5))), "cell")
    results.show(viewer)
    assert not results.restore()
    results.write_rows(WHOLE, (0, 4), np.full((4, 5), 0.7, np.float32))
    results.finish(WHOLE, recipe)
    results.write_labels(WHOLE, np.ones((4, 5), np.int32), 0.5)
    before = dict(results.labels.metadata[METADATA_KEY])
    results.begin(WHOLE)
    assert results.probability.data.max() == results.labels.data.max() == 0
    assert results.restore()
    assert (results.probability.data == np.float32(0.7)).all()
    assert (results.labels.data == 1).all()
    assert results.labels.metadata[METADATA_KEY] == before
    assert list(results.planes) == [WHOLE]
