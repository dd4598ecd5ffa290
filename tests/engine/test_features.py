from collections import Counter

import numpy as np
import pytest

from napari_clipseg.engine.region import Region
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.errors import FeaturesInvalid, SettingError

PROMPTS = ["nuclei", "background"]
BOX = (20, 33, 61, 70)


def drawn(shape):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - 40) ** 2 + (columns - 50) ** 2 < 18**2


REGIONS = {
    "box": lambda shape: Region(BOX),
    "one pixel": lambda shape: Region((74, 109, 75, 110)),
    "circle": lambda shape: Region.of_mask(drawn(shape)),
    "two corners": lambda shape: Region.of_mask(np.eye(*shape, dtype=bool) & (drawn(shape) ^ True)),
    "whole": Region.whole,
}


@pytest.fixture
def encoded(monkeypatch):
    """How often each tile of any segmenter was encoded."""
    from napari_clipseg.engine.decoding import TiledNetwork

    count, encoding = Counter(), TiledNetwork.encoding

    def counting(self, pixels, batches):
        for batch in encoding(self, pixels, batches):
            count.update(batch.tiles)
            yield batch

    monkeypatch.setattr(TiledNetwork, "encoding", counting)
    return count


def pixels_of(region, shape):
    inside = np.zeros(shape, bool)
    y0, x0, y1, x1 = region.box
    inside[y0:y1, x0:x1] = True if region.mask is None else region.mask
    return inside


def run(features, prompts=PROMPTS, region=None, fill=-1.0):
    out = np.full((len(prompts), *features.shape), fill, np.float32)
    steps = list(features.run(prompts, out, region=region))
    return out, steps


@pytest.mark.parametrize("zoom", [1.0, (0.5, 1.0, 1.6)])
@pytest.mark.parametrize("batch", [1, 3, 4])
@pytest.mark.parametrize("name", REGIONS)
def test_a_region_holds_what_the_whole_run_gives_and_nothing_else(
    tiny_model, image, name, batch, zoom
):
    segmenter = Segmenter(tiny_model, device="cpu", batch=batch, zoom=zoom)
    whole, _ = run(segmenter.encode(image))
    region = REGIONS[name](image.shape)
    inside = pixels_of(region, image.shape)
    out, _ = run(segmenter.prepare(image), region=region)
    assert (out[:, ~inside] == -1).all()
    np.testing.assert_allclose(out[:, inside], whole[:, inside], atol=1e-6)
    if batch == 1:
        assert (out[:, inside] == whole[:, inside]).all()


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("disk", [False, True])
def test_a_region_and_then_the_whole_encode_each_tile_once(
    tiny_model, image, tmp_path, encoded, batch, disk
):
    segmenter = Segmenter(tiny_model, device="cpu", batch=batch)
    features = segmenter.prepare(image, folder=tmp_path / "features" if disk else None)
    region = Region(BOX)
    assert features.missing() == features.tiles
    touching = features.missing(region)
    assert 0 < touching < features.tiles
    _, steps = run(features, region=region)
    assert encoded.total() == touching == len(steps) == steps[-1].total
    assert features.missing(region) == 0
    assert features.missing() == features.tiles - touching
    out, _ = run(features)
    run(features, ["debris"])
    assert set(encoded) == set(range(features.tiles))
    assert set(encoded.values()) == {1}
    np.testing.assert_allclose(out, run(segmenter.encode(image))[0], atol=1e-6)


def test_preparing_encodes_nothing(segmenter, image, encoded):
    features = segmenter.prepare(image)
    assert features.shape == image.shape
    assert features.contrast == segmenter.encode(image).contrast
    encoded.clear()
    segmenter.prepare(image)
    assert not encoded


def test_a_cancelled_run_goes_on_where_it_stopped(segmenter, image, encoded):
    features = segmenter.prepare(image)
    out = np.zeros(image.shape, np.float32)
    steps = features.run("nuclei", out)
    for _ in range(6):
        next(steps)
    steps.close()
    assert features.missing() == features.tiles - 8
    assert (features.probability("nuclei") == segmenter.encode(image).probability("nuclei")).all()
    assert set(encoded.values()) == {2}


