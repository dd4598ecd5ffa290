import numpy as np
import pytest

from napari_clipseg.evaluate.classical import CHANNELS, POLARITIES, ClassicalTally, thresholded

MASK = np.zeros((20, 24), bool)
MASK[5:15, 4:12] = True
ALL = np.ones_like(MASK)


def picture(channel: int, inside: float, outside: float) -> np.ndarray:
    rgb = np.full((*MASK.shape, 3), 0.5, np.float32)
    rgb[..., channel] = np.where(MASK, inside, outside)
    return rgb


@pytest.mark.parametrize(("channel", "inside", "polarity"), [(0, 0.9, "bright"), (2, 0.1, "dark")])
def test_the_channel_and_polarity_that_show_the_object_are_found(channel, inside, polarity):
    tally = ClassicalTally()
    tally.add(thresholded(picture(channel, inside, 0.5)), MASK, ALL)
    best = tally.best()
    assert best.polarity == polarity
    assert best.iou == MASK.sum() / (1 + MASK.sum())


def test_one_choice_is_made_for_all_pictures():
    tally = ClassicalTally()
    for inside in (0.9, 0.1):
        grey = np.repeat(picture(1, inside, 0.5)[..., 1:2], 3, 2)
        tally.add(thresholded(grey), MASK, ALL)
    assert tally.best().iou < 0.6


def test_pixels_that_are_not_known_do_not_count():
    tally = ClassicalTally()
    tally.add(thresholded(picture(0, 0.9, 0.5)), ~MASK, MASK)
    best = tally.best()
    assert best.iou == 0


def test_every_channel_and_polarity_is_tried():
    found = thresholded(np.random.default_rng(0).random((6, 7, 3)).astype(np.float32))
    assert found.shape == (len(CHANNELS), len(POLARITIES), 6, 7)
    np.testing.assert_array_equal(found[:, 0], ~found[:, 1])


def test_a_channel_of_one_value_finds_nothing():
    grey = np.repeat(np.random.default_rng(0).random((4, 5, 1)).astype(np.float32), 3, 2)
    found = thresholded(grey)
    assert found[0].any()
    assert not found[CHANNELS.index("saturation")].any()
    assert not thresholded(np.full((4, 5, 3), 0.5, np.float32))[1:].any()
