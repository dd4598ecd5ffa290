from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.layers import Image

from napari_clipseg.errors import UnsupportedLayer
from napari_clipseg.layers.geometry import (
    Plane,
    PlaneReader,
    shown_plane,
    spatial,
    spatial_shape,
    to_world,
)


def test_spatial_places_a_copy_exactly_on_the_layer():
    layer = Image(
        np.zeros((4, 5)),
        scale=(2, 3),
        translate=(10, -4),
        rotate=30,
        shear=[0.2],
        affine=[[1, 0.1, 5], [0, 1, 6], [0, 0, 1]],
        units=("um", "um"),
        axis_labels=("y", "x"),
    )
    copy = Image(np.ones((4, 5)), **spatial(layer))
    corners = [(0, 0), (4, 5), (2, 1)]
    for corner in corners:
        np.testing.assert_allclose(copy.data_to_world(corner), layer.data_to_world(corner))
    assert (copy.units, copy.axis_labels) == (layer.units, layer.axis_labels)


def test_a_two_dimensional_image_is_one_plane(viewer):
    layer = viewer.add_image(np.zeros((4, 5)))
    assert shown_plane(viewer, layer) == Plane((None, None), (0, 1))


def test_the_plane_follows_slider_scale_and_translation(viewer):
    layer = viewer.add_image(np.zeros((6, 4, 5)), scale=(2, 1, 1), translate=(100, 0, 0))
    viewer.dims.set_point(0, 108)
    assert str(shown_plane(viewer, layer)) == "[4, :, :]"


def test_the_plane_is_right_for_each_layer_where_their_steps_differ(viewer):
    fine = viewer.add_image(np.zeros((10, 4, 5)))
    coarse = viewer.add_image(np.zeros((5, 4, 5)), scale=(2, 1, 1))
    viewer.dims.set_point(0, 6)
    assert shown_plane(viewer, fine).index[0] == 6
    assert shown_plane(viewer, coarse).index[0] == 3


def test_the_plane_respects_units_in_a_mixed_viewer(viewer):
    micro = viewer.add_image(np.zeros((8, 4, 5)), units=("um",) * 3)
    nano = viewer.add_image(np.zeros((8, 4, 5)), scale=(1000, 1000, 1000), units=("nm",) * 3)
    unit = viewer.layers.extent.units[0]
    viewer.dims.set_point(0, (4 * micro.units[0]).to(unit).magnitude)
    assert shown_plane(viewer, micro).index[0] == 4
    assert shown_plane(viewer, nano).index[0] == 4


@pytest.mark.parametrize(
    ("order", "axes"), [((1, 0, 2), (0, 2)), ((0, 2, 1), (2, 1)), ((2, 1, 0), (1, 0))]
)
def test_the_plane_spans_the_displayed_axes_as_on_the_screen(viewer, order, axes):
    data = np.random.default_rng(0).random((3, 4, 5))
    layer = viewer.add_image(data)
    viewer.dims.order = order
    viewer.dims.set_point(order[0], 1)
    plane = shown_plane(viewer, layer)
    assert plane.axes == axes
    expected = np.transpose(data, order)[1]
    np.testing.assert_array_equal(plane.of(data), expected)


def test_a_layer_of_fewer_axes_lines_up_on_the_last(viewer):
    viewer.add_image(np.zeros((6, 4, 5)))
    layer = viewer.add_image(np.zeros((4, 5)))
    viewer.dims.set_point(0, 3)
    assert shown_plane(viewer, layer) == Plane((None, None), (0, 1))


def test_a_layer_without_the_displayed_axis_is_refused(viewer):
    viewer.add_image(np.zeros((6, 4, 5)))
    layer = viewer.add_image(np.zeros((4, 5)), name="flat")
    viewer.dims.order = (1, 0, 2)
    with pytest.raises(UnsupportedLayer, match="'flat' has only 2 axes"):
        shown_plane(viewer, layer)


def test_three_dimensional_display_is_refused_with_what_to_do(viewer):
    layer = viewer.add_image(np.zeros((6, 4, 5)))
    viewer.dims.ndisplay = 3
    with pytest.raises(UnsupportedLayer, match="switch to 2-D"):
        shown_plane(viewer, layer)


def test_a_slice_beyond_the_layer_is_refused(viewer):
    viewer.add_image(np.zeros((9, 4, 5)))
    short = viewer.add_image(np.zeros((3, 4, 5)), name="short")
    viewer.dims.set_point(0, 7)
    with pytest.raises(UnsupportedLayer, match="does not reach"):
        shown_plane(viewer, short)


