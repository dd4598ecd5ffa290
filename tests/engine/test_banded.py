import numpy as np
import pytest

from napari_clipseg.engine.banded import label_bands
from napari_clipseg.engine.labels import LabelSettings, label
from napari_clipseg.errors import ImageError


def banded(probability: np.ndarray, rows: int, **settings) -> np.ndarray:
    out = np.full(probability.shape, -1, np.int32)
    found = label_bands(probability, out, LabelSettings(**settings), rows=rows)
    assert found.objects == out.max()
    assert found.area_px == np.count_nonzero(out)
    assert found.peak <= np.nanmax(probability)
    assert settings.get("smoothing") or found.peak == probability.max()
    return out


def assert_as_in_memory(probability: np.ndarray, rows: int, **settings) -> None:
    expected = label(probability, **settings)
    np.testing.assert_array_equal(banded(probability, rows, **settings), expected)


@pytest.mark.parametrize("fill_holes", [0, 1, 3, True])
@pytest.mark.parametrize("min_size", [0, 2, 6])
@pytest.mark.parametrize("seed", range(6))
def test_random_images_in_bands_of_any_height_are_labelled_as_in_memory(seed, min_size, fill_holes):
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 25, 2)
    probability = rng.random(shape).astype(np.float32)
    threshold = float(rng.choice([0.3, 0.45, 0.6]))
    for rows in range(1, shape[0] + 2):
        assert_as_in_memory(
            probability, rows, threshold=threshold, min_size=min_size, fill_holes=fill_holes
        )


SPIRAL = np.array(
    [
        [1, 1, 1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1, 0, 1],
        [1, 0, 0, 0, 1, 0, 1],
        [1, 0, 1, 0, 1, 0, 1],
        [1, 0, 1, 1, 1, 0, 1],
        [1, 0, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1, 1, 1],
    ],
    np.float32,
)


@pytest.mark.parametrize("turned", range(4))
@pytest.mark.parametrize("rows", range(1, 9))
def test_objects_that_cross_many_borders_are_one(rows, turned):
    spiral = np.rot90(SPIRAL, turned)
    assert banded(spiral, rows).max() == 1
    assert_as_in_memory(spiral, rows)
    assert_as_in_memory(1 - spiral, rows, fill_holes=True)


def test_a_hole_that_crosses_a_border_counts_as_one():
    ring = np.ones((6, 6))
    ring[2:4, 2:4] = 0
    for rows in range(1, 7):
        assert banded(ring, rows, fill_holes=3)[2, 2] == 0
        assert banded(ring, rows, fill_holes=4)[2, 2] == 1


@pytest.mark.parametrize("probability", [np.zeros((4, 5)), np.ones((4, 5)), np.ones((1, 1))])
def test_empty_and_full_images_work(probability):
    assert_as_in_memory(probability, 3, fill_holes=True)


def test_each_band_is_written_once_from_top_to_bottom():
    keys = []

    class Written:
        def __setitem__(self, key, values):
            assert values.dtype == np.int32
            keys.append((key.start, key.stop))

    label_bands(SPIRAL, Written(), LabelSettings(), rows=3)
    assert keys == [(0, 3), (3, 6), (6, 8)]


@pytest.mark.parametrize("rows", [1, 4, 30])
@pytest.mark.parametrize("smoothing", [0.4, 2.0])
def test_bands_are_smoothed_as_the_whole(rows, smoothing):
    probability = np.random.default_rng(1).random((33, 21)).astype(np.float32)
    probability[4:6, 3] = np.nan
    assert_as_in_memory(probability, rows, smoothing=smoothing, threshold=0.5)


def test_a_probability_without_any_number_is_refused():
    with pytest.raises(ImageError, match="NaN"):
        banded(np.full((9, 4), np.nan), 2)
