import numpy as np
import pytest

from napari_clipseg.engine.presence import presence, suggest_threshold
from napari_clipseg.errors import ImageError, SettingError


def image(area, peak=0.98, shape=(100, 100), below=0.2):
    values = np.full(shape, below, np.float32)
    values.ravel()[:area] = peak
    return values


def test_what_is_found_says_how_much():
    found = presence("nuclei", image(1200), 0.5)
    assert found.found
    assert (found.area_px, found.share) == (1200, 0.12)
    assert str(found) == "nuclei: found on 12 % of the area (peak 0.98)."


def test_what_is_absent_says_why():
    found = presence("giraffe", image(5, 0.21), 0.5)
    assert not found.found
    assert str(found) == "giraffe: not found (peak 0.21, below the threshold of 0.50)."


def test_a_peak_is_never_rounded_to_the_other_side_of_the_threshold():
    assert "peak 0.4980, below" in str(presence("a", image(5, 0.498), 0.5))
    assert "peak 0.50, not above" in str(presence("a", image(5, 0.5), 0.5))


def test_a_few_scattered_pixels_are_not_an_object():
    assert str(presence("a", image(3), 0.5)) == (
        "a: not found (only 3 pixels above the threshold of 0.50)."
    )
    assert "only 1 pixel above" in str(presence("a", image(1), 0.5))
    assert presence("a", image(16), 0.5).found
    assert not presence("a", image(20, shape=(6000, 6000)), 0.5).found
    assert presence("a", image(1, shape=(3, 3)), 0.5).found


@pytest.mark.parametrize(("area", "said"), [(16, "0.16 %"), (1, "0.44 %"), (9_999, "100 %")])
def test_shares_are_readable(area, said):
    shape = (100, 100) if area > 1 else (15, 15)
    sentence = str(presence("a", image(area, shape=shape), 0.5))
    assert said in sentence or area == 1


def test_a_tiny_share_is_not_said_to_be_zero():
    assert "less than 0.01 %" in str(presence("a", image(50, shape=(1000, 1000)), 0.5))


def test_pixels_without_data_do_not_count():
    values = image(1000)
    values[50:] = np.nan
    found = presence("a", values, 0.5)
    assert found.share == 0.2
    assert found.peak == pytest.approx(0.98)
    for nothing in (np.full((4, 4), np.nan), np.zeros((0, 4))):
        empty = presence("a", nothing, 0.5)
        assert not empty.found
        assert str(empty) == "a: not found (no pixel holds data)."


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_an_impossible_threshold_is_refused(threshold):
    with pytest.raises(SettingError, match="threshold"):
        presence("a", image(3), threshold)


def discs(level, background):
    """Two equal discs, of which only the first is painted."""
    rows, columns = np.ogrid[:80, :160]
    first = (rows - 40) ** 2 + (columns - 40) ** 2 < 15**2
    second = (rows - 40) ** 2 + (columns - 120) ** 2 < 15**2
    rng = np.random.default_rng(0)
    values = np.where(first | second, level, background) + rng.normal(0, 0.02, (80, 160))
    return np.clip(values, 0, 1).astype(np.float32), first


@pytest.mark.parametrize(("level", "background"), [(0.9, 0.1), (0.3, 0.1), (0.95, 0.7)])
def test_the_threshold_separates_what_is_painted_from_its_surroundings(level, background):
    probability, painted = discs(level, background)
    threshold = suggest_threshold(probability, painted)
    assert background + 0.05 < threshold < level - 0.03
    found = probability > threshold
    assert (found[:, :80] == painted[:, :80]).mean() > 0.99


def test_objects_elsewhere_that_are_not_painted_do_not_count():
    probability, painted = discs(0.9, 0.1)
    alone = probability.copy()
    alone[:, 80:] = 0.1
    assert suggest_threshold(probability, painted) == suggest_threshold(alone, painted)


def test_a_perfect_answer_gets_the_middle_and_an_empty_one_the_lowest_threshold():
    _, painted = discs(1, 0)
    assert suggest_threshold(painted.astype(np.float32), painted) == 0.5
    assert suggest_threshold(np.zeros(painted.shape), painted) == 0.05


def test_a_probability_without_any_number_suggests_nothing():
    with pytest.raises(ImageError, match="NaN"):
        suggest_threshold(np.full((4, 4), np.nan), np.eye(4))
    values = np.full((4, 4), np.nan)
    values[0, 0] = 0.8
    assert 0.05 < suggest_threshold(values, np.eye(4)) < 0.8


def test_stored_bytes_suggest_nothing():
    with pytest.raises(ImageError, match="divide"):
        suggest_threshold(np.full((4, 4), 200, np.uint8), np.eye(4))


def test_nothing_painted_or_another_shape_is_refused():
    with pytest.raises(SettingError, match="painted"):
        suggest_threshold(np.zeros((4, 4)), np.zeros((4, 4)))
    with pytest.raises(SettingError, match="same"):
        suggest_threshold(np.zeros((4, 4)), np.ones((4, 5)))
