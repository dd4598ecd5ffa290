import dataclasses
import json

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from napari_clipseg.errors import WeightsInvalid
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.config import ModelConfig
from napari_clipseg.train.backbone import architecture
from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.config_file import read_config
from napari_clipseg.train.loop import train
from napari_clipseg.train.network import new_model

TOWER = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 28, "layers": 3, "width": 32, "head_width": 16, "patch_size": 14},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
"""A CLIP with ViT-L-14's patches."""


@pytest.fixture
def folder(tmp_path):
    """A model of open_clip in a folder, as the hub has it."""
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TOWER}))
    torch.manual_seed(5)
    save_file(open_clip.CLIP(**TOWER).state_dict(), folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture
def toml(folder, tmp_path):
    text = f"""
trained = ["decoder."]
clip = "{folder}"
[model]
clip = "local-dir:{folder}"
extract_layers = [0, 2]
reduce_dim = 8
decoder_heads = 2
decoder_mlp = 16
tile = 56
head = "refined"
film = "mlp"
[optim]
steps = 2
warmup = 1
[sampling]
batch = 2
prompts = 2
supports = 1
[data]
pool = 4
[data.synthetic]
objects = 1
"""
    (tmp_path / "run.toml").write_text(text)
    return tmp_path / "run.toml"


def test_a_decoder_is_trained_on_any_clip_in_a_folder(toml, folder, tmp_path):
    config = read_config(toml)
    assert config.model.patch == 14 and config.model.embed_dim == 24
    clip = open_clip.CLIP(**TOWER)
    open_clip.load_checkpoint(clip, str(folder / "open_clip_model.safetensors"))
    model = new_model(config)
    for name, value in clip.state_dict().items():
        assert torch.equal(value, model.encoder.clip.state_dict()[name]), name
    assert train(config, tmp_path / "run").weights.exists()


def test_an_architecture_is_known_by_its_name():
    found = ModelConfig(clip=architecture("ViT-L-14"), extract_layers=(6, 12, 18))
    assert (found.patch, found.width, found.embed_dim) == (14, 1024, 768)


@pytest.mark.parametrize("name", ["ViT-L-15", "RN50", "ViT-B-16-SigLIP", "local-dir:/nowhere"])
def test_what_clipseg_cannot_read_is_refused(name):
    with pytest.raises(ConfigError):
        architecture(name)


def test_weights_of_another_clip_are_refused(toml, folder):
    config = read_config(toml)
    wider = {**TOWER, "vision_cfg": {**TOWER["vision_cfg"], "width": 48}}
    other = dataclasses.replace(config.model, clip=wider)
    with pytest.raises(ConfigError, match="does not hold the CLIP"):
        new_model(dataclasses.replace(config, model=other))


def test_a_backbone_with_a_value_that_is_not_finite_is_refused(toml, folder):
    clip = open_clip.CLIP(**TOWER).state_dict()
    clip["visual.proj"][0, 0] = torch.nan
    save_file(clip, folder / "open_clip_model.safetensors")
    with pytest.raises(WeightsInvalid, match=r"infinite values, first in visual\.proj"):
        new_model(read_config(toml))


@pytest.mark.parametrize("film", ["linear", "mlp"])
@pytest.mark.parametrize("head", ["simple", "refined"])
@pytest.mark.parametrize("layers", [(2,), (0, 1, 2)])
def test_every_variant_gives_a_logit_for_every_pixel(film, head, layers):
    config = ModelConfig(
        clip=TOWER,
        extract_layers=layers,
        reduce_dim=16,
        decoder_mlp=16,
        extra_blocks=1,
        head=head,
        film=film,
        tile=42,
    )
    model = CLIPSeg(config).eval()
    with torch.inference_mode():
        logits = model.logits(torch.rand(2, 3, 42, 56), model.text_vectors(["road", "sky"]))
    assert logits.shape == (2, 2, 42, 56)
    assert logits.std() > 0
