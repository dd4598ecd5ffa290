from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.layers import Image

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.errors import UnsupportedLayer
from napari_clipseg.layers.geometry import Plane
from napari_clipseg.layers.query import AUTOMATIC, QuerySettings, read_query


def test_the_contrast_is_what_the_layer_shows(viewer):
    layer = viewer.add_image(np.arange(20.0).reshape(4, 5), contrast_limits=(3, 9))
    assert read_query(viewer, layer).contrast == (3.0, 9.0)
    assert read_query(viewer, layer, QuerySettings(AUTOMATIC)).contrast == "auto"


def test_colour_images_are_taken_as_they_are(viewer):
    layer = viewer.add_image(np.zeros((4, 5, 3), np.uint8), rgb=True)
    query = read_query(viewer, layer)
    assert (query.data.shape, query.contrast) == ((4, 5, 3), "auto")


def test_a_query_says_where_its_result_lies(viewer):
    layer = viewer.add_image(np.zeros((6, 4, 5)), scale=(3, 2, 1), units=("um",) * 3)
    viewer.dims.set_point(0, 6)
    query = read_query(viewer, layer)
    assert (query.plane, query.level, query.shape) == (
        Plane((2, None, None), (1, 2)),
        0,
        (6, 4, 5),
    )
    result = Image(np.zeros(query.shape), **query.place)
    np.testing.assert_array_equal(result.extent.world, layer.extent.world)


def test_a_plane_that_is_not_shown_is_read_where_it_is_asked_for(viewer):
    data = np.random.default_rng(0).random((6, 4, 5))
    layer = viewer.add_image(data)
    plane = Plane((4, None, None), (1, 2))
    query = read_query(viewer, layer, plane=plane)
    assert query.plane == plane
    np.testing.assert_array_equal(query.data, data[4])


@pytest.mark.parametrize("plane", [Plane((6, None, None), (1, 2)), Plane((None, None), (0, 1))])
def test_a_plane_that_the_image_does_not_have_is_refused(viewer, plane):
    layer = viewer.add_image(np.zeros((6, 4, 5)), name="stack")
    with pytest.raises(UnsupportedLayer, match="'stack' has no plane"):
        read_query(viewer, layer, plane=plane)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_of_a_pyramid_the_level_that_is_asked_for_is_read(viewer, level, order):
    rng = np.random.default_rng(0)
    levels = [rng.random((8 >> i, 16 >> i, 24 >> i)) for i in range(3)]
    layer = viewer.add_image(levels, multiscale=True)
    viewer.dims.order = order
    viewer.dims.set_point(order[0], 5)
    query = read_query(viewer, layer, QuerySettings(level=level))
    expected = np.transpose(levels[level], order)[5 >> level]
    np.testing.assert_array_equal(query.data, expected)
    assert (query.level, query.shape) == (level, levels[level].shape)


def test_a_missing_level_is_refused(viewer):
    layer = viewer.add_image(np.zeros((4, 5)), name="flat")
    with pytest.raises(UnsupportedLayer, match="'flat' has no level 1"):
        read_query(viewer, layer, QuerySettings(level=1))


def test_a_lazy_layer_is_read_by_the_box(viewer, lazily):
    lazy, read = lazily(np.ones((4, 256, 256), np.float32), (1, 64, 64))
    layer = viewer.add_image(lazy, contrast_limits=(0, 2))
    viewer.dims.set_point(0, 2)
    read.clear()
    query = read_query(viewer, layer)
    tile = Pixels(query.data, contrast=query.contrast).read((70, 70, 100, 120))
    assert tile.shape == (30, 50, 3)
    assert read == [(2, 1, 1)]


def three_layers(viewer, shape=(3, 8, 9), **place):
    rng = np.random.default_rng(0)
    names = ("red", "green", "blue")
    data = [rng.integers(0, 1000, shape).astype(np.uint16) for _ in names]
    limits = [(0, 1000), (100, 500), (400, 600)]
    return tuple(
        viewer.add_image(d, name=name, contrast_limits=limit, **place)
        for d, name, limit in zip(data, names, limits, strict=True)
    )


