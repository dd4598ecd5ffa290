from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_clipseg.errors import PromptError
from napari_clipseg.layers.query import read_query
from napari_clipseg.layers.support import paint_example, read_support


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def labels_of(shape: tuple[int, ...], *at: int | slice, value: int = 1) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    labels[at] = value
    return labels


def test_the_selected_label_is_the_mask(viewer):
    image = viewer.add_image(np.zeros((6, 8)), contrast_limits=(0, 1))
    data = labels_of((6, 8), slice(1, 3), slice(2, 4), value=5)
    data[5, 5] = 1
    layer = viewer.add_labels(data)
    layer.selected_label = 5
    prompt = read_support(viewer, layer, read_query(viewer, image))
    np.testing.assert_array_equal(prompt.mask, data == 5)
    assert prompt.contrast == (0.0, 1.0)


@pytest.mark.parametrize(
    ("order", "rotate"), [((0, 1, 2), 20), ((1, 0, 2), 0), ((0, 2, 1), 20), ((2, 1, 0), 0)]
)
def test_an_example_painted_on_a_plane_lies_on_that_plane(viewer, order, rotate):
    image = viewer.add_image(
        np.zeros((5, 6, 7)), scale=(2, 0.5, 0.25), rotate=rotate, units=("um",) * 3
    )
    viewer.dims.order = order
    layer = viewer.add_layer(paint_example(image))
    query = read_query(viewer, image)
    query.plane.of(layer.data)[1, 2] = 1
    mask = read_support(viewer, layer, query).mask
    assert mask.shape == query.data.shape
    assert np.argwhere(mask).tolist() == [[1, 2]]


def test_an_example_is_ready_to_be_painted(viewer):
    image = viewer.add_image(np.zeros((3, 6, 7, 3), np.uint8), rgb=True, name="photo")
    layer = paint_example(image)
    assert (layer.data.shape, layer.mode, layer.n_edit_dimensions) == ((3, 6, 7), "paint", 2)


def test_labels_of_another_extent_count_where_they_lie_on_the_image(viewer):
    image = viewer.add_image(np.zeros((6, 8)), scale=(2, 2), translate=(10, 10))
    layer = viewer.add_labels(labels_of((4, 20), 3, 5), scale=(2, 2), translate=(12, 6))
    mask = read_support(viewer, layer, read_query(viewer, image)).mask
    assert np.argwhere(mask).tolist() == [[4, 3]]


def test_labels_in_other_units_count_where_they_lie_on_the_image(viewer):
    image = viewer.add_image(np.zeros((6, 8)), units=("um", "um"))
    layer = viewer.add_labels(labels_of((6, 8), 2, 3), scale=(1000, 1000), units=("nm", "nm"))
    mask = read_support(viewer, layer, read_query(viewer, image)).mask
    assert np.argwhere(mask).tolist() == [[2, 3]]


@pytest.mark.parametrize("place", [{"scale": (2, 2)}, {"rotate": 90}, {"shear": [0.5]}])
def test_labels_with_other_pixels_are_refused(viewer, place):
    image = viewer.add_image(np.zeros((6, 8)), name="cells")
    layer = viewer.add_labels(labels_of((6, 8), 2, 3), **place)
    with pytest.raises(PromptError, match=r"another size or direction.*'cells'"):
        read_support(viewer, layer, read_query(viewer, image))


def test_an_example_beside_the_image_is_empty(viewer):
    image = viewer.add_image(np.zeros((6, 8)))
    layer = viewer.add_labels(labels_of((6, 8), 2, 3), translate=(100, 100))
    with pytest.raises(PromptError, match="Nothing is painted"):
        read_support(viewer, layer, read_query(viewer, image))


def test_an_empty_example_and_the_background_are_refused(viewer):
    image = viewer.add_image(np.zeros((6, 8)))
    layer = viewer.add_labels(np.zeros((6, 8), np.uint8))
    query = read_query(viewer, image)
    with pytest.raises(PromptError, match="paint over one example"):
        read_support(viewer, layer, query)
    layer.selected_label = 0
    with pytest.raises(PromptError, match="select another label"):
        read_support(viewer, layer, query)
