import numpy as np
import pytest
import torch

from napari_clipseg.engine.decoding import TileDone
from napari_clipseg.engine.one_call import segment
from napari_clipseg.engine.prompts import MaskPrompt, Mix
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.errors import (
    EngineError,
    FeaturesInvalid,
    OutOfMemory,
    OutputError,
    PromptError,
    SettingError,
    UnknownName,
)


def untiled(model, rgb, prompt):
    pixel_values = model.normalise(torch.from_numpy(rgb).permute(2, 0, 1)[None])
    with torch.inference_mode():
        logits = model.logits(pixel_values, model.text_vectors([prompt]))
    return logits[0, 0].sigmoid().numpy()


def test_an_image_of_one_tile_equals_the_untiled_model(tiny_model, segmenter):
    rgb = np.random.default_rng(1).random((32, 32, 3)).astype(np.float32)
    expected = untiled(tiny_model, rgb, "nuclei")
    assert expected.std() > 0.01
    np.testing.assert_allclose(segmenter.probability(rgb, "nuclei"), expected, atol=1e-6)


@pytest.mark.parametrize("window", ["hann", "linear", "uniform"])
def test_a_tiled_image_equals_logits_averaged_by_hand(tiny_model, image, window):
    segmenter = Segmenter(tiny_model, device="cpu", window=window, overlap=0, tile=32)
    rgb = np.repeat(image[:64, :96, None], 3, 2)
    probability = segmenter.probability(rgb, "nuclei", contrast=(0, 4000))
    for y in range(0, 64, 32):
        for x in range(0, 96, 32):
            tile = (rgb[y : y + 32, x : x + 32] / 4000).astype(np.float32)
            expected = untiled(tiny_model, tile, "nuclei")
            np.testing.assert_allclose(probability[y : y + 32, x : x + 32], expected, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_result_does_not_depend_on_the_batch(tiny_model, segmenter, image, batch):
    other = Segmenter(tiny_model, device="cpu", batch=batch)
    np.testing.assert_allclose(
        other.probability(image, "nuclei"), segmenter.probability(image, "nuclei"), atol=1e-5
    )


def test_prompts_together_apart_or_in_another_order_agree(segmenter, image):
    features = segmenter.encode(image)
    together = features.probability(["nuclei", "background"])
    swapped = features.probability(["background", "nuclei"])
    assert together.shape == (2, *image.shape)
    assert np.abs(together[0] - together[1]).max() > 1e-3
    np.testing.assert_allclose(together, swapped[::-1], atol=1e-5)
    np.testing.assert_allclose(together[0], features.probability("nuclei"), atol=1e-5)


def test_a_run_is_repeatable_bit_for_bit(segmenter, image):
    first, second = (segmenter.probability(image, "nuclei") for _ in range(2))
    assert first.dtype == np.float32
    assert (first == second).all()


def test_the_first_prompt_and_later_ones_take_the_same_path(segmenter, image):
    out = np.zeros(image.shape, np.float32)
    run, features = segmenter.run(image, "nuclei", out), None
    while features is None:
        try:
            next(run)
        except StopIteration as end:
            features = end.value
    assert (features.probability("nuclei") == out).all()
    assert (segmenter.probability(image, "nuclei") == out).all()


def test_every_kind_of_prompt_in_one_call(segmenter, image):
    mask = np.zeros(image.shape, bool)
    mask[20:40, 30:60] = True
    example = MaskPrompt(image, mask)
    features = segmenter.encode(image)
    maps = features.probability(["nuclei", example, Mix("nuclei", example, 0.5)])
    assert maps.shape == (3, *image.shape)
    assert ((maps >= 0) & (maps <= 1)).all()
    np.testing.assert_allclose(
        features.probability(Mix("nuclei", example, 1.0)), maps[0], atol=1e-5
    )


def test_features_on_disk_give_the_identical_result(segmenter, image, tmp_path):
    folder = tmp_path / "image.features"
    kept = segmenter.encode(image, folder=folder)
    opened = segmenter.open_features(folder)
    expected = segmenter.encode(image).probability("nuclei")
    assert (kept.probability("nuclei") == expected).all()
    assert (opened.probability("nuclei") == expected).all()
    assert opened.contrast == kept.contrast
    assert opened.nbytes == kept.nbytes > 0


@pytest.mark.parametrize("storage", ["float32", "float16", "bfloat16"])
def test_a_run_that_was_stopped_goes_on_from_the_stored_tiles(
    tiny_model, image, tmp_path, storage, monkeypatch
):
    segmenter = Segmenter(tiny_model, device="cpu", storage=storage, batch=2)
    whole, resumed = np.zeros((2, *image.shape), np.float32)
    for _ in segmenter.run(image, "nuclei", whole):
        pass
    run = segmenter.run(image, "nuclei", resumed, folder=tmp_path / "features")
    for _ in range(7):
        next(run)
    run.close()

    encoded = []
    encode = segmenter._network.encode
    monkeypatch.setattr(
        segmenter._network, "encode", lambda rgb: encoded.append(len(rgb)) or encode(rgb)
    )
    *_, last = segmenter.run(image, "nuclei", resumed, folder=tmp_path / "features")
    assert sum(encoded) == last.total - 8
    assert (resumed == whole).all()


@pytest.mark.parametrize("damage", ["cut", "flip", "remove"])
def test_damaged_tiles_are_never_trusted(segmenter, image, tmp_path, damage):
    folder = tmp_path / "features"
    expected = segmenter.encode(image, folder=folder).probability("nuclei")
    chunk = folder / "c" / "5" / "0" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    {
        "cut": lambda: chunk.write_bytes(chunk.read_bytes()[:-9]),
        "flip": lambda: chunk.write_bytes(content),
        "remove": chunk.unlink,
    }[damage]()
    with pytest.raises(FeaturesInvalid, match="encode the image again"):
        segmenter.open_features(folder).probability("nuclei")
    assert (segmenter.encode(image, folder=folder).probability("nuclei") == expected).all()


def test_features_of_another_origin_are_refused(tiny_model, segmenter, image, tmp_path):
    folder = tmp_path / "features"
    segmenter.encode(image, folder=folder)
    other = image.copy()
    other[40, 40] += 1
    with pytest.raises(FeaturesInvalid, match="another image"):
        segmenter.encode(other, folder=folder)
    with pytest.raises(FeaturesInvalid, match="another contrast"):
        segmenter.encode(image, folder=folder, contrast=(0, 1))
    with pytest.raises(FeaturesInvalid, match="tile and grids"):
        Segmenter(tiny_model, device="cpu", tile=40).open_features(folder)
    with pytest.raises(FeaturesInvalid, match=r"there are no features in .*encode the image first"):
        segmenter.open_features(tmp_path / "missing")


def test_a_folder_that_cannot_be_written_is_one_clear_error(segmenter, image, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        segmenter.encode(image, folder=tmp_path / "file" / "features")


def test_features_kept_in_half_precision_take_half_the_memory(tiny_model, segmenter, image):
    half = Segmenter(tiny_model, device="cpu", storage="float16").encode(image)
    full = segmenter.encode(image)
    assert half.nbytes * 2 == full.nbytes
    difference = np.abs(half.probability("nuclei") - full.probability("nuclei"))
    assert 0 < difference.max() < 0.01


@pytest.mark.parametrize("precision", ["bfloat16"])
def test_reduced_precision_stays_near_float32(tiny_model, segmenter, image, precision):
    reduced = Segmenter(tiny_model, device="cpu", precision=precision)
    assert {each.dtype for each in tiny_model.parameters()} == {torch.float32}
    assert reduced.weights_hash == segmenter.weights_hash
    difference = reduced.probability(image, "nuclei") - segmenter.probability(image, "nuclei")
    assert 0 < np.abs(difference).max() < 0.2


def test_rows_become_final_in_order_and_are_reported(segmenter, image):
    out = np.full(image.shape, -1, np.float32)
    end = 0
    for index, done in enumerate(segmenter.run(image, "nuclei", out), 1):
        assert isinstance(done, TileDone)
        assert done.index == index
        assert done.rows[0] == end
        end = done.rows[1]
        assert (out[:end] >= 0).all()
        assert (out[end:] == -1).all()
    assert done.index == done.total
    assert end == len(image)


def test_stopping_the_generator_cancels(segmenter, image, monkeypatch):
    out = np.full((1, *image.shape), -1, np.float32)
    run = segmenter.run(image, ["nuclei"], out)
    next(run)
    run.close()
    assert (out == -1).any()


@pytest.mark.parametrize("zoom", [0.5, 2.0, (0.5, 1.0)])
def test_zoomed_results_lie_on_the_grid_of_the_image(tiny_model, image, zoom):
    segmenter = Segmenter(tiny_model, device="cpu", zoom=zoom)
    assert segmenter.probability(image, "nuclei").shape == image.shape


def test_several_zooms_are_averaged(tiny_model):
    image = np.random.default_rng(3).random((64, 64, 3)).astype(np.float32)
    logits = {}
    for zoom in (0.5, 1.0, (0.5, 1.0)):
        p = Segmenter(tiny_model, device="cpu", zoom=zoom).probability(image, "nuclei")
        logits[zoom] = np.log(p / (1 - p))
    mean = (logits[0.5] + logits[1.0]) / 2
    np.testing.assert_allclose(logits[0.5, 1.0], mean, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (31, 33)])
def test_images_of_any_size_work(segmenter, shape):
    assert segmenter.probability(np.random.default_rng(0).random(shape), "a").shape == shape


def test_a_constant_image_works(segmenter):
    assert np.isfinite(segmenter.probability(np.full((40, 40), 7, np.uint8), "nuclei")).all()


def test_segment_returns_one_map_or_one_for_each_prompt(tiny_model, image):
    single = segment(image, "nuclei", model=tiny_model, device="cpu")
    several = segment(image, ["nuclei", "background"], model=tiny_model, device="cpu")
    assert single.shape == image.shape
    assert several.shape == (2, *image.shape)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"tile": 30}, SettingError, "multiple of 8"),
        ({"tile": 0}, SettingError, "multiple of 8"),
        ({"tile": "32"}, SettingError, "tile is a whole number, not '32'"),
        ({"overlap": 4.5}, SettingError, "overlap is a whole number"),
        ({"batch": "4"}, SettingError, "batch is a whole number"),
        ({"batch": None}, SettingError, "batch is a whole number"),
        ({"zoom": "twice"}, SettingError, "zoom is a number"),
        ({"zoom": None}, SettingError, "zoom is a number"),
        ({"zoom": (1.0, "b")}, SettingError, "zoom is a number"),
        ({"overlap": 32}, SettingError, "overlap"),
        ({"zoom": 0}, SettingError, "zoom"),
        ({"batch": 0}, SettingError, "batch"),
        ({"window": "gauss"}, UnknownName, "hann"),
        ({"precision": "int4"}, UnknownName, "float32"),
        ({"storage": "int4"}, UnknownName, "float32"),
        ({"device": "tpu"}, UnknownName, "cpu"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(tiny_model, settings, error, words):
    with pytest.raises(error, match=words):
        Segmenter(tiny_model, **settings)


def test_prompts_are_checked_before_anything_is_computed(segmenter, image, monkeypatch):
    monkeypatch.setattr(segmenter._network, "encode", None)
    with pytest.raises(PromptError):
        segmenter.probability(image, [])
    with pytest.raises(PromptError):
        segmenter.probability(image, "")
    with pytest.raises(PromptError, match="not int"):
        segmenter.probability(image, 3)


def test_an_out_array_of_another_shape_is_refused(segmenter, image):
    with pytest.raises(SettingError, match="shape"):
        next(segmenter.run(image, "nuclei", np.zeros((3, 3), np.float32)))


def test_errors_of_torch_leave_as_ours(segmenter, image, monkeypatch):
    def fail(*_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(segmenter._network._model.decoder, "forward", fail)
    with pytest.raises(EngineError, match="mat1"):
        segmenter.probability(image, "nuclei")


def test_out_of_memory_in_encode_and_decode_is_survived(tiny_model, segmenter, image, monkeypatch):
    expected = segmenter.probability(image, "nuclei")
    for part in ("reduced", "decode"):
        whole = getattr(tiny_model, part)

        def small_only(batch, *rest, whole=whole):
            if len(batch) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return whole(batch, *rest)

        monkeypatch.setattr(tiny_model, part, small_only)
    np.testing.assert_allclose(segmenter.probability(image, "nuclei"), expected, atol=1e-5)


@pytest.mark.parametrize("model", [None, 3, b"starter"])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(SettingError, match="a model is its name, a path or a CLIPSeg"):
        Segmenter(model)


def test_other_settings_share_the_loaded_model(tiny_model):
    one = Segmenter(tiny_model, batch=1)
    other = one.with_settings(zoom=2.0)
    assert other._network is one._network
    assert (one.zoom, other.zoom, other.batch) == ((1.0,), (2.0,), 1)
    with pytest.raises(SettingError, match="zoom"):
        one.with_settings(zoom=0.0)
    with pytest.raises(SettingError, match="batch"):
        one.with_settings(batch=0)
    with pytest.raises(SettingError, match="whole number"):
        one.with_settings(batch="two")


def test_a_tile_that_does_not_fit_into_memory_is_said(tiny_model):
    segmenter = Segmenter(tiny_model, device="cpu", tile=32_000_000)
    with pytest.raises(OutOfMemory, match="32000000 x 32000000 pixels do not fit"):
        segmenter.probability(np.zeros((40, 40), np.uint8), "nuclei", contrast=(0, 1))
