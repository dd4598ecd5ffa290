import dataclasses
import json

import pytest

from napari_clipseg.errors import UnknownName
from napari_clipseg.evaluate.ablation import ABLATIONS, ablations
from napari_clipseg.model.checkpoint import load_model, save_model
from napari_clipseg.train.config_file import read_config
from napari_clipseg.train.network import new_model
from napari_clipseg.train.sources import Pictures

DATA = "[data]\npool = 6\nsynthetic = {objects = 1}\n"


@pytest.fixture
def toml(tmp_path, tiny_training):
    (tmp_path / "run.toml").write_text(tiny_training + DATA)
    return tmp_path / "run.toml"


@pytest.fixture
def started(toml, tmp_path):
    """A training that goes on from a model."""
    save_model(new_model(read_config(toml)), tmp_path / "first.safetensors", {})
    text = toml.read_text()
    table = text[text.index("[optim]") :]
    file = tmp_path / "second.toml"
    file.write_text(f'start = "{tmp_path / "first.safetensors"}"\ntrained = ["decoder."]\n{table}')
    return file


def test_a_study_trains_each_and_writes_one_table(toml, tmp_path, command):
    names = ["as it is", "no negatives", "D = 16"]
    only = [word for name in names for word in ("--only", name)]
    given = (toml, "--output", tmp_path / "out", "--steps", 2)
    code, said, _ = command("study", "ablation", *given, *only)
    assert code == 0
    assert said.startswith("| training | steps | IoU |")
    results = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert [(each["name"], each["steps"]) for each in results] == [(name, 2) for name in names]
    assert load_model(tmp_path / "out" / "D-16" / "model.safetensors").config.reduce_dim == 16


def rows(folder):
    table = (folder / "ablation.md").read_text().splitlines()[2:]
    results = json.loads((folder / "ablation.json").read_text())
    assert [row.split(" | ")[0].removeprefix("| ") for row in table] == [r["name"] for r in results]
    return {result["name"]: result for result in results}


def test_trainings_that_were_done_before_stay_in_the_table(toml, tmp_path, command):
    given = ("study", "ablation", toml, "--output", tmp_path / "out", "--steps", 2, "--only")
    command(*given, "D = 16")
    first = rows(tmp_path / "out")
    code, said, _ = command(*given, "as it is")
    assert code == 0 and "| D = 16 | 2 |" in said
    both = rows(tmp_path / "out")
    assert list(both) == ["as it is", "D = 16"]
    assert both["D = 16"] == first["D = 16"]


def test_trainings_of_another_study_are_not_in_the_table(toml, tmp_path, command):
    given = ("study", "ablation", toml, "--output", tmp_path / "out", "--only")
    command(*given, "D = 16", "--steps", 2)
    command(*given, "as it is", "--steps", 3)
    assert list(rows(tmp_path / "out")) == ["as it is"]


def test_trainings_on_other_pictures_are_not_in_the_table(toml, tmp_path, command, monkeypatch):
    given = ("study", "ablation", toml, "--output", tmp_path / "out", "--steps", 2, "--only")
    command(*given, "D = 16")
    monkeypatch.setattr(Pictures, "digest", lambda self: "other pictures")
    command(*given, "as it is")
    assert list(rows(tmp_path / "out")) == ["as it is"]


def test_what_was_not_measured_is_not_a_number_of_the_file(toml, tmp_path, command):
    given = (toml, "--output", tmp_path / "out", "--steps", 2, "--only", "as it is")
    _, said, _ = command("study", "ablation", *given)
    assert "| as it is | 2 | nan | not asked |" in said
    (result,) = rows(tmp_path / "out").values()
    assert result == {"name": "as it is", "steps": 2, "iou": None, "absent_area": None}


def test_an_unknown_change_is_refused_with_the_known_ones(toml, tmp_path, command):
    given = (toml, "--output", tmp_path / "out", "--only", "no coffee")
    code, _, complaint = command("study", "ablation", *given)
    assert code == 2
    assert "no negatives" in complaint
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
