import numpy as np
import pytest

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.errors import ImageError

LEFT_OUT = np.zeros((75, 110), bool)
LEFT_OUT[:40] = True
LEFT_OUT[50:60, 70:] = True


@pytest.fixture
def holey(image):
    """An image (H, W) float32 and the same with NaN where there is no data."""
    whole = image.astype(np.float32)
    return whole, np.where(LEFT_OUT, np.nan, whole).astype(np.float32)


def whole(pixels: Pixels) -> np.ndarray:
    return pixels.read((0, 0, *pixels.shape))


@pytest.mark.parametrize("nodata", [np.nan, -9999, 0])
def test_nodata_is_black_and_has_no_part_in_the_contrast(holey, nodata):
    image, _ = holey
    pixels = Pixels(np.where(LEFT_OUT, nodata, image + 1), nodata=nodata)
    assert pixels.contrast == Pixels((image + 1)[~LEFT_OUT][None]).contrast
    assert (whole(pixels)[LEFT_OUT] == 0).all()
    assert (pixels.valid((0, 0, 75, 110)) == ~LEFT_OUT).all()


def test_a_pixel_is_left_out_only_if_all_its_channels_are_nodata():
    image = np.array([[[0, 0, 0], [0, 9, 0], [1, 2, 3]]], np.uint8)
    assert Pixels(image, nodata=0).valid((0, 0, 1, 3)).tolist() == [[False, True, True]]


def test_a_nodata_value_that_the_type_cannot_hold_leaves_nothing_out():
    assert Pixels(np.zeros((2, 2), np.uint8), nodata=-9999).valid((0, 0, 2, 2)).all()


def test_pixels_without_alpha_are_left_out():
    image = np.full((4, 5, 4), 200, np.uint8)
    image[1:3, 1:3, 3] = 0
    pixels = Pixels(image)
    assert (pixels.valid((0, 0, 4, 5)) == (image[..., 3] > 0)).all()
    assert (whole(pixels)[1:3, 1:3] == 0).all()
    assert Pixels(image, channels=(0, 1, 2)).valid((0, 0, 4, 5)).all()


def test_nan_that_is_not_nodata_stays_an_error(holey):
    with pytest.raises(ImageError, match=r"give NaN as the nodata value"):
        Pixels(holey[1])
    with pytest.raises(ImageError, match="infinite"):
        Pixels(np.array([[np.inf, np.nan, 1.0]]), nodata=np.nan)


@pytest.mark.parametrize("zoom", [1.0, (0.5, 1.0)])
def test_left_out_pixels_get_probability_0_and_tiles_without_data_are_not_computed(
    tiny_model, holey, monkeypatch, zoom
):
    segmenter = Segmenter(tiny_model, device="cpu", zoom=zoom)
    encoded = []
    encode = segmenter._network.encode
    monkeypatch.setattr(
        segmenter._network, "encode", lambda rgb: encoded.append(len(rgb)) or encode(rgb)
    )
    out = np.full((75, 110), -1, np.float32)
    *_, last = segmenter.stream(holey[1], "nuclei", out, nodata=np.nan)
    assert (out[LEFT_OUT] == 0).all()
    assert (out[~LEFT_OUT] > 0).all()
    assert sum(encoded) == last.total < segmenter.encode(holey[0]).tiles


def test_data_far_from_what_is_left_out_are_found_as_without_it(segmenter, holey):
    image, with_holes = holey
    expected = segmenter.probability(image, "nuclei", contrast=(0, 4000))
    found = segmenter.probability(with_holes, "nuclei", contrast=(0, 4000), nodata=np.nan)
    np.testing.assert_allclose(found[74:, :20], expected[74:, :20], atol=1e-6)


def test_rows_are_reported_without_gaps(segmenter, holey):
    end, out = 0, np.full((75, 110), -1, np.float32)
    for done in segmenter.stream(holey[1], "nuclei", out, nodata=np.nan):
        assert done.rows[0] == end
        end = done.rows[1]
        assert (out[:end] >= 0).all()
    assert end == 75


def test_later_prompts_on_stored_features_know_what_is_left_out(segmenter, holey, tmp_path):
    folder = tmp_path / "features"
    expected = segmenter.probability(holey[1], ["a", "b"], nodata=np.nan)
    kept = segmenter.encode(holey[1], nodata=np.nan, folder=folder)
    opened = segmenter.open_features(folder)
    again = segmenter.encode(holey[1], nodata=np.nan, folder=folder)
    for features in (kept, opened, again, segmenter.encode(holey[1], nodata=np.nan)):
        np.testing.assert_allclose(features.probability(["a", "b"]), expected, atol=1e-6)
        assert (features.probability("a")[LEFT_OUT] == 0).all()


def test_an_image_without_any_data_is_0_everywhere(segmenter):
    image, out = np.full((75, 110), 7, np.uint8), np.full((75, 110), -1, np.float32)
    assert not list(segmenter.stream(image, "nuclei", out, nodata=7))
    assert (out == 0).all()
    assert (segmenter.encode(image, nodata=7).probability("nuclei") == 0).all()
