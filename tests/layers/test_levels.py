from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_clipseg.errors import UnsupportedLayer
from napari_clipseg.layers.geometry import Plane, spatial
from napari_clipseg.layers.levels import axis_of, grid_of, level_data

# napari says so of any volume that is turned out of the screen
pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")

PLACES = {
    "plain": {},
    "scaled": {"scale": (3, 2, 0.5), "translate": (1, -2, 4), "units": ("um",) * 3},
    "rotated": {"scale": (3, 2, 0.5), "rotate": (10, 20, 30), "translate": (1, -2, 4)},
    "sheared": {"scale": (3, 2, 0.5), "shear": (0.1, 0.2, 0.3), "rotate": (0, 0, 30)},
    "affine": {
        "scale": (3, 2, 0.5),
        "rotate": (0, 0, 30),
        "affine": [[1, 0, 0, 5], [0, 1, 0.4, 6], [0, 0.2, 2, 0], [0, 0, 0, 1]],
    },
}


def pyramid(**place) -> Image:
    """Levels 1 and 2 are half and a quarter as large in the plane, level 2 half as deep too."""
    levels = [np.zeros((4, 16, 24)), np.zeros((4, 8, 12)), np.zeros((2, 4, 6))]
    return Image(levels, multiscale=True, name="pyramid", **place)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(("level", "factors"), [(0, (1, 1, 1)), (1, (1, 2, 2)), (2, (2, 4, 4))])
def test_a_result_lies_where_the_pixels_of_its_level_do(place, level, factors):
    layer, factors = pyramid(**place), np.array(factors)
    grid = grid_of(layer, level)
    assert grid.shape == layer.data[level].shape
    result = Image(np.zeros(grid.shape), **grid.place)
    for pixel in np.ndindex(2, 4, 5):
        covered = [factors * pixel + part for part in np.ndindex(*factors)]
        centre = np.mean([layer.data_to_world(each) for each in covered], axis=0)
        np.testing.assert_allclose(result.data_to_world(pixel), centre, atol=1e-9)
    assert (result.units, result.axis_labels) == (layer.units, layer.axis_labels)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_result_layer_keeps_its_place_to_the_last_digit(place, level):
    expected = grid_of(pyramid(**place), level).place
    kept = spatial(Image(np.zeros(grid_of(pyramid(), level).shape), **expected))
    for key, value in expected.items():
        np.testing.assert_array_equal(np.asarray(kept[key]), np.asarray(value), err_msg=key)


def test_full_resolution_lies_exactly_where_the_layer_does():
    layer = pyramid(**PLACES["rotated"])
    place = grid_of(layer, 0).place
    for key, value in spatial(layer).items():
        np.testing.assert_array_equal(np.asarray(place[key]), np.asarray(value), err_msg=key)


def test_planes_of_full_resolution_fall_into_planes_of_a_level():
    grid = grid_of(pyramid(), 2)
    assert [grid.index(0, i) for i in range(4)] == [0, 0, 1, 1]
    assert grid.plane(Plane((3, None, None), (2, 1))) == Plane((1, None, None), (2, 1))


def test_a_level_that_does_not_divide_the_image_ends_where_napari_draws_its_end():
    layer = Image([np.zeros((7, 9)), np.zeros((4, 5))], multiscale=True)
    grid = grid_of(layer, 1)
    assert grid.factors == tuple(layer.downsample_factors[1])
    result = Image(np.zeros(grid.shape), **grid.place)
    np.testing.assert_allclose(result.data_to_world((3.5, 4.5)), (6.5, 8.5))


@pytest.mark.parametrize("axis", [0, 1, -4, -3])
def test_a_result_of_channels_is_shown_with_each_of_them(axis):
    shape = (3, 5, 6, 7)
    layer = Image(np.zeros(shape), scale=(2, 3, 1, 1), translate=(1, 2, 0, 0), rotate=None)
    grid, axis = grid_of(layer, channel_axis=axis), axis % 4
    assert grid.shape == (*shape[:axis], 1, *shape[axis + 1 :])
    result = Image(np.zeros(grid.shape), **grid.place)
    for channel in range(shape[axis]):
        pixel = np.zeros(4)
        pixel[axis] = channel
        assert round(result.world_to_data(layer.data_to_world(pixel))[axis]) == 0
    np.testing.assert_allclose(result.extent.world[0, 2:], layer.extent.world[0, 2:])


def test_a_colour_pyramid_has_no_factor_for_its_colours():
    levels = [np.zeros((8, 12, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)]
    grid = grid_of(Image(levels, rgb=True, multiscale=True), 1)
    assert (grid.shape, grid.factors) == ((4, 6), (2, 2))


@pytest.mark.parametrize("level", [3, -1])
def test_a_missing_level_is_refused(level):
    with pytest.raises(UnsupportedLayer, match=rf"no level {level}.*levels 0 to 2"):
        level_data(pyramid(), level)
    with pytest.raises(UnsupportedLayer, match="level 0 only"):
        level_data(Image(np.zeros((4, 5))), level)


@pytest.mark.parametrize("axis", [3, -4])
def test_a_missing_axis_is_refused(axis):
    with pytest.raises(UnsupportedLayer, match=rf"no axis {axis}.*0 to 2"):
        axis_of(pyramid(), axis)
