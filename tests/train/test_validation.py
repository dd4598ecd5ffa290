import dataclasses

import numpy as np
import pytest

from napari_clipseg.train.dataset import UNLABELLED, Concept, Scene
from napari_clipseg.train.validation import spread, telling_square, validate

PIXELS = np.random.default_rng(0).integers(0, 255, (8, 10, 3)).astype(np.uint8)


def scene():
    bits = np.zeros((8, 10), np.uint8)
    bits[:, :4] = 1
    concepts = (Concept("water", ("water", "lake"), 1), Concept("road", ("road",), 0))
    return Scene(np.zeros((8, 10, 3), np.uint8), bits, concepts, "outdoor")


def left(columns):
    """A model that finds the left columns for water, one pixel of each 80 for anything else."""

    def predict(scene, phrases):
        found = np.zeros((len(phrases), *scene.bits.shape), np.float32)
        for index, phrase in enumerate(phrases):
            if phrase == "water":
                found[index, :, :columns] = 0.9
            else:
                found[index, 0, 0] = 0.9
        return found

    return predict


def test_iou_is_summed_over_pictures():
    result = validate(left(2), {"lakes": [scene(), scene()]}, {}, 0.5)
    (score,) = result.scores
    assert (score.source, score.concept, score.images) == ("lakes", "water", 2)
    assert score.iou == pytest.approx(0.5)
    assert result.mean_iou == pytest.approx(0.5)


def test_unlabelled_pixels_are_no_mistakes():
    partly = scene()
    partly.bits[:, 4:] = UNLABELLED
    assert validate(left(10), {"lakes": [partly]}, {}, 0.5).mean_iou == 1


def test_the_area_found_for_absent_words_is_measured():
    absent = {"outdoor": ["giraffe", "piano"], "micro": ["car"]}
    result = validate(left(4), {"lakes": [scene()]}, absent, 0.5)
    assert result.absent_area == pytest.approx(1 / 80)


def test_where_no_absent_word_was_asked_there_is_no_area():
    result = validate(left(4), {"lakes": [scene()]}, {"micro": ["car"]}, 0.5)
    assert np.isnan(result.absent_area)
    assert result.table().endswith("words of absent things: not asked.")


def test_an_area_of_nothing_is_not_the_same_as_none_asked():
    def nothing(scene, phrases):
        return np.zeros((len(phrases), *scene.bits.shape), np.float32)

    result = validate(nothing, {"lakes": [scene()]}, {"outdoor": ["car"]}, 0.5)
    assert result.table().endswith("words of absent things: 0.00%.")


def test_items_are_spread_evenly_over_a_list():
    assert spread(tuple(range(10)), 3) == (0, 3, 6)
    assert spread(range(23), 12) == (0, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21)
    assert spread((1, 2), 5) == (1, 2)
    assert spread((1, 2), None) == (1, 2)


def test_pictures_of_which_nothing_is_known_are_passed_over():
    empty = Scene(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8), (), "outdoor")
    result = validate(left(4), {"lakes": [empty, scene()]}, {}, 0.5)
    assert [score.images for score in result.scores] == [1]


def test_the_threshold_is_strict():
    assert validate(left(4), {"lakes": [scene()]}, {}, 0.9).mean_iou == 0


def test_the_table_has_a_row_for_each_concept():
    table = validate(left(4), {"lakes": [scene()]}, {}, 0.5).table()
    assert "| lakes | water | 1 | 1.00 |" in table


def test_a_square_lies_around_what_is_masked():
    bits = np.zeros((40, 50), np.uint8)
    bits[30:34, 5:9] = 2
    shown = dataclasses.replace(
        scene(),
        image=np.arange(40 * 50 * 3, dtype=np.uint8).reshape(40, 50, 3),
        bits=bits,
        concepts=(Concept("pond", ("pond",), 2), Concept("road", ("road",), 0)),
    )
    square = telling_square(shown, 10)
    assert square.bits.shape == (10, 10) and (square.bits == 2).sum() == 16
    rows, columns = np.nonzero(square.bits)
    assert (rows.min(), columns.min()) == (4, 4)
    np.testing.assert_array_equal(square.image, shown.image[26:36, 1:11])


def test_a_square_without_masks_is_the_middle_and_a_small_picture_is_whole():
    empty = dataclasses.replace(scene(), bits=np.zeros((8, 10), np.uint8), image=PIXELS)
    np.testing.assert_array_equal(telling_square(empty, 6).image, PIXELS[1:7, 2:8])
    assert telling_square(scene(), 100).bits.shape == (8, 10)


def test_without_pictures_there_is_no_mean():
    assert np.isnan(validate(left(4), {}, {}, 0.5).mean_iou)
