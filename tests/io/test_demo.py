import numpy as np
import pytest

from napari_clipseg.io.demo import demo_colour_image, demo_colour_truth, demo_image, demo_truth


@pytest.mark.parametrize(
    ("image", "truth", "count"),
    [(demo_image, demo_truth, 58), (demo_colour_image, demo_colour_truth, 61)],
)
def test_truth_fits_its_picture(image, truth, count):
    assert image().dtype == np.uint8
    assert truth().dtype == np.int32
    assert image().shape[:2] == truth().shape
    np.testing.assert_array_equal(np.unique(truth()), np.arange(count + 1))


def test_grey_picture_is_grey_and_the_other_is_in_colour():
    assert demo_image().ndim == 2
    assert demo_colour_image().shape[2:] == (3,)
