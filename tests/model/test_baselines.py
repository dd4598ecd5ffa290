import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.errors import UnknownName, WeightsInvalid
from napari_clipseg.model.baselines import (
    DECONV,
    VIT,
    CLIPDeconv,
    ViTSeg,
    load_baseline,
    save_baseline,
)
from napari_clipseg.model.checkpoint import save_model
from napari_clipseg.model.clipseg import CLIPSeg

TOLERANCE = 2e-5
TOWER = 160
"""Side of the pictures of timm's smallest vision transformer."""


@pytest.fixture
def deconv(tiny_config, randomise) -> CLIPDeconv:
    model = CLIPDeconv(tiny_config(extract_layers=(9,), decoder_mlp=24))
    randomise(model)
    return model.eval().requires_grad_(False)


@pytest.fixture
def vitseg(tiny_config, randomise) -> ViTSeg:
    vision = {
        **VIT.clip["vision_cfg"],
        "timm_model_name": "test_vit",
        "image_size": TOWER,
        "width": 64,
        "layers": 6,
    }
    base = tiny_config(extract_layers=(1, 2, 4), tile=TOWER)
    model = ViTSeg(dataclasses.replace(base, clip={**base.clip, "vision_cfg": vision}))
    randomise(model)
    return model.eval().requires_grad_(False)


def linear(state: dict, name: str, values: torch.Tensor) -> torch.Tensor:
    return values @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def deconv_by_definition(model: CLIPDeconv, pixels: torch.Tensor, vector: torch.Tensor):
    """One image, one prompt, straight from the paper's description."""
    kept = []
    block = model.encoder.clip.visual.transformer.resblocks[9]
    hook = block.register_forward_hook(lambda _, __, out: kept.append(out))
    model.encoder.image_vectors(pixels)
    hook.remove()
    state = model.decoder.state_dict()
    tokens = linear(state, "reduces.0", kept[0])
    tokens = linear(state, "film_mul", vector) * tokens + linear(state, "film_add", vector)
    tokens = linear(state, "blocks.0.2", linear(state, "blocks.0.0", tokens).clamp(min=0))
    grid = [extent // 16 for extent in pixels.shape[-2:]]
    spatial = tokens[:, 1:].permute(0, 2, 1).reshape(1, -1, *grid)
    head = state["trans_conv.weight"], state["trans_conv.bias"]
    return F.conv_transpose2d(spatial, *head, stride=16)[0, 0]


def vitseg_by_definition(model: ViTSeg, pixels: torch.Tensor, vector: torch.Tensor):
    """One square image, one prompt, with torch's own transformer layers and timm's forward."""
    trunk, kept = model.encoder.clip.visual.trunk, {}
    large = F.interpolate(pixels, (TOWER, TOWER), mode="nearest")
    hooks = [
        trunk.blocks[index].register_forward_hook(
            lambda _, __, out, index=index: kept.update({index: out})
        )
        for index in (1, 2, 4)
    ]
    trunk.forward_features(large)
    for hook in hooks:
        hook.remove()
    decoder, tokens = model.decoder, 0
    for step, index in enumerate((4, 2, 1)):
        tokens = decoder.reduces[step](kept[index]) + tokens
        if step == 0:
            tokens = decoder.film_mul(vector) * tokens + decoder.film_add(vector)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()
        layer.load_state_dict(decoder.blocks[step].state_dict())
        tokens = layer(tokens)
    spatial = tokens[:, 1:].transpose(1, 2).reshape(1, -1, TOWER // 16, TOWER // 16)
    return F.interpolate(decoder.trans_conv(spatial), pixels.shape[-2:], mode="nearest")[0, 0]


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_clip_deconv_equals_its_definition(deconv, size):
    pixels, vectors = torch.randn(2, 3, *size), torch.randn(3, 32)
    found = deconv.logits(pixels, vectors)
    for image in range(2):
        for prompt in range(3):
            expected = deconv_by_definition(deconv, pixels[image : image + 1], vectors[prompt])
            torch.testing.assert_close(found[image, prompt], expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("side", [TOWER, 96])
def test_vitseg_equals_its_definition(vitseg, side):
    pixels, vectors = torch.randn(1, 3, side, side), torch.randn(2, 32)
    found = vitseg.logits(pixels, vectors)
    assert found.shape == (1, 2, side, side)
    for prompt in range(2):
        expected = vitseg_by_definition(vitseg, pixels, vectors[prompt])
        torch.testing.assert_close(found[0, prompt], expected, atol=TOLERANCE, rtol=0)


def test_vitseg_maps_the_class_token_by_a_frozen_random_layer(vitseg, tiny_config):
    visual = vitseg.encoder.clip.visual
    pixels = torch.randn(2, 3, TOWER, TOWER)
    token = visual.trunk.forward_features(pixels)[:, 0]
    torch.testing.assert_close(vitseg.image_vectors(pixels), visual.head(token))
    fresh = ViTSeg(vitseg.config)
    assert not any(each.requires_grad for each in fresh.encoder.clip.visual.parameters())


def test_texts_go_through_clip(deconv, vitseg):
    for model in (deconv, vitseg):
        assert model.text_vectors(["nuclei", "road"]).shape == (2, 32)


def test_the_engine_takes_baselines_and_reuses_their_features(deconv, vitseg):
    image = np.random.default_rng(0).random((70, 90)).astype(np.float32)
    for model, tile in ((deconv, 64), (vitseg, TOWER), (vitseg, 96)):
        segmenter = Segmenter(model, device="cpu", tile=tile)
        direct = segmenter.probability(image, ["nuclei", "road"])
        assert direct.shape == (2, 70, 90)
        np.testing.assert_allclose(direct[0], segmenter.probability(image, "nuclei"), atol=1e-5)
    features = Segmenter(deconv, device="cpu", tile=64).encode(image)
    assert features.probability("road").std() > 0


def test_baselines_survive_a_file(deconv, vitseg, tmp_path):
    for model in (deconv, vitseg):
        save_baseline(model, tmp_path / "model.safetensors", {"data": "none"})
        again = load_baseline(tmp_path / "model.safetensors")
        assert type(again) is type(model)
        assert again.config == model.config
        pixels, vectors = torch.randn(1, 3, 64, 64), torch.randn(1, 32)
        assert torch.equal(again.logits(pixels, vectors), model.logits(pixels, vectors))


def test_a_baseline_with_a_value_that_is_not_finite_is_refused(deconv, tmp_path):
    name, parameter = next(iter(deconv.decoder.named_parameters()))
    parameter.data.view(-1)[0] = float("nan")
    save_baseline(deconv, tmp_path / "model.safetensors", {})
    with pytest.raises(WeightsInvalid, match=rf"infinite values, first in decoder\.{name}"):
        load_baseline(tmp_path / "model.safetensors")


def test_other_models_are_no_baselines(tiny_config, tmp_path):
    model, path = CLIPSeg(tiny_config()), tmp_path / "model.safetensors"
    with pytest.raises(UnknownName, match="clip-deconv"):
        save_baseline(model, path, {})
    save_model(model, path, {})
    with pytest.raises(WeightsInvalid, match="names no baseline"):
        load_baseline(path)
    with pytest.raises(ValueError, match="one block"):
        CLIPDeconv(tiny_config())


def test_the_papers_deconv_has_the_published_number_of_parameters():
    with torch.device("meta"):
        model = CLIPDeconv(DECONV)
    assert sum(each.numel() for each in model.decoder.parameters()) == 139_585
