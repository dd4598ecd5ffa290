from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_clipseg.errors import OutOfMemory, PromptError, UnsupportedLayer
from napari_clipseg.layers import support as module
from napari_clipseg.layers.query import read_query
from napari_clipseg.layers.support import paint_example, read_support


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


def test_labels_of_another_pixel_size_count_where_they_lie_on_the_image(viewer):
    image = viewer.add_image(np.zeros((6, 8)), name="cells")
    layer = viewer.add_labels(labels_of((3, 4), 1, 2), scale=(2, 2), translate=(0.5, 0.5))
    mask = read_support(viewer, layer, read_query(viewer, image)).mask
    assert np.argwhere(mask).tolist() == [[2, 4], [2, 5], [3, 4], [3, 5]]


def test_the_label_that_is_asked_for_counts_rather_than_the_selected_one(viewer):
    image = viewer.add_image(np.zeros((6, 8)))
    data = labels_of((6, 8), 2, 3, value=200)
    data[4, 4] = 1
    query, layer = read_query(viewer, image), viewer.add_labels(data, name="example")
    assert np.argwhere(read_support(viewer, layer, query, value=200).mask).tolist() == [[2, 3]]
    assert np.argwhere(read_support(viewer, layer, query).mask).tolist() == [[4, 4]]
    with pytest.raises(PromptError, match="label 300 of 'example'"):
        read_support(viewer, layer, query, value=300)


def test_an_example_on_another_image_brings_that_image(viewer):
    image = viewer.add_image(np.zeros((6, 8)), contrast_limits=(0, 1))
    other = viewer.add_image(
        np.arange(30).reshape(5, 6), scale=(3, 3), translate=(50, 50), contrast_limits=(5, 20)
    )
    layer = viewer.add_layer(paint_example(other))
    layer.data[2, 3] = 1
    prompt = read_support(viewer, layer, read_query(viewer, image), image=read_query(viewer, other))
    assert np.argwhere(prompt.mask).tolist() == [[2, 3]]
    np.testing.assert_array_equal(prompt.image, other.data)
    assert prompt.contrast == (5.0, 20.0)


def test_an_example_may_be_drawn_as_a_shape(viewer):
    image = viewer.add_image(np.zeros((20, 30)), scale=(2, 2))
    square = np.array([(2.5, 3.5), (2.5, 6.5), (4.5, 6.5), (4.5, 3.5)]) * 2
    layer = viewer.add_shapes([square], shape_type="polygon")
    mask = read_support(viewer, layer, read_query(viewer, image)).mask
    assert np.argwhere(mask).tolist() == [[y, x] for y in (3, 4) for x in (4, 5, 6)]


def test_an_example_on_a_plane_that_is_not_shown_brings_its_plane(viewer):
    data = np.arange(5.0)[:, None, None] * np.ones((5, 6, 7))
    image = viewer.add_image(data, contrast_limits=(0, 4))
    layer = viewer.add_layer(paint_example(image))
    layer.data[0, 1, 2] = layer.data[3, 4, 5] = 1
    viewer.dims.set_point(0, 4)
    prompt = read_support(viewer, layer, read_query(viewer, image))
    assert np.argwhere(prompt.mask).tolist() == [[4, 5]]
    np.testing.assert_array_equal(prompt.image, data[3])


def test_a_shape_on_a_plane_that_is_not_shown_brings_its_plane(viewer):
    data = np.arange(5.0)[:, None, None] * np.ones((5, 9, 9))
    image = viewer.add_image(data, contrast_limits=(0, 4), scale=(2, 1, 1))
    square = [(6, 2.5, 2.5), (6, 2.5, 4.5), (6, 3.5, 4.5), (6, 3.5, 2.5)]
    layer = viewer.add_shapes([square], shape_type="polygon")
    viewer.dims.set_point(0, 0)
    prompt = read_support(viewer, layer, read_query(viewer, image))
    assert np.argwhere(prompt.mask).tolist() == [[3, 3], [3, 4]]
    np.testing.assert_array_equal(prompt.image, data[3])


