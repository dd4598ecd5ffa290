from __future__ import annotations

import numpy as np
import pytest

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.errors import ImageError
from napari_clipseg.layers.channels import ChannelStack, ContrastPlane
from napari_clipseg.layers.geometry import Plane


def test_a_stack_reads_a_box_of_each_plane():
    planes = [np.arange(20).reshape(4, 5) * i for i in (1, 2, 3)]
    stack = ChannelStack(planes)
    assert (stack.shape, stack.ndim, stack.dtype) == ((4, 5, 3), 3, planes[0].dtype)
    np.testing.assert_array_equal(stack[1:3, 2:5], np.stack(planes, -1)[1:3, 2:5])
    np.testing.assert_array_equal(stack[::2, ::2], np.stack(planes, -1)[::2, ::2])


def test_a_stack_holds_the_values_of_planes_of_other_types():
    stack = ChannelStack([np.full((2, 2), 300, np.uint16), np.full((2, 2), -1, np.int8)])
    assert stack.dtype == np.int32
    assert stack[0:1, 0:1].tolist() == [[[300, -1]]]


def test_a_plane_is_read_through_its_window_and_clipped():
    plane = ContrastPlane(np.array([[0, 10, 20, 30]], np.uint16), (10, 20))
    assert plane.dtype == np.float32
    assert plane[:, :].tolist() == [[0, 0, 1, 1]]


def test_an_automatic_window_is_the_one_of_a_single_grey_image():
    values = np.random.default_rng(0).gamma(2, 200, (64, 64))
    expected = Pixels(values).read((5, 6, 20, 40))[..., 0]
    np.testing.assert_allclose(ContrastPlane(values, "auto")[5:20, 6:40], expected, atol=1e-6)


def test_an_automatic_window_is_measured_when_pixels_are_read(lazily):
    lazy, read = lazily(np.arange(64.0).reshape(1, 8, 8), (1, 4, 4))
    plane = ContrastPlane(Plane((0, None, None), (1, 2)).of(lazy), "auto")
    assert read == []
    assert plane[0:8, 0:8].max() == 1


def test_the_engine_refuses_nan_in_a_channel():
    planes = [np.zeros((4, 5)), np.zeros((4, 5)), np.full((4, 5), np.nan)]
    stack = ChannelStack([ContrastPlane(each, (0, 1)) for each in planes])
    with pytest.raises(ImageError, match="NaN"):
        Pixels(stack, contrast=(0, 1)).read((0, 0, 2, 2))
