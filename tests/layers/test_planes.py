from __future__ import annotations

import numpy as np
import pytest

from napari_clipseg.errors import SettingError, UnknownName, UnsupportedLayer
from napari_clipseg.layers.geometry import Plane, shown_plane
from napari_clipseg.layers.planes import ALL, SHOWN, plane_axes, planes_of
from napari_clipseg.layers.query import QuerySettings, read_query


def first_axis(planes: tuple[Plane, ...]) -> list[int | None]:
    return [plane.index[0] for plane in planes]


def test_the_plane_that_is_shown_is_one(viewer):
    layer = viewer.add_image(np.zeros((6, 4, 5)))
    viewer.dims.set_point(0, 2)
    assert planes_of(viewer, layer, SHOWN) == (shown_plane(viewer, layer),)


def test_all_planes_begin_with_the_one_shown_and_go_outward(viewer):
    layer = viewer.add_image(np.zeros((6, 4, 5)))
    viewer.dims.set_point(0, 2)
    assert first_axis(planes_of(viewer, layer, ALL)) == [2, 1, 3, 0, 4, 5]


def test_a_range_begins_nearest_to_the_plane_that_is_shown(viewer):
    layer = viewer.add_image(np.zeros((6, 4, 5)))
    viewer.dims.set_point(0, 5)
    assert first_axis(planes_of(viewer, layer, (1, 4))) == [3, 2, 1]


def test_all_planes_are_those_of_all_sliders_and_a_range_leaves_the_others_alone(viewer):
    layer = viewer.add_image(np.zeros((2, 3, 4, 5)))
    viewer.dims.set_point([0, 1], [1, 2])
    planes = planes_of(viewer, layer, ALL)
    assert planes[0].index == (1, 2, None, None)
    assert {plane.index[:2] for plane in planes} == set(np.ndindex(2, 3))
    assert [plane.index[:2] for plane in planes_of(viewer, layer, (0, 2))] == [(1, 2), (0, 2)]


def test_planes_follow_the_axes_on_the_screen(viewer):
    layer = viewer.add_image(np.zeros((3, 4, 5)))
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, 3)
    planes = planes_of(viewer, layer, ALL)
    assert {plane.axes for plane in planes} == {(0, 2)}
    assert [plane.index[1] for plane in planes] == [3, 2, 1, 0]


def test_the_axis_of_a_range_is_the_first_of_the_layer_that_is_hidden_however_transposed(viewer):
    layer = viewer.add_image(np.zeros((2, 5, 6, 7)))
    flat = viewer.add_image(np.zeros((6, 7)))
    for order, axes in (
        ((0, 1, 2, 3), [0, 1]),
        ((1, 0, 2, 3), [0, 1]),
        ((3, 1, 0, 2), [1, 3]),
    ):
        viewer.dims.order = order
        assert plane_axes(viewer, layer) == axes
        shown = shown_plane(viewer, layer).index[axes[0]]
        assert {plane.index[axes[0]] for plane in planes_of(viewer, layer, (0, 2))} == {0, 1}
        assert shown is not None
    assert plane_axes(viewer, layer, channel_axis=-3) == [3]
    viewer.dims.order = (1, 0, 2, 3)
    viewer.dims.ndisplay = 3
    assert plane_axes(viewer, layer) == [0, 1]
    assert plane_axes(viewer, flat) == []


def test_a_flat_image_has_one_plane(viewer):
    layer = viewer.add_image(np.zeros((4, 5)), name="flat")
    assert planes_of(viewer, layer, ALL) == (Plane((None, None), (0, 1)),)
    with pytest.raises(SettingError, match="'flat' has one plane only"):
        planes_of(viewer, layer, (0, 1))


def test_planes_that_one_of_a_level_covers_are_one(viewer):
    levels = [np.zeros((6, 8, 8)), np.zeros((3, 4, 4))]
    layer = viewer.add_image(levels, multiscale=True)
    viewer.dims.set_point(0, 5)
    assert first_axis(planes_of(viewer, layer, ALL, level=1)) == [2, 1, 0]
    assert first_axis(planes_of(viewer, layer, (1, 3), level=1)) == [1, 0]
    assert first_axis(planes_of(viewer, layer, SHOWN, level=1)) == [2]


@pytest.mark.parametrize("axis", [0, -4, 1])
def test_channels_are_no_planes(viewer, axis):
    layer = viewer.add_image(np.zeros((3, 3, 4, 5)))
    viewer.dims.set_point([0, 1], [2, 2])
    planes = planes_of(viewer, layer, ALL, channel_axis=axis)
    sliders = 1 if axis in (0, -4) else 0
    assert [plane.index[sliders] for plane in planes] == [2, 1, 0]
    assert {plane.index[1 - sliders] for plane in planes} == {0}
    settings = QuerySettings(channels=(0, 1, 2), channel_axis=axis)
    assert [read_query(viewer, layer, settings, each).plane for each in planes] == list(planes)


@pytest.mark.parametrize("choice", [(0, 7), (-1, 2), (3, 3), (4, 2)])
def test_a_range_beyond_the_stack_or_empty_is_refused(viewer, choice):
    layer = viewer.add_image(np.zeros((6, 4, 5)), name="stack")
    with pytest.raises(SettingError, match="'stack', which has planes 0 to 5 on axis 0"):
        planes_of(viewer, layer, choice)


def test_another_word_and_three_dimensions_are_refused(viewer):
    layer = viewer.add_image(np.zeros((6, 4, 5)))
    with pytest.raises(UnknownName, match="no planes 'every second'"):
        planes_of(viewer, layer, "every second")
    viewer.dims.ndisplay = 3
    with pytest.raises(UnsupportedLayer, match="switch to 2-D"):
        planes_of(viewer, layer, ALL)
