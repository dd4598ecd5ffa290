import json

import numpy as np
import pytest

from napari_clipseg.engine.region import Region
from napari_clipseg.errors import SettingError


def test_a_mask_becomes_its_smallest_box():
    mask = np.zeros((20, 30), bool)
    mask[4, 7] = mask[9, 12] = True
    region = Region.of_mask(mask)
    assert region.box == (4, 7, 10, 13)
    assert region.shape == (6, 6)
    assert region.area_px == 2


def test_a_full_box_needs_no_mask():
    mask = np.zeros((20, 30), np.uint8)
    mask[4:9, 7:12] = 3
    region = Region.of_mask(mask)
    assert region.mask is None
    assert region.area_px == 25


@pytest.mark.parametrize("mask", [np.zeros((4, 4)), np.zeros((0, 5))])
def test_an_empty_mask_is_refused(mask):
    with pytest.raises(SettingError, match="empty"):
        Region.of_mask(mask)


def test_a_mask_of_a_stack_is_refused():
    with pytest.raises(SettingError, match="shape"):
        Region.of_mask(np.ones((3, 4, 4)))


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (3, 0, 2, 5), (-1, 0, 4, 5), (0, 5, 4, 5)])
def test_an_empty_box_is_refused(box):
    with pytest.raises(SettingError, match="no pixels"):
        Region(box)


def test_a_mask_of_another_shape_or_without_pixels_is_refused():
    with pytest.raises(SettingError, match="shape"):
        Region((0, 0, 4, 4), np.ones((4, 5), bool))
    with pytest.raises(SettingError, match="empty"):
        Region((0, 0, 4, 4), np.zeros((4, 4), bool))


def test_what_reaches_beyond_the_image_is_named():
    Region((0, 0, 4, 5)).check_inside((4, 5))
    with pytest.raises(SettingError, match="4 x 4"):
        Region((0, 0, 4, 5)).check_inside((4, 4))


def test_a_box_touches_if_it_holds_a_pixel():
    mask = np.zeros((10, 10), bool)
    mask[0, 0] = mask[9, 9] = True
    region = Region((5, 5, 15, 15), mask)
    assert region.touches((0, 0, 6, 6))
    assert not region.touches((6, 6, 14, 14))
    assert region.touches((14, 14, 20, 20))
    assert not region.touches((0, 0, 5, 20))
    assert Region((5, 5, 15, 15)).touches((6, 6, 14, 14))


@pytest.mark.parametrize("seed", range(5))
def test_a_region_survives_json(seed):
    mask = np.random.default_rng(seed).random((7, 9)) > 0.5
    region = Region((2, 3, 9, 12), mask)
    again = Region.from_json(json.loads(json.dumps(region.to_json())))
    assert again.box == region.box
    assert (again.mask == mask).all()
    whole = Region.from_json(json.loads(json.dumps(Region.whole((4, 5)).to_json())))
    assert (whole.box, whole.mask) == ((0, 0, 4, 5), None)