def test_three_layers_are_the_colours_of_one_image_as_each_is_displayed(viewer):
    layers = three_layers(viewer, scale=(2, 0.5, 0.5), units=("um",) * 3)
    viewer.dims.set_point(0, 2)
    query = read_query(viewer, layers[1], QuerySettings(channels=layers))
    assert (query.data.shape, query.contrast) == ((8, 9, 3), (0.0, 1.0))
    seen = Pixels(query.data, contrast=query.contrast).read((0, 0, 8, 9))
    for channel, layer in enumerate(layers):
        low, high = layer.contrast_limits
        shown = np.clip((layer.data[1].astype(float) - low) / (high - low), 0, 1)
        np.testing.assert_allclose(seen[..., channel], shown, atol=1e-6)


def test_three_layers_may_differ_in_unit_if_their_pixels_meet(viewer):
    layers = [
        viewer.add_image(np.full((4, 5), i), scale=scale, units=unit, contrast_limits=(0, 2))
        for i, (scale, unit) in enumerate([((1, 1), "um"), ((1000, 1000), "nm"), ((1, 1), "um")])
    ]
    query = read_query(viewer, layers[0], QuerySettings(channels=tuple(layers)))
    assert query.data[0:1, 0:1].tolist() == [[[0.0, 0.5, 1.0]]]


def test_three_layers_are_automatic_each_by_itself(viewer):
    layers = three_layers(viewer, (64, 64))
    query = read_query(viewer, layers[0], QuerySettings(AUTOMATIC, channels=layers))
    expected = [Pixels(each.data).read((0, 0, 4, 4))[..., 0] for each in layers]
    np.testing.assert_allclose(query.data[0:4, 0:4], np.stack(expected, -1), atol=1e-6)


def test_three_lazy_layers_are_read_by_the_box(viewer, lazily):
    arrays = [lazily(np.full((2, 128, 128), i, np.uint8), (1, 64, 64)) for i in range(3)]
    layers = tuple(viewer.add_image(lazy, contrast_limits=(0, 2)) for lazy, _ in arrays)
    for _, read in arrays:
        read.clear()
    query = read_query(viewer, layers[0], QuerySettings(channels=layers))
    tile = Pixels(query.data, contrast=query.contrast).read((70, 3, 100, 20))
    np.testing.assert_allclose(tile[0, 0], [0, 0.5, 1])
    assert [read for _, read in arrays] == [[(viewer.dims.current_step[0], 1, 0)]] * 3


@pytest.mark.parametrize(
    "place", [{"scale": (1, 1.1)}, {"translate": (0, 1)}, {"rotate": 5}, {"shear": [0.1]}]
)
def test_layers_that_do_not_lie_on_the_image_are_refused(viewer, place):
    layers = three_layers(viewer, (8, 9))
    other = viewer.add_image(np.zeros((8, 9)), name="other", **place)
    with pytest.raises(UnsupportedLayer, match="'other' does not lie on 'red'"):
        read_query(viewer, layers[0], QuerySettings(channels=(*layers[:2], other)))


def test_channels_that_are_no_colours_of_the_image_are_refused(viewer):
    red, green, blue = three_layers(viewer, (8, 9))
    small = viewer.add_image(np.zeros((4, 9)), name="small")
    photo = viewer.add_image(np.zeros((8, 9, 3), np.uint8), rgb=True, name="photo")
    for third, sentence in (
        (small, r"'small' has the shape \(4, 9\), 'red' \(8, 9\)"),
        (photo, "'photo' cannot be one of three colours"),
        (2, "Choose three image layers"),
    ):
        with pytest.raises(UnsupportedLayer, match=sentence):
            read_query(viewer, red, QuerySettings(channels=(red, green, third)))
    with pytest.raises(UnsupportedLayer, match="three image layers without a channel axis, not 2"):
        read_query(viewer, red, QuerySettings(channels=(red, green)))
    viewer.layers.remove(blue)
    with pytest.raises(UnsupportedLayer, match="'blue' is not in the viewer"):
        read_query(viewer, red, QuerySettings(channels=(red, green, blue)))