def test_a_plane_of_a_numpy_array_can_be_written_to():
    data = np.zeros((3, 4, 5))
    Plane((1, None, None), (2, 1)).of(data)[4, 0] = 7
    assert data[1, 0, 4] == 7


@pytest.mark.parametrize("axes", [(1, 2), (2, 1)])
@pytest.mark.parametrize("kind", ["dask", "zarr"])
def test_a_lazy_plane_reads_only_the_box(kind, axes):
    data = np.arange(3 * 6 * 8).reshape(3, 6, 8)
    lazy = da.from_array(data, chunks=2) if kind == "dask" else zarr.array(data, chunks=(1, 2, 2))
    plane = Plane((2, None, None), axes)
    reader = plane.of(lazy)
    assert isinstance(reader, PlaneReader)
    expected = plane.of(data)
    assert (reader.shape, reader.ndim, reader.dtype) == (expected.shape, 2, data.dtype)
    np.testing.assert_array_equal(reader[1:4, 2:5], expected[1:4, 2:5])
    np.testing.assert_array_equal(reader[::2, ::3], expected[::2, ::3])


def test_a_lazy_plane_keeps_its_colours():
    data = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)
    reader = Plane((1, None, None), (2, 1)).of(da.from_array(data))
    assert reader.shape == (5, 4, 3)
    np.testing.assert_array_equal(reader[1:3, 0:2], data[1, 0:2, 1:3].swapaxes(0, 1))


def test_spatial_shape_leaves_colour_out_and_takes_the_finest_level():
    assert spatial_shape(Image(np.zeros((4, 5, 3), np.uint8), rgb=True)) == (4, 5)
    assert spatial_shape(Image([np.zeros((8, 8)), np.zeros((4, 4))])) == (8, 8)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_pixels_lie_in_the_world_where_napari_draws_them(viewer):
    """Against data_to_world, which ends in the units of the layer: here they are the viewer's."""
    affine = [[1, 0.1, 0, 5], [0, 1, 0, 6], [0, 0, 2, 0], [0, 0, 0, 1]]
    layer = viewer.add_image(
        np.zeros((3, 4, 5)),
        scale=(2, 3, 0.5),
        translate=(1, -2, 4),
        rotate=(10, 20, 30),
        shear=(0.1, 0.2, 0.3),
        affine=affine,
    )
    points = np.random.default_rng(0).random((6, 3)) * 5
    expected = [layer.data_to_world(point) for point in points]
    np.testing.assert_allclose(to_world(viewer, spatial(layer))(points), expected)


def test_layers_of_other_units_meet_in_the_world(viewer):
    micro = viewer.add_image(np.zeros((4, 5)), scale=(2, 2), units=("um", "um"))
    nano = viewer.add_image(np.zeros((4, 5)), scale=(500, 500), units=("nm", "nm"))
    to_micro, to_nano = (to_world(viewer, spatial(each)) for each in (micro, nano))
    np.testing.assert_allclose(to_nano.inverse(to_micro((3.0, 1.0))), (12, 4))


def test_a_plane_that_is_turned_out_of_the_screen_is_the_one_that_napari_draws(viewer):
    data = np.arange(6.0)[:, None, None] * np.ones((6, 7, 8))
    with pytest.warns(UserWarning, match="Non-orthogonal"):
        layer = viewer.add_image(data, rotate=(0, 25, 0), name="turned")
        viewer.dims.set_point(0, 2)
        drawn = layer.get_value(viewer.dims.point, world=True)
    plane = shown_plane(viewer, layer)
    assert plane.axes == (1, 2)
    assert drawn is None or drawn == plane.index[0]
    assert plane.index[0] == round(2 * np.cos(np.deg2rad(25)))


def test_a_layer_seen_edge_on_is_refused(viewer):
    quarter = np.eye(4)
    quarter[:2, :2] = [[0, -1], [1, 0]]
    with pytest.warns(UserWarning, match="Non-orthogonal"):
        layer = viewer.add_image(np.zeros((6, 7, 8)), affine=quarter, name="wall")
    with pytest.raises(UnsupportedLayer, match="'wall' is rotated so far"):
        shown_plane(viewer, layer)


def test_a_layer_that_is_gone_is_refused(viewer):
    layer = viewer.add_image(np.zeros((4, 5)), name="cells")
    viewer.layers.remove(layer)
    with pytest.raises(UnsupportedLayer, match="'cells' is not in the viewer"):
        shown_plane(viewer, layer)
