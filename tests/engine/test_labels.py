import numpy as np
import pytest

from napari_clipseg.engine.labels import label
from napari_clipseg.errors import SettingError

PICTURE = np.array(
    [
        [9, 9, 9, 0, 0, 0],
        [9, 0, 9, 0, 9, 0],
        [9, 9, 9, 0, 0, 0],
        [0, 0, 0, 0, 0, 9],
        [0, 0, 0, 0, 9, 0],
    ],
    np.float32,
) / np.float32(10)


def test_objects_are_numbered_and_touch_diagonally():
    objects = label(PICTURE, 0.5)
    assert objects.dtype == np.int32
    assert objects.max() == 3
    assert objects[3, 5] == objects[4, 4] != 0
    assert objects[1, 1] == 0


def test_a_pixel_at_the_threshold_is_background():
    assert label(np.array([[0.4, 0.5]]), 0.4).tolist() == [[0, 1]]


def test_small_objects_go_and_the_rest_is_numbered_without_gaps():
    objects = label(PICTURE, 0.5, min_size=2)
    assert sorted(np.unique(objects)) == [0, 1, 2]
    assert objects[1, 4] == 0


@pytest.mark.parametrize(("fill", "filled"), [(True, 1), (1, 1), (False, 0)])
def test_holes_are_filled_when_asked(fill, filled):
    assert (label(PICTURE, 0.5, fill_holes=fill)[1, 1] > 0) == filled


def test_a_hole_larger_than_asked_stays_open():
    ring = np.ones((6, 6))
    ring[2:4, 2:4] = 0
    assert label(ring, 0.5, fill_holes=3)[2, 2] == 0
    assert label(ring, 0.5, fill_holes=4)[2, 2] == 1


def test_stacks_are_connected_through_planes():
    assert label(np.stack([PICTURE] * 3), 0.5).max() == 3


@pytest.mark.parametrize("probability", [np.zeros((4, 4)), np.ones((4, 4)), np.ones((1, 1))])
def test_empty_and_full_images_work(probability):
    assert label(probability, 0.5, min_size=1, fill_holes=True).max() == probability.max()


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_an_impossible_threshold_is_refused(threshold):
    with pytest.raises(SettingError, match="threshold"):
        label(PICTURE, threshold)


def test_negative_sizes_are_refused():
    with pytest.raises(SettingError, match="negative"):
        label(PICTURE, min_size=-1)
