import numpy as np
import pytest

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.outlines import corners_of, polygon_mask, rle_mask

SHAPE = (24, 32)

# outline and the run lengths that pycocotools 2.0 makes of it in a picture of that shape
OUTLINES = {
    "a triangle": (
        [3.2, 2.7, 28.4, 9.1, 11.9, 21.6],
        "S32f03N1N2N2N2O1N2N1OO2O0O1O1O2O0O1O1O2O0O1O1O2O0Oh2",
    ),
    "one that crosses itself": (
        [4, 3, 27.5, 20.25, 27.5, 3, 4, 20.25, 15.1, 1.3],
        "c317070J130M111O0O021K061G0:70GH19MJ16NM0>000O2O0O2N2N2O0O2N2N2O0O2l2",
    ),
    "one beyond all edges": (
        [-6.3, 10.2, 15.8, -9.7, 40.1, 12.4, 16.6, 33.9],
        "4=:2N2N2N2O1O1OY>0gA1N2N2N1OM",
    ),
    "a slender one": ([2.3, 2.3, 30.1, 3.4, 2.3, 3.0], "b11g0000Vd0"),
    "one followed backwards": (
        [16, 2.5, 6.5, 12, 16, 21.5, 25.5, 12],
        "c52e02N2N2N2N2N2N2N2O01N2N2N2N2N2N2N2Nn4",
    ),
}


def packed(runs):
    """COCO's string of run lengths, written from its description: five bits a character."""
    text = ""
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        while True:
            code, value = value & 0x1F, value >> 5
            more = value != (-1 if code & 0x10 else 0)
            text += chr(48 + (code | 0x20 if more else code))
            if not more:
                break
    return text


def runs_of(mask):
    flat = np.concatenate([[0], mask.T.ravel().astype(int), [0]])
    edges = np.flatnonzero(np.diff(flat))
    return np.diff([0, *edges, mask.size]).tolist()


def test_run_lengths_plain_and_packed_give_the_mask():
    mask = np.random.default_rng(0).random((37, 53)) < 0.3
    mask[:, 20:45] = True
    mask[0, 0] = False
    runs = runs_of(mask)
    for counts in (runs, packed(runs)):
        rle = {"size": [37, 53], "counts": counts}
        np.testing.assert_array_equal(rle_mask(rle, (37, 53)), mask)


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"size": [12, 64], "counts": [0, 768]}, r"\[12, 64\], the picture's \[24, 32\]"),
        ({"counts": [0, 768]}, "its size is None"),
        ({"size": [24, 32], "counts": [5, 5]}, "10 pixels, the picture 768"),
        ({"size": [24, 32], "counts": [-5, 773]}, "whole numbers"),
        ({"size": [24, 32], "counts": [0.5, 767.5]}, "whole numbers"),
        ({"size": [24, 32]}, "whole numbers"),
        ({"size": [24, 32], "counts": "z"}, "'z'"),
        ({"size": [24, 32], "counts": packed([700])}, "700 pixels"),
    ],
)
def test_run_lengths_that_do_not_fill_the_picture_are_refused(rle, message):
    with pytest.raises(ConfigError, match=message):
        rle_mask(rle, SHAPE)


@pytest.mark.parametrize("name", OUTLINES)
def test_an_outline_gives_the_very_pixels_of_cocos_tools(name):
    outline, counts = OUTLINES[name]
    expected = rle_mask({"size": list(SHAPE), "counts": counts}, SHAPE)
    np.testing.assert_array_equal(polygon_mask([outline], SHAPE), expected)


@pytest.mark.parametrize(("low", "high", "pixels"), [(2, 6, 16), (3, 23, 400)])
def test_a_square_has_the_pixels_between_its_corners(low, high, pixels):
    mask = polygon_mask([[low, low, high, low, high, high, low, high]], SHAPE)
    assert mask[low:high, low:high].all()
    assert mask.sum() == pixels


def test_outlines_are_joined_and_may_be_given_in_pairs():
    pairs = [[2, 1], [6, 1], [6, 4], [2, 4]]
    both = polygon_mask([pairs, [4, 2, 9, 2, 9, 5, 4, 5], [0, 0, 1, 1]], SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[1:4, 2:6] = expected[2:5, 4:9] = True
    np.testing.assert_array_equal(both, expected)


def test_an_outline_outside_of_the_picture_has_no_pixel_in_it():
    assert not polygon_mask([[-9, -9, -2, -9, -2, -2], [33, 2, 40, 2, 40, 9]], SHAPE).any()


def test_outlines_of_fewer_than_three_corners_show_nothing():
    assert not polygon_mask([[1, 1, 2, 2], [4, 4]], SHAPE).any()


def test_where_only_boxes_were_drawn_there_is_no_mask():
    with pytest.raises(ConfigError, match="no outline"):
        polygon_mask([], SHAPE)


@pytest.mark.parametrize("outline", [[1, 2, 3], 5, "square", {"x": 1}, None, [[1, 2], [3]]])
def test_what_is_no_outline_is_refused(outline):
    with pytest.raises(ConfigError, match="x and y in turns"):
        corners_of(outline, SHAPE)


@pytest.mark.parametrize("far", [float("nan"), float("inf"), -33, 65])
def test_a_corner_far_outside_of_the_picture_is_refused(far):
    with pytest.raises(ConfigError, match="far outside of a picture of 24 x 32"):
        corners_of([1, 1, 2, 1, 2, far], SHAPE)
