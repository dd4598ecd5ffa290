import dataclasses
import json

import pytest

from napari_clipseg.cli import main
from napari_clipseg.errors import UnknownName
from napari_clipseg.evaluate.ablation import ABLATIONS, ablations
from napari_clipseg.model.checkpoint import load_model, save_model
from napari_clipseg.train.config import read_config
from napari_clipseg.train.network import new_model

CONFIG = """
[model]
stem = [8, 16]
extract_layers = [0, 1]
reduce_dim = 32
decoder_mlp = 32
tile = 32
[model.clip]
embed_dim = 16
quick_gelu = false
vision_cfg = {image_size = 32, layers = 2, width = 32, head_width = 16, patch_size = 8}
text_cfg = {context_length = 8, vocab_size = 49408, width = 16, heads = 2, layers = 1}
[optim]
steps = 4
warmup = 1
[sampling]
batch = 2
prompts = 2
supports = 1
[data]
pool = 6
[data.synthetic]
objects = 1
"""


@pytest.fixture
def toml(tmp_path):
    (tmp_path / "run.toml").write_text(CONFIG)
    return tmp_path / "run.toml"


@pytest.fixture
def started(tmp_path):
    """A training that goes on from a model."""
    (tmp_path / "first.toml").write_text(CONFIG)
    first = new_model(read_config(tmp_path / "first.toml"))
    save_model(first, tmp_path / "first.safetensors", {})
    table = CONFIG[CONFIG.index("[optim]") :]
    file = tmp_path / "second.toml"
    file.write_text(f'start = "{tmp_path / "first.safetensors"}"\ntrained = ["decoder."]\n{table}')
    return file


def run(*arguments):
    with pytest.raises(SystemExit) as leaving:
        main([str(each) for each in ("study", "ablation", *arguments)])
    return leaving.value.code


def test_a_study_trains_each_and_writes_one_table(toml, tmp_path, capsys):
    names = ["as it is", "no negatives", "D = 16"]
    only = [word for name in names for word in ("--only", name)]
    assert run(toml, "--output", tmp_path / "out", "--steps", 2, *only) == 0
    said = capsys.readouterr().out
    assert said.startswith("| training | steps | IoU |")
    results = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert [(each["name"], each["steps"]) for each in results] == [(name, 2) for name in names]
    assert load_model(tmp_path / "out" / "D-16" / "model.safetensors").config.reduce_dim == 16


def test_an_unknown_change_is_refused_with_the_known_ones(toml, tmp_path, capsys):
    assert run(toml, "--output", tmp_path / "out", "--only", "no coffee") == 2
    assert "no negatives" in capsys.readouterr().err
    with pytest.raises(UnknownName):
        ablations(read_config(toml), ["no coffee"])


@pytest.mark.parametrize("name", ABLATIONS)
def test_every_change_can_be_trained_from_a_model(started, name):
    config = read_config(started)
    changed = ablations(config, [name])[name]
    model = new_model(dataclasses.replace(changed, seed=5))
    before = load_model(config.start).state_dict()
    encoder = {k: v for k, v in model.state_dict().items() if k.startswith("encoder.")}
    visual = [k for k in encoder if k.startswith("encoder.clip.visual.") and v_random(k)]
    same = {k: bool((encoder[k] == before[k]).all()) for k in visual}
    assert all(same.values()) is (name != "no CLIP pre-training")
    text = "encoder.clip.token_embedding.weight"
    assert (encoder[text] == before[text]).all()
    decoder = "decoder.blocks.0.linear1.weight"
    shapes = model.state_dict()[decoder].shape, before[decoder].shape
    assert shapes[0] != shapes[1] or (model.state_dict()[decoder] != before[decoder]).any()


def v_random(name):
    """Whether a weight of the tower starts at random numbers, not at zeros or ones."""
    return name.endswith(("proj", "in_proj_weight", "c_fc.weight"))


def test_changes_differ_from_the_training_and_from_one_another(toml):
    changed = ablations(read_config(toml), [])
    assert changed["as it is"] == read_config(toml)
    kinds = {repr(each) for name, each in changed.items() if name != "no CLIP pre-training"}
    assert len(kinds) == len(ABLATIONS) - 1
