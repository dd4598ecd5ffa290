from __future__ import annotations

import copy
import os

import pytest
import torch

from napari_clipseg.errors import SettingError, WeightsInvalid
from napari_clipseg.model.checkpoint import load_model, load_streamed, save_model
from napari_clipseg.model.precision import weights_hash

TEXTS = ["nuclei", "a much longer text about red cells"]


@pytest.fixture
def file(tiny_model, tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(tiny_model(), path, {})
    return path


@pytest.fixture
def tile():
    return torch.rand(1, 3, 64, 64)


def weights(model):
    return sum(value.numel() for value in model.state_dict().values())


@torch.inference_mode()
def answers(model, tile):
    """Text vectors, an example's vector and the activations of a tile."""
    dtype = torch.float32 if model.kept is None else model.kept.dtype
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        mask = (tile[:, 0] > 0.5).float()
        return model.text_vectors(TEXTS), model.image_vectors(tile, mask), model.reduced(tile)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_left_in_the_file_give_the_same_answers(file, tile, dtype):
    whole, streamed = load_model(file, dtype=dtype), load_streamed(file, dtype=dtype)
    pairs = zip(answers(whole, tile), answers(streamed, tile), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_only_what_tiles_go_through_is_in_memory(file):
    streamed = load_streamed(file)
    names = list(streamed.state_dict())
    assert not any(name.startswith("encoder.clip.transformer.") for name in names)
    assert "encoder.clip.token_embedding.weight" not in names
    assert "encoder.clip.visual.transformer.resblocks.9.ln_1.weight" in names
    assert not any("visual.transformer.resblocks.10" in name for name in names)
    assert weights(streamed) < 0.5 * weights(load_model(file))


def test_a_prompt_leaves_nothing_in_memory(file, tile):
    streamed = load_streamed(file)
    before = weights(streamed)
    answers(streamed, tile)
    assert weights(streamed) == before
    held = streamed.encoder.clip.transformer.resblocks[0]._held[0]
    assert all(parameter.is_meta for parameter in held.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_all_weights_are_named_by_the_hash(file, dtype):
    whole, streamed = load_model(file), load_streamed(file, dtype=dtype)
    assert streamed.kept.weights_hash == weights_hash(whole.config, whole.state_dict())
    assert streamed.kept.dtype == dtype
    assert "encoder.clip.token_embedding" in streamed.kept.left


def test_a_copy_answers_too(file, tile):
    streamed = load_streamed(file)
    vectors = answers(copy.deepcopy(streamed), tile)[0]
    assert torch.equal(vectors, answers(streamed, tile)[0])


def test_a_file_that_was_replaced_is_refused(file, tile):
    streamed = load_streamed(file)
    os.utime(file, ns=(0, 1))
    with pytest.raises(WeightsInvalid, match="replaced"):
        answers(streamed, tile)


def test_what_is_left_in_the_file_is_checked_when_the_model_is_loaded(file, tiny_model, tmp_path):
    model = tiny_model()
    block = model.encoder.clip.transformer.resblocks[0]
    block.ln_1.weight = torch.nn.Parameter(torch.ones(3))
    save_model(model, tmp_path / "bad.safetensors", {})
    with pytest.raises(WeightsInvalid, match=r"transformer\.resblocks\.0\.ln_1\.weight"):
        load_streamed(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("load", [load_model, load_streamed])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_finite_numbers_are_refused_wherever_they_are(
    load, value, tiny_model, tmp_path
):
    model, path = tiny_model(), tmp_path / "bad.safetensors"
    names = ("encoder.clip.transformer.resblocks.0.mlp.c_fc.weight", "decoder.film_mul.bias")
    for name in names:
        model.get_parameter(name).view(-1)[-1] = value
    save_model(model, path, {})
    with pytest.raises(WeightsInvalid, match="2 tensors are wrong") as error:
        load(path)
    assert all(f"not finite: {name}\n" in str(error.value) for name in names)


@pytest.mark.parametrize("load", [load_model, load_streamed])
def test_weights_that_half_precision_cannot_hold_are_refused_for_it(load, tiny_model, tmp_path):
    model, path = tiny_model(), tmp_path / "large.safetensors"
    named = "encoder.clip.transformer.resblocks.0.mlp.c_fc.weight"
    model.get_parameter(named).view(-1)[0] = -7e4
    save_model(model, path, {})
    with pytest.raises(WeightsInvalid, match=f"too large for float16: {named}"):
        load(path, dtype=torch.float16)
    load(path, dtype=torch.bfloat16)


def test_a_model_that_is_not_whole_is_not_saved(file, tmp_path):
    path = tmp_path / "b.safetensors"
    with pytest.raises(SettingError, match="left in their file; load it with load_model") as error:
        save_model(load_streamed(file), path, {})
    assert "stored in" not in str(error.value)
    with pytest.raises(SettingError, match=r"stored in bfloat16 and .* left in their file"):
        save_model(load_streamed(file, dtype=torch.bfloat16), path, {})
    assert not path.exists()


def test_of_a_pytorch_file_nothing_is_left(tiny_model, tmp_path):
    state = tiny_model().state_dict()
    for file, prefix in (("decoder.pth", "decoder."), ("clip.pth", "encoder.clip.")):
        names = [name for name in state if name.startswith(prefix)]
        torch.save({name.removeprefix(prefix): state[name] for name in names}, tmp_path / file)
    source, backbone = tmp_path / "decoder.pth", tmp_path / "clip.pth"
    streamed = load_streamed(source, backbone=backbone)
    assert weights(streamed) == weights(load_model(source, backbone=backbone))
    assert streamed.kept is None
