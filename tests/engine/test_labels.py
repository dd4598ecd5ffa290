import numpy as np
import pytest

from napari_clipseg.engine.labels import label
from napari_clipseg.errors import ImageError, SettingError

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


@pytest.mark.parametrize("name", ["min_size", "fill_holes"])
@pytest.mark.parametrize("size", [-1, float("nan"), float("inf")])
def test_sizes_that_are_negative_or_no_numbers_are_refused(name, size):
    with pytest.raises(SettingError, match=f"{name} must be 0 or more pixels"):
        label(PICTURE, **{name: size})


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
@pytest.mark.parametrize("shape", [(), (5,), (0,)])
def test_a_probability_without_rows_and_columns_is_refused(shape, smoothing):
    with pytest.raises(ImageError, match=r"shape \(\.\.\., H, W\)"):
        label(np.zeros(shape), smoothing=smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int64, complex, object])
def test_what_holds_no_probability_between_0_and_1_is_refused(kind, smoothing):
    with pytest.raises(ImageError, match="divide one that was stored as uint8 by 255"):
        label((PICTURE * 255).astype(kind), smoothing=smoothing)
    assert label((PICTURE * 255).astype(np.uint8) / 255, smoothing=smoothing).any()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_mask_is_a_probability_too(smoothing):
    assert (label(PICTURE > 0.5, smoothing=smoothing) == label(PICTURE)).all()


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_half_precision_is_labelled(smoothing):
    assert label(PICTURE.astype(np.float16), smoothing=smoothing).any()


def test_smoothing_removes_specks_and_joins_gaps():
    values = np.zeros((20, 20), np.float32)
    values[5:15, 5:15] = 1
    values[10, 5:15] = 0
    values[1, 1] = 1
    assert label(values).max() == 3
    smooth = label(values, smoothing=1.0)
    assert smooth.max() == 1
    assert smooth[10, 10] == 1
    assert smooth[1, 1] == 0


def test_smoothing_stays_within_planes():
    stack = np.zeros((3, 9, 9))
    stack[1] = 1
    assert not label(stack, smoothing=5.0)[[0, 2]].any()
    assert label(stack, smoothing=5.0)[1].all()


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_pixels_without_a_number_are_background(smoothing):
    values = np.ones((9, 9))
    values[:4] = np.nan
    objects = label(values, smoothing=smoothing)
    assert not objects[:4].any()
    assert objects[6:].all()


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_a_probability_without_any_number_is_refused(smoothing):
    with pytest.raises(ImageError, match="NaN"):
        label(np.full((4, 4), np.nan), smoothing=smoothing)


@pytest.mark.parametrize("smoothing", [-1.0, float("nan"), float("inf")])
def test_impossible_smoothing_is_refused(smoothing):
    with pytest.raises(SettingError, match="smoothing"):
        label(PICTURE, smoothing=smoothing)
