import numpy as np
import pytest

from napari_clipseg.train.augment import Cutter
from napari_clipseg.train.config import AugmentConfig
from napari_clipseg.train.dataset import UNLABELLED, Concept, Scene

WHITE = Concept("white", ("white",), 1)


def checkered(height=60, width=90, realm="micro", **options):
    """A picture whose mask can be read off its pixels: bright is masked."""
    rows, columns = np.mgrid[:height, :width] // 15
    mask = (rows + columns) % 2 == 1
    image = np.repeat(np.where(mask, 220, 20)[..., None], 3, 2).astype(np.uint8)
    return Scene(image, mask.astype(np.uint8), (WHITE,), realm, (20.0, 220.0), **options)


def cut(generator, scene, concept, side, **settings):
    return Cutter(AugmentConfig(**settings), side).cut(generator, scene, concept)


def rng(seed):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(40))
def test_masks_stay_on_what_they_mask(seed):
    square = cut(rng(seed), checkered(), WHITE, 32)
    grey = square.image.mean(-1)
    mask = square.mask(WHITE)
    wrong = (mask & (grey < 0.4)) | (~mask & (grey > 0.6))
    assert wrong.mean() < 0.12


@pytest.mark.parametrize("shape", [(60, 90), (20, 200), (33, 33)])
def test_squares_have_the_side_asked_for_and_values_in_range(shape):
    square = cut(rng(0), checkered(*shape), WHITE, 32)
    assert square.image.shape == (32, 32, 3) and square.image.dtype == np.float32
    assert square.bits.shape == (32, 32)
    assert square.image.min() >= 0 and square.image.max() <= 1


def test_the_same_generator_cuts_the_same_square():
    first, second = (cut(rng(6), checkered(), WHITE, 32) for _ in range(2))
    assert (first.image == second.image).all() and (first.bits == second.bits).all()


def test_most_squares_show_a_small_object_of_a_large_picture():
    bits = np.zeros((400, 400), np.uint8)
    bits[300:306, 50:56] = 1
    scene = Scene(np.zeros((400, 400, 3), np.uint8), bits, (WHITE,), "micro", (0.0, 1.0))
    shown = [cut(rng(seed), scene, WHITE, 32).mask(WHITE).any() for seed in range(100)]
    assert np.mean(shown) > 0.6


def test_upright_pictures_are_mirrored_but_not_turned():
    rows = np.repeat(np.arange(64, dtype=np.uint8)[:, None], 64, 1)
    scene = Scene(np.repeat(rows[..., None] * 3, 3, 2), rows, (WHITE,), "plain", upright=True)
    for seed in range(20):
        bits = cut(rng(seed), scene, WHITE, 32).bits
        assert (bits == bits[:, :1]).all()
        assert (np.diff(bits[:, 0].astype(int)) >= 0).all()


def test_only_invertible_pictures_are_inverted():
    def brighter(scene, seed):
        square = cut(rng(seed), scene, WHITE, 32)
        mask = square.mask(WHITE)
        return square.image[mask].mean() > square.image[~mask].mean()

    usual = [brighter(checkered(), seed) for seed in range(100)]
    turned = [brighter(checkered(invertible=True), seed) for seed in range(100)]
    assert all(usual)
    assert 0 < 100 - sum(turned) < 30


def test_unlabelled_pixels_are_not_valid():
    scene = checkered()
    scene.bits[:, :45] = UNLABELLED
    square = cut(rng(1), scene, WHITE, 32)
    assert (square.valid == ((square.bits & UNLABELLED) == 0)).all()
    assert not square.mask(WHITE)[~square.valid].any()


UNCHANGED = dict.fromkeys(
    ("mirrored", "full_range", "moved", "gamma", "tinted", "grey", "inverted", "blurred", "noisy"),
    0.0,
)


def test_all_changes_can_be_turned_off():
    scene = checkered(60, 60, invertible=True)
    low, high = scene.window
    for seed in range(20):
        square = cut(rng(seed), scene, WHITE, 60, crop="largest", turned=False, **UNCHANGED)
        np.testing.assert_allclose(square.image, (scene.image - low) / (high - low), atol=1e-6)
        np.testing.assert_array_equal(square.bits, scene.bits)


def test_the_largest_square_lies_where_enough_is_masked():
    bits = np.zeros((40, 400), np.uint8)
    bits[:, 100:140] = 1
    scene = Scene(np.zeros((40, 400, 3), np.uint8), bits, (WHITE,), "photo")
    shares = [
        cut(rng(seed), scene, WHITE, 40, crop="largest").mask(WHITE).mean() for seed in range(60)
    ]
    assert np.mean(np.array(shares) > 0.05) > 0.95
    assert np.ptp(shares) > 0.5
    absent = Concept("none", ("none",), 0)
    empty = [cut(rng(seed), scene, absent, 40, crop="largest").bits.any() for seed in range(60)]
    assert np.mean(empty) < 0.5


def test_of_too_small_objects_the_place_that_shows_most_is_taken():
    bits = np.zeros((40, 120), np.uint8)
    bits[10:12, 60:66] = 1
    scene = Scene(np.zeros((40, 120, 3), np.uint8), bits, (WHITE,), "photo")
    whole = [cut(rng(seed), scene, WHITE, 40, crop="largest").bits.sum() for seed in range(20)]
    assert np.mean(np.array(whole) == 12) > 0.9
