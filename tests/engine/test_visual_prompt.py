import numpy as np
import pytest

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.visual_prompt import (
    MOST_OBJECTS,
    bounding_box,
    grow,
    highlight,
    prompt_image,
    separate_objects,
)
from napari_clipseg.model.config import IMAGENET_MEAN

RGB = np.random.default_rng(0).random((60, 80, 3)).astype(np.float32)
MASK = np.zeros((60, 80), bool)
MASK[20:40, 30:50] = True
MASK[20:24, 30:34] = False


def test_the_object_keeps_its_pixels_and_the_background_fades_to_the_mean():
    out = highlight(RGB, MASK, side=24)
    assert out.shape == (24, 24, 3)
    np.testing.assert_allclose(out[10:20, 10:20], RGB[28:38, 38:48], atol=1e-6)
    assert np.abs(out[:2] - np.float32(IMAGENET_MEAN)).max() < 0.07


def test_a_long_object_is_padded_to_a_square_with_the_mean_colour():
    mask = np.zeros((60, 80), bool)
    mask[30:32, 20:60] = True
    out = highlight(RGB, mask, side=48)
    np.testing.assert_allclose(out[:20], np.broadcast_to(np.float32(IMAGENET_MEAN), (20, 48, 3)))
    assert out[23:25, 4:44].std() > 0.1


@pytest.mark.parametrize("corner", [(0, 0), (59, 79)])
def test_one_pixel_in_a_corner_is_enough(corner):
    mask = np.zeros((60, 80), bool)
    mask[corner] = True
    out = highlight(RGB, mask, side=32)
    np.testing.assert_allclose(out, np.broadcast_to(RGB[corner], out.shape), atol=1e-6)


def test_reading_only_around_the_mask_gives_the_same_picture():
    image = (RGB * 255).astype(np.uint8)
    expected = highlight(image.astype(np.float32) / 255, MASK, side=32)
    np.testing.assert_allclose(prompt_image(Pixels(image), MASK, side=32), expected, atol=1e-5)


def test_boxes_grow_by_a_share_of_their_extent_and_stop_at_the_border():
    assert bounding_box(MASK) == (20, 30, 40, 50)
    assert grow((20, 30, 40, 50), 0.1, MASK.shape) == (18, 28, 42, 52)
    assert grow((0, 0, 60, 80), 0.5, MASK.shape) == (0, 0, 60, 80)


def test_objects_are_separated_largest_first_and_specks_are_left_out():
    mask = np.zeros((60, 80), bool)
    mask[2:8, 2:8] = mask[30:50, 30:50] = mask[10, 70] = True
    largest, smaller = separate_objects(mask)
    assert bounding_box(largest) == (30, 30, 50, 50)
    assert bounding_box(smaller) == (2, 2, 8, 8)


def test_no_more_objects_than_needed_are_looked_at():
    mask = np.zeros((60, 80), bool)
    mask[::4, ::4] = True
    assert len(separate_objects(mask)) == MOST_OBJECTS