def test_a_single_prompt_with_a_mask_writes_only_the_mask(segmenter, image):
    features = segmenter.prepare(image)
    region = REGIONS["circle"](image.shape)
    out = np.full(image.shape, 7, np.float32)
    for _ in features.run("nuclei", out, region=region):
        pass
    inside = pixels_of(region, image.shape)
    assert (out[~inside] == 7).all()
    assert ((out[inside] > 0) & (out[inside] < 1)).all()


def test_rows_of_a_region_become_final_in_order(segmenter, image):
    features = segmenter.prepare(image)
    out = np.full(image.shape, -1, np.float32)
    end = BOX[0]
    for index, done in enumerate(features.run("nuclei", out, region=Region(BOX)), 1):
        assert (done.index, done.rows[0]) == (index, end)
        end = done.rows[1]
        assert (out[BOX[0] : end, BOX[1] : BOX[3]] >= 0).all()
        assert (out[end:] == -1).all()
    assert done.index == done.total
    assert end == BOX[2]


@pytest.mark.parametrize("box", [(0, 0, 76, 10), (0, 100, 10, 111)])
def test_a_region_beyond_the_image_is_refused(segmenter, image, box):
    features = segmenter.prepare(image)
    with pytest.raises(SettingError, match="beyond the image"):
        run(features, region=Region(box))
    with pytest.raises(SettingError, match="beyond the image"):
        features.missing(Region(box))


def test_pixels_without_data_are_zero_in_a_region_too(segmenter, image, encoded):
    image = image + np.uint16(1)
    image[:, 40:] = 0
    features = segmenter.prepare(image, nodata=0)
    out, _ = run(features, region=Region(BOX))
    assert (out[:, 20:61, 40:70] == 0).all()
    assert (out[:, 20:61, 33:40] > 0).all()
    encoded.clear()
    out, steps = run(features, region=Region((0, 90, 75, 110)))
    assert (out[:, :, 90:] == 0).all()
    assert (out[:, :, :90] == -1).all()
    assert not steps
    assert not encoded


@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_features_of_a_region_on_disk_are_used_tomorrow(tiny_model, image, tmp_path, storage):
    segmenter = Segmenter(tiny_model, device="cpu", storage=storage)
    folder = tmp_path / "features"
    expected, _ = run(segmenter.prepare(image, folder=folder), region=Region(BOX))
    opened = segmenter.open_features(folder)
    again, _ = run(opened, region=Region(BOX))
    assert (again == expected).all()
    with pytest.raises(FeaturesInvalid, match="encode the image again"):
        run(opened)
    resumed = segmenter.prepare(image, folder=folder)
    assert resumed.missing() == opened.missing() > 0
    np.testing.assert_allclose(run(resumed)[0], run(segmenter.encode(image))[0], atol=1e-6)


@pytest.mark.parametrize("lost", [4, 5, 12])
def test_a_tile_that_was_lost_is_encoded_with_the_same_tiles_again(
    tiny_model, image, tmp_path, encoded, lost
):
    segmenter = Segmenter(tiny_model, device="cpu", batch=4)
    folder = tmp_path / "features"
    features = segmenter.prepare(image, folder=folder)
    run(features, region=Region(BOX))
    expected, _ = run(features)
    before = Counter(encoded)
    companies = [set(range(lost // 4 * 4, lost // 4 * 4 + 4))]
    for line in (folder / "companies").read_text().splitlines():
        if lost in (together := set(map(int, line.split()))):
            companies = [together]
    (folder / "c" / str(lost) / "0" / "0" / "0").unlink()
    again, _ = run(segmenter.prepare(image, folder=folder))
    assert (again == expected).all()
    assert set(encoded - before) == companies[0]


def test_a_write_that_was_cut_is_repeated_with_the_whole_batch(
    segmenter, image, tmp_path, encoded, monkeypatch
):
    folder = tmp_path / "features"
    expected, _ = run(segmenter.encode(image, folder=folder))
    for tile in (5, 7):
        (folder / "c" / str(tile) / "0" / "0" / "0").unlink()
    encoded.clear()
    again, _ = run(segmenter.prepare(image, folder=folder))
    assert (again == expected).all()
    assert dict(encoded) == dict.fromkeys((4, 5, 6, 7), 1)
