import dask.array as da
import numpy as np
import pytest
import zarr

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.errors import ImageError, SettingError

RAMP = np.linspace(0, 1000, 40 * 50).reshape(40, 50)


def whole(pixels: Pixels) -> np.ndarray:
    return pixels.read((0, 0, *pixels.shape))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64])
def test_grey_of_any_type_becomes_rgb_between_0_and_1(kind):
    rgb = whole(Pixels((RAMP / 8).astype(kind)))
    assert rgb.dtype == np.float32
    assert rgb.shape == (40, 50, 3)
    assert rgb.min() == 0
    assert rgb.max() == 1
    assert (rgb[..., 0] == rgb[..., 2]).all()


def test_the_window_is_that_of_the_whole_image_not_of_the_box():
    pixels = Pixels(RAMP)
    y0, x0, y1, x1 = box = (5, 7, 20, 33)
    np.testing.assert_array_equal(pixels.read(box), whole(pixels)[y0:y1, x0:x1])


def test_rgb_of_8_bits_is_taken_as_it_is():
    image = np.random.default_rng(0).integers(50, 90, (6, 7, 3)).astype(np.uint8)
    np.testing.assert_allclose(whole(Pixels(image)), image / 255, atol=1e-6)


def test_alpha_above_0_changes_nothing():
    image = np.random.default_rng(0).integers(1, 255, (6, 7, 4)).astype(np.uint8)
    np.testing.assert_array_equal(whole(Pixels(image)), whole(Pixels(image[..., :3])))


def test_a_given_window_clips():
    rgb = whole(Pixels(np.array([[0.0, 10.0, 15.0, 20.0, 99.0]]), contrast=(10, 20)))
    np.testing.assert_allclose(rgb[0, :, 0], [0, 0, 0.5, 1, 1])


def test_channels_choose_grey_or_colour():
    image = np.random.default_rng(0).random((6, 7, 5))
    assert Pixels(image, channels=(3,)).contrast[1] <= image[..., 3].max()
    rgb = whole(Pixels(image, channels=(4, 0, 1), contrast=(0, 1)))
    np.testing.assert_allclose(rgb, image[..., [4, 0, 1]], rtol=1e-6)


def test_a_constant_image_has_a_window():
    assert whole(Pixels(np.full((3, 4), 7))).max() == 0


@pytest.mark.parametrize(
    ("kind", "value"),
    [(np.float64, 5e-324), (np.float64, 1e-310), (np.float64, 1e308), (np.float32, 1e-40)],
)
def test_the_smallest_and_largest_numbers_are_read(kind, value):
    image = np.eye(20, dtype=kind) * kind(value)
    np.testing.assert_array_equal(whole(Pixels(image))[..., 0], np.eye(20))


def test_large_offsets_keep_their_small_differences():
    image = 1e9 + np.arange(100.0).reshape(10, 10)
    assert len(np.unique(whole(Pixels(image))[..., 0])) > 95


def test_the_contrast_of_a_large_image_is_sampled():
    class Counting:
        shape, dtype, ndim, read = (20000, 20000), np.dtype(np.uint16), 2, 0

        def __getitem__(self, key):
            height, width = (s.stop - s.start for s in key)
            Counting.read += height * width
            return np.arange(height * width).reshape(height, width).astype(np.uint16)

    Pixels(Counting())
    assert 0 < Counting.read <= 1024**2


@pytest.mark.parametrize("wrap", [da.from_array, zarr.array], ids=["dask", "zarr"])
def test_lazy_arrays_read_as_numpy_does(wrap):
    image = RAMP.astype(np.uint16)
    np.testing.assert_array_equal(whole(Pixels(wrap(image))), whole(Pixels(image)))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((0, 5)), "no pixels"),
        (np.zeros((5, 5), complex), "complex"),
        (np.array([["a"]]), "real numbers"),
        (np.zeros((2, 3, 4, 5)), "one plane"),
        (np.zeros(5), "one plane"),
        (np.zeros((3, 64, 80)), "channels"),
        (np.zeros((5, 6, 2)), "channels"),
        (np.array([[1.0, np.nan]]), "NaN"),
        (np.array([[1.0, np.inf]]), "infinite"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(image, words):
    with pytest.raises(ImageError, match=words):
        Pixels(image)


def test_nan_in_a_lazy_image_is_found_when_it_is_read():
    image = da.full((4, 4), np.nan)
    with pytest.raises(ImageError, match="NaN"):
        Pixels(image, contrast=(0, 1)).read((0, 0, 4, 4))


@pytest.mark.parametrize("channels", [(0, 1), (7,), ()])
def test_impossible_channels_are_refused(channels):
    with pytest.raises(ImageError, match="choose"):
        Pixels(np.zeros((5, 6, 5)), channels=channels)


@pytest.mark.parametrize("contrast", [(1, 1), (2, 1), (0, np.inf), "best"])
def test_an_impossible_window_is_refused(contrast):
    with pytest.raises(SettingError, match="contrast"):
        Pixels(np.zeros((5, 6)), contrast=contrast)
