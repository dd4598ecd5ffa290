import numpy as np
import pytest

from napari_clipseg.engine.parts import ImageParts
from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.engine.segmenter import Segmenter

PROMPTS = ["nuclei", "background"]


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (230, 110)).astype(np.uint16)


def parts_of(segmenter, image, folder, **reading):
    """The parts, and what the run that began the folder gives when it goes on alone."""
    whole = np.full((len(PROMPTS), *image.shape[:2]), -1, np.float32)
    for _ in segmenter.run(image, PROMPTS, whole, **reading):
        pass
    next(segmenter.run(image, PROMPTS, np.zeros_like(whole), folder=folder, **reading), None)
    pixels = Pixels(image, **reading)
    return ImageParts(segmenter, pixels, folder), whole


@pytest.mark.parametrize("zoom", [1.0, (0.5, 1.0, 1.6)])
@pytest.mark.parametrize("batch", [1, 3, 4])
@pytest.mark.parametrize("height", [30, 64, 500])
def test_rows_decoded_apart_equal_the_whole_run_bit_for_bit(
    tiny_model, image, tmp_path, zoom, batch, height
):
    segmenter = Segmenter(tiny_model, device="cpu", zoom=zoom, batch=batch)
    parts, whole = parts_of(segmenter, image, tmp_path / "features")
    for start in reversed(range(0, len(image), height)):
        rows = (start, min(start + height, len(image)))
        assert (parts.decode(PROMPTS, rows) == whole[:, slice(*rows)]).all()


def test_tiles_encoded_in_any_order_are_not_encoded_again(segmenter, image, tmp_path, monkeypatch):
    parts, whole = parts_of(segmenter, image, tmp_path / "features")
    for first in reversed(range(0, parts.tiles, 8)):
        parts.encode((first, min(first + 8, parts.tiles)))
    monkeypatch.setattr(segmenter._network, "encode", None)
    assert (parts.decode(PROMPTS, (0, len(image))) == whole).all()


@pytest.mark.parametrize("gap", [(0, 100), (60, 180), (100, 230), (0, 230)])
def test_pixels_without_data_are_zero_as_in_the_whole_run(tiny_model, image, tmp_path, gap):
    segmenter = Segmenter(tiny_model, device="cpu", batch=3)
    image = image + np.uint16(1)
    image[slice(*gap)] = 0
    reading = {"contrast": (0, 4000), "nodata": 0}
    parts, whole = parts_of(segmenter, image, tmp_path / "features", **reading)
    assert not whole[:, slice(*gap)].any()
    for start in range(0, len(image), 50):
        rows = (start, min(start + 50, len(image)))
        assert (parts.decode(PROMPTS, rows) == whole[:, slice(*rows)]).all()


def test_rows_encode_only_the_batches_of_tiles_that_touch_them(
    tiny_model, image, tmp_path, monkeypatch
):
    segmenter = Segmenter(tiny_model, device="cpu", batch=3)
    parts, _ = parts_of(segmenter, image, tmp_path / "features")
    encoded = []
    encode = segmenter._network.encode
    monkeypatch.setattr(
        segmenter._network, "encode", lambda rgb: encoded.append(len(rgb)) or encode(rgb)
    )
    parts.decode(PROMPTS, (150, 160))
    assert set(encoded) == {3}
    assert 0 < sum(encoded) < parts.tiles / 2