@pytest.mark.parametrize("axis", [0, 1, -3])
@pytest.mark.parametrize("channels", [(4,), (3, 0, 1)])
def test_indices_on_a_channel_axis_are_grey_or_the_colours(viewer, axis, channels):
    data = np.random.default_rng(0).random((6, 6, 7, 8))
    layer = viewer.add_image(data, contrast_limits=(0.2, 0.8))
    axis %= 4
    viewer.dims.set_point([0, 1], [2, 2])
    query = read_query(viewer, layer, QuerySettings(channels=channels, channel_axis=axis))
    expected = np.moveaxis(data, axis, -1)[2][..., list(channels)]
    np.testing.assert_array_equal(query.data[0:7, 0:8], expected)
    assert query.contrast == (0.2, 0.8)
    assert query.shape[axis] == 1
    assert query.plane.index[axis] == 0
    assert query.plane.index[1 - axis] == 2
    assert query.plane.of(np.zeros(query.shape)).shape == (7, 8)


def test_channels_of_a_lazy_layer_are_read_by_the_box(viewer, lazily):
    lazy, read = lazily(np.ones((5, 128, 128), np.uint8), (1, 64, 64))
    layer = viewer.add_image(lazy, contrast_limits=(0, 2))
    read.clear()
    query = read_query(viewer, layer, QuerySettings(channels=(4, 0, 2), channel_axis=0))
    Pixels(query.data, contrast=query.contrast).read((70, 3, 100, 20))
    assert sorted(read) == [(0, 1, 0), (2, 1, 0), (4, 1, 0)]


def test_channels_of_a_coarse_level_are_read_there(viewer):
    levels = [np.zeros((3, 8, 8)), np.arange(3.0)[:, None, None] * np.ones((3, 4, 4))]
    layer = viewer.add_image(levels, multiscale=True, contrast_limits=(0, 2))
    query = read_query(viewer, layer, QuerySettings(channels=(0, 1, 2), channel_axis=0, level=1))
    assert query.data[0:1, 0:1].tolist() == [[[0, 1, 2]]]
    assert (query.shape, query.data.shape) == ((1, 4, 4), (4, 4, 3))


def test_wrong_channel_axes_and_indices_are_refused(viewer):
    layer = viewer.add_image(np.zeros((4, 8, 9)), name="stack")
    photo = viewer.add_image(np.zeros((4, 8, 9, 3), np.uint8), rgb=True, name="photo")
    for image, channels, axis, sentence in (
        (layer, (0, 1, 4), 0, r"Channels \(0, 1, 4\).*channels 0 to 3"),
        (layer, (0, 1), 0, "choose one or three"),
        (layer, (0,), 3, "no axis 3"),
        (layer, (0,), 1, "on the screen"),
        (layer, (0, 1, 2), None, "channel axis of 'stack'"),
        (layer, None, 0, "choose one or three of them"),
        (photo, (0, 1, 2), 0, "'photo' has its colours already"),
    ):
        with pytest.raises(UnsupportedLayer, match=sentence):
            read_query(viewer, image, QuerySettings(channels=channels, channel_axis=axis))


def test_equal_keys_are_equal_pixels(viewer):
    levels = [np.zeros((3, 8, 8)), np.zeros((3, 4, 4))]
    layer = viewer.add_image(levels, multiscale=True, contrast_limits=(0, 2))
    settings = QuerySettings(channels=(0, 1, 2), channel_axis=0)
    variants = [
        QuerySettings(),
        QuerySettings(AUTOMATIC),
        QuerySettings(level=1),
        settings,
        dataclasses.replace(settings, channels=(0, 2, 1)),
    ]
    keys = [read_query(viewer, layer, each).key for each in variants]
    assert len(set(keys)) == len(variants)
    assert keys == [read_query(viewer, layer, each).key for each in variants]
    viewer.dims.set_point(0, 0)
    assert read_query(viewer, layer).key != keys[0]
    layer.data = [each.copy() for each in levels]
    viewer.dims.set_point(0, 1)
    assert read_query(viewer, layer).key != keys[0]


def test_the_contrast_of_each_channel_is_in_the_key(viewer):
    layers = three_layers(viewer, (8, 9))
    settings = QuerySettings(channels=layers)
    before = read_query(viewer, layers[0], settings).key
    assert read_query(viewer, layers[0], settings).key == before
    layers[2].contrast_limits = (3, 4)
    assert read_query(viewer, layers[0], settings).key != before


def test_no_image_and_other_layers_are_refused(viewer):
    with pytest.raises(UnsupportedLayer, match="no image"):
        read_query(viewer, None)
    with pytest.raises(UnsupportedLayer, match="is no image layer"):
        read_query(viewer, viewer.add_points(name="points"))