def test_an_example_far_from_the_plane_shown_of_a_large_stack_is_found(viewer):
    image = viewer.add_image(da.zeros((400, 512, 512), np.uint8, chunks=(1, 512, 512)))
    layer = viewer.add_layer(paint_example(image))
    viewer.dims.set_point(0, 0)
    layer.data[399, 500, 7] = 1
    prompt = read_support(viewer, layer, read_query(viewer, image))
    assert np.argwhere(prompt.mask).tolist() == [[500, 7]]


@pytest.mark.parametrize(
    ("limit", "of_layer"),
    [
        ("SEARCH_BYTES", lambda image: paint_example(image)),
        ("SEARCH_LAZY_BYTES", lambda image: Labels(da.from_array(far_label(), chunks=(1, 6, 7)))),
    ],
)
def test_how_far_an_example_was_searched_for_is_said(viewer, monkeypatch, limit, of_layer):
    monkeypatch.setattr(module, limit, 2 * 42)
    image = viewer.add_image(np.zeros((9, 6, 7)))
    layer = viewer.add_layer(of_layer(image))
    if limit == "SEARCH_BYTES":
        layer.data[2, 1, 1] = 1
    viewer.dims.set_point(0, 4)
    query = read_query(viewer, image)
    with pytest.raises(PromptError, match=r"nor on the 2 nearest to it; .* go to the plane"):
        read_support(viewer, layer, query)
    viewer.dims.set_point(0, 3)
    assert read_support(viewer, layer, read_query(viewer, image)).mask[1, 1]


def far_label() -> np.ndarray:
    labels = np.zeros((9, 6, 7), np.uint8)
    labels[2, 1, 1] = 1
    return labels


def test_an_example_beside_the_image_is_empty(viewer):
    image = viewer.add_image(np.zeros((6, 8)), name="cells")
    layer = viewer.add_labels(labels_of((6, 8), 2, 3), translate=(100, 100), name="example")
    with pytest.raises(PromptError, match="label 1 of 'example' on 'cells'"):
        read_support(viewer, layer, read_query(viewer, image))


def test_empty_examples_the_background_and_all_of_the_image_are_refused(viewer):
    image = viewer.add_image(np.zeros((6, 8)))
    layer = viewer.add_labels(np.zeros((6, 8), np.uint8))
    query = read_query(viewer, image)
    with pytest.raises(PromptError, match="paint over one example"):
        read_support(viewer, layer, query)
    with pytest.raises(PromptError, match="draw one example"):
        read_support(viewer, viewer.add_shapes(ndim=2), query)
    layer.data[:] = 1
    with pytest.raises(PromptError, match="paint only the example"):
        read_support(viewer, layer, query)
    layer.selected_label = 0
    with pytest.raises(PromptError, match="select another label"):
        read_support(viewer, layer, query)


def test_an_example_that_is_gone_is_refused(viewer):
    image = viewer.add_image(np.zeros((6, 8)))
    layer = viewer.add_layer(paint_example(image))
    viewer.layers.remove(layer)
    with pytest.raises(UnsupportedLayer, match="'Image: example' is not in the viewer"):
        read_support(viewer, layer, read_query(viewer, image))


def test_an_example_for_a_huge_stack_takes_memory_only_where_it_is_painted(viewer):
    huge = da.zeros((2_000_000, 200, 200), chunks=(1, 200, 200), dtype=np.uint8)
    image = Image(huge, contrast_limits=(0, 1))
    layer = paint_example(image)
    layer.data[7, 150:152, 3] = 1
    assert layer.data.shape == huge.shape
    assert layer.data[7, 149:153, 3].tolist() == [0, 1, 1, 0]


def test_an_example_that_memory_does_not_hold_is_kept_in_chunks(viewer, monkeypatch):
    def refuse(*_):
        raise OutOfMemory

    shape = (3, 2000, 1500)
    image = viewer.add_image(da.zeros(shape, dtype=np.uint8), contrast_limits=(0, 1))
    monkeypatch.setattr(module, "zeros", refuse)
    layer = viewer.add_layer(paint_example(image))
    viewer.dims.set_point(0, 2)
    layer.brush_size = 1
    layer.paint((2, 1400, 5), 1)
    assert layer.data.nchunks_initialized == 1
    mask = read_support(viewer, layer, read_query(viewer, image)).mask
    assert np.argwhere(mask).tolist() == [[1400, 5]]
