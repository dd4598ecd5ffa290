from functools import partial

import numpy as np
import pytest
from PIL import Image

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.errors import ImageError
from napari_clipseg.train.pictures import read_mask, read_masks, read_rgb

MASK = np.zeros((6, 8), bool)
MASK[1:4, 2:6] = True
WHITE_ON_BLACK = [0, 0, 0, 255, 255, 255]
RED_ON_BLACK = [0, 0, 0, 128, 0, 0]


def palette(indices, colours):
    image = Image.fromarray(indices.astype(np.uint8), "L")
    image.putpalette(colours)
    return image


def coloured(colour):
    return Image.fromarray(MASK[..., None] * np.array(colour, np.uint8))


WAYS = {
    "8-bit": Image.fromarray(MASK * np.uint8(255)),
    "one-bit": Image.fromarray(MASK),
    "zero-one": Image.fromarray(MASK * np.uint8(1)),
    "16-bit": Image.fromarray(MASK * np.uint16(65535)),
    "palette": palette(MASK, WHITE_ON_BLACK),
    "dark-palette": palette(MASK, RED_ON_BLACK),
    "turned-palette": palette(~MASK, WHITE_ON_BLACK[::-1]),
    "rgb": coloured((255, 255, 255)),
    "blue": coloured((0, 0, 9)),
    "opaque": Image.fromarray(np.dstack([MASK * np.uint8(255)] * 3 + [np.full((6, 8), 255, "u1")])),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_mask_is_the_same_however_it_is_stored(way, tmp_path):
    WAYS[way].save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png", MASK.shape), MASK)


@pytest.mark.parametrize("value", [0, 255])
def test_a_mask_may_be_empty_or_full(value, tmp_path):
    Image.new("L", (8, 6), value).save(tmp_path / "a.png")
    assert (read_mask(tmp_path / "a.png", MASK.shape) == (value > 0)).all()


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)),
        palette(np.arange(48).reshape(6, 8) % 3, [0, 0, 0, 128, 0, 0, 0, 128, 0]),
        Image.fromarray(np.arange(48, dtype=np.uint16).reshape(6, 8) * 300),
    ],
    ids=["grey", "palette", "16-bit"],
)
def test_a_mask_of_several_values_is_refused(image, tmp_path):
    image.save(tmp_path / "a.png")
    with pytest.raises(
        ImageError, match=r"a\.png: the mask holds more than two values .* 0 outside"
    ):
        read_mask(tmp_path / "a.png", MASK.shape)


def test_a_mask_with_transparent_pixels_is_refused(tmp_path):
    white = np.full((6, 8, 4), 255, np.uint8)
    white[..., 3] = MASK * 255
    Image.fromarray(white).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"a\.png: the mask has transparent pixels"):
        read_mask(tmp_path / "a.png", MASK.shape)


@pytest.fixture
def folder(tmp_path):
    for concept in ("disc", "bar"):
        (tmp_path / "masks" / concept).mkdir(parents=True)
    WAYS["8-bit"].save(tmp_path / "masks" / "disc" / "a.png")
    return tmp_path


def test_only_masks_that_are_there_are_read(folder):
    masks = read_masks(folder, "a.jpg", ["disc", "bar"], (6, 8))
    assert list(masks) == ["disc"]
    np.testing.assert_array_equal(masks["disc"], MASK)


def test_a_mask_of_another_size_is_named_with_both_sizes(folder):
    with pytest.raises(ImageError, match=r"disc/a\.png: the mask has 6 x 8 pixels, .* 12 x 16"):
        read_masks(folder, "a.jpg", ["disc", "bar"], (12, 16))


@pytest.mark.parametrize("read", [read_rgb, partial(read_mask, shape=(60, 80))])
@pytest.mark.parametrize("content", [b"", b"hello"])
def test_files_that_are_no_pictures_are_named(read, content, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.png cannot be read as a picture"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("read", [read_rgb, partial(read_mask, shape=(60, 80))])
def test_files_that_are_cut_short_are_named(read, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 80)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match=r"a\.png cannot be read as a picture: .*truncated"):
        read(tmp_path / "a.png")


def test_grey_colour_and_transparent_pictures_of_8_bits_are_read_as_they_are(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (6, 8, 4)).astype(np.uint8)
    for name, stored in {"grey": values[..., 0], "rgb": values[..., :3], "rgba": values}.items():
        Image.fromarray(stored).save(tmp_path / f"{name}.png")
        expected = stored[..., None].repeat(3, 2) if stored.ndim == 2 else stored[..., :3]
        np.testing.assert_array_equal(read_rgb(tmp_path / f"{name}.png"), expected)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deeper_pictures_are_read_through_the_window_of_the_engine(dtype, tmp_path):
    deep = np.random.default_rng(0).integers(500, 4500, (20, 30)).astype(dtype)
    Image.fromarray(deep).save(tmp_path / "a.tif")
    seen = Pixels(deep).read((0, 0, 20, 30))
    found = read_rgb(tmp_path / "a.tif")
    assert np.ptp(found) == 255
    np.testing.assert_allclose(found / 255, seen, atol=0.5 / 255 + 1e-6)


def test_a_deep_picture_that_the_engine_refuses_is_named(tmp_path):
    Image.fromarray(np.full((6, 8), np.nan, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a\.tif: .*NaN"):
        read_rgb(tmp_path / "a.tif")
