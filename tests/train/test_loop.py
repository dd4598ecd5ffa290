import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from napari_clipseg.model.checkpoint import load_model, read_metadata, save_model
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.train.config import ConfigError, OptimConfig
from napari_clipseg.train.generated.appearance import objects
from napari_clipseg.train.journal import read_table
from napari_clipseg.train.loop import Best, Run, train
from napari_clipseg.train.losses import MaskTotals, mask_loss
from napari_clipseg.train.network import new_model
from napari_clipseg.train.objective import learning_rate, new_optimizer, rates
from napari_clipseg.train.validation import Validation


class Killed(Exception):
    """Stands for the end of a process."""


def curve(folder):
    with (folder / "log.csv").open() as stream:
        return [
            {name: value for name, value in row.items() if name != "seconds"}
            for row in csv.DictReader(stream)
        ]


@pytest.mark.parametrize("ahead", [1, 3, 50])
def test_batches_come_in_order_however_many_are_made_ahead(tiny_run, tmp_path, monkeypatch, ahead):
    monkeypatch.setattr("napari_clipseg.train.loop._AHEAD", ahead)
    run = Run(tiny_run, tmp_path, None)
    run.step = 2
    taken = list(run.batches())
    assert [step for step, _ in taken] == [2, 3, 4, 5, 6, 7]
    for step, batch in taken:
        np.testing.assert_array_equal(batch.images, run.sampler.batch(step).images)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_killed_run_goes_on_to_the_identical_result(tiny_run, tmp_path, monkeypatch, accumulate):
    tiny_run = dataclasses.replace(tiny_run, accumulate=accumulate)
    whole = train(tiny_run, tmp_path / "whole")
    learn = Run.learn

    def killed_at_step_7(run, step, batch):
        if step == 7:
            raise Killed
        return learn(run, step, batch)

    monkeypatch.setattr(Run, "learn", killed_at_step_7)
    with pytest.raises(Killed):
        train(tiny_run, tmp_path / "killed")
    monkeypatch.undo()
    resumed = train(tiny_run, tmp_path / "killed", resume=True)

    assert len(curve(tmp_path / "whole")) == tiny_run.optim.steps
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    first, second = load_model(whole.weights), load_model(resumed.weights)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_a_run_leaves_a_model_that_says_how_it_was_made(tiny_run, tmp_path):
    result = train(tiny_run, tmp_path)
    assert result.steps == 8
    assert read_metadata(result.weights)["steps"] == "8"
    assert load_model(result.weights).config == tiny_run.model


def test_a_weights_file_says_what_was_learned_from_which_data(tiny_run, data_folder, tmp_path):
    data = dataclasses.replace(tiny_run.data, weights={"cells": 1}, synthetic={})
    config = dataclasses.replace(tiny_run, data=data)
    notes = [
        read_metadata(train(config, tmp_path / name, data=data_folder).weights) for name in "ab"
    ]
    picture = data_folder / "cells" / "masks" / "nucleus" / "a.png"
    Image.fromarray(np.full((48, 40), 255, np.uint8)).save(picture)
    notes.append(read_metadata(train(config, tmp_path / "c", data=data_folder).weights))
    first, second, other = (json.loads(each["data"]) for each in notes)
    assert first == second != other
    assert list(json.loads(notes[0]["validation"])["concepts"]) == ["cells nucleus"]
    assert json.loads(notes[0]["training"])["optim"] == {"steps": 8, "warmup": 2}
    assert load_model(tmp_path / "a" / "model.safetensors").learned.phrases == ("nuclei", "nucleus")


def test_the_best_weights_are_kept_beside_the_last(tiny_run, data_folder, tmp_path, monkeypatch):
    data = dataclasses.replace(tiny_run.data, weights={"cells": 1})
    config = dataclasses.replace(tiny_run, data=data, validate_every=2)
    scores = iter([0.2, 0.5, 0.3, 0.4])
    monkeypatch.setattr(Validation, "mean_iou", property(lambda self: next(scores)))
    seen = []
    monkeypatch.setattr(Run, "validation", lambda run: seen.append(run.step) or Validation((), 0))
    monkeypatch.setattr(
        "napari_clipseg.train.loop.metadata", lambda config, step, *_: {"at": f"{step}"}
    )
    monkeypatch.setattr(Run, "_write_scores", lambda *_: None)
    result = train(config, tmp_path / "run", data=data_folder)
    assert seen == [2, 4, 6, 8]
    assert result.best == Best(4, 0.5)
    assert read_metadata(tmp_path / "run" / "best.safetensors")["at"] == "4"
    assert read_metadata(result.weights)["at"] == "8"


def test_a_checkpoint_of_another_configuration_is_refused(tiny_run, tmp_path):
    train(tiny_run, tmp_path)
    other = dataclasses.replace(tiny_run, seed=4)
    with pytest.raises(ConfigError, match="another configuration"):
        train(other, tmp_path, resume=True)


@pytest.fixture
def on_cells(tiny_run):
    """The tiny run on a data set with masks, validated at steps 3 and 6 and at its end."""
    data = dataclasses.replace(tiny_run.data, weights={"cells": 1})
    return dataclasses.replace(tiny_run, data=data, validate_every=3, checkpoint_every=3)


def steps(folder):
    return [row[0] for row in read_table(folder / "validation.csv")[1:]]


def repaint(data_folder, part):
    """Change a picture that is trained on, or one that is validated on."""
    stem = {"train": "b", "val": "c"}[part]
    folder = data_folder / "cells"
    if part == "val":
        for name in ("images", "masks/nucleus"):
            shutil.copy(folder / name / "a.png", folder / name / "c.png")
        (folder / "val.txt").write_text("c.png\n")
    return folder / "images" / f"{stem}.png"


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_run_does_not_go_on_with_other_pictures(on_cells, data_folder, tmp_path, part):
    picture = repaint(data_folder, part)
    train(on_cells, tmp_path, data=data_folder)
    weights = (tmp_path / "model.safetensors").read_bytes()
    Image.fromarray(np.zeros((48, 40), np.uint8)).save(picture)
    with pytest.raises(ConfigError, match=r"cells.* have changed since"):
        train(on_cells, tmp_path, data=data_folder, resume=True)
    assert (tmp_path / "model.safetensors").read_bytes() == weights


def test_a_new_run_never_goes_on_from_an_earlier_one_in_its_folder(
    on_cells, data_folder, tmp_path, monkeypatch
):
    train(on_cells, tmp_path, data=data_folder)
    (tmp_path / "notes.txt").touch()
    monkeypatch.setattr(Run, "learn", lambda *_: (_ for _ in ()).throw(Killed))
    with pytest.raises(Killed):
        train(on_cells, tmp_path, data=data_folder)
    assert {path.name for path in tmp_path.iterdir()} >= {"notes.txt", "data"}
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".pt", ".csv")]
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_run_that_cannot_begin_leaves_the_earlier_one_as_it_is(on_cells, data_folder, tmp_path):
    train(on_cells, tmp_path, data=data_folder)
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError):
        train(on_cells, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_the_end_of_a_run_is_validated_and_written_once(on_cells, data_folder, tmp_path):
    train(on_cells, tmp_path, data=data_folder)
    assert steps(tmp_path) == ["3", "6", "8"]
    again = train(on_cells, tmp_path, data=data_folder, resume=True)
    assert again.steps == 8
    assert steps(tmp_path) == ["3", "6", "8"]


def test_a_run_shorter_than_the_time_between_validations_is_validated(
    on_cells, data_folder, tmp_path
):
    train(dataclasses.replace(on_cells, validate_every=500), tmp_path, data=data_folder)
    assert steps(tmp_path) == ["8"]


def test_validation_pictures_are_taken_from_all_of_the_list(on_cells, data_folder, tmp_path):
    folder = data_folder / "cells"
    for number in range(20):
        for name in ("images", "masks/nucleus"):
            shutil.copy(folder / name / "a.png", folder / name / f"{number}.png")
        Image.fromarray(np.full((48, 40), number, np.uint8)).save(folder / f"images/{number}.png")
    (folder / "val.txt").write_text("".join(f"{number}.png\n" for number in range(20)))
    held_out = Run(on_cells, tmp_path, data_folder).held_out["cells"]
    shown = [int(scene.image[0, 0, 0]) for scene in held_out]
    assert shown == [0, 1, 3, 5, 6, 8, 10, 11, 13, 15, 16, 18]


def test_without_validation_pictures_there_is_no_table_of_them(tiny_run, tmp_path):
    result = train(tiny_run, tmp_path)
    assert result.best is None and np.isnan(result.validation.absent_area)
    assert not (tmp_path / "validation.csv").exists()


def test_the_text_tower_stays_as_it_is(tiny_run, tmp_path):
    before = new_model(tiny_run)
    after = load_model(train(tiny_run, tmp_path).weights)
    vectors = [model.text_vectors(["nuclei"]) for model in (before, after)]
    assert torch.allclose(*vectors, atol=1e-2)
    weights = [model.encoder.clip.visual.proj for model in (before, after)]
    assert not torch.allclose(*weights, atol=1e-4)


def test_a_second_run_changes_nothing_but_what_it_trains(tiny_run, tmp_path):
    first = train(tiny_run, tmp_path / "first").weights
    second = dataclasses.replace(tiny_run, start=str(first), trained=("decoder.reduces.0.weight",))
    result = train(second, tmp_path / "second").weights
    before, after = (load_model(path).state_dict() for path in (first, result))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"decoder.reduces.0.weight"}


def test_a_start_of_another_network_is_refused(tiny_run, tmp_path):
    weights = train(tiny_run, tmp_path).weights
    other = dataclasses.replace(tiny_run.model, reduce_dim=8)
    with pytest.raises(ConfigError, match="another network"):
        new_model(dataclasses.replace(tiny_run, start=str(weights), model=other))


def test_training_nothing_is_refused(tiny_run):
    with pytest.raises(ConfigError, match="no weights begin"):
        new_model(dataclasses.replace(tiny_run, trained=("text.",)))


def test_validation_is_logged_for_each_concept(tiny_run, data_folder, tmp_path):
    data = dataclasses.replace(tiny_run.data, weights={"cells": 1})
    config = dataclasses.replace(tiny_run, data=data, validate_every=4)
    result = train(config, tmp_path / "run", data=data_folder)
    rows = (tmp_path / "run" / "validation.csv").read_text().splitlines()
    assert rows[0] == "step,iou,absent,cells nucleus"
    assert len(rows) == 3
    assert [score.concept for score in result.validation.scores] == ["nucleus"]


def test_a_trained_text_tower_is_taken_over(tiny_run, tmp_path):
    source = new_model(tiny_run).encoder.clip.state_dict()
    tower = {
        name: torch.full_like(value, 0.01)
        for name, value in source.items()
        if not name.startswith("visual.") and name != "logit_scale"
    }
    save_file(tower, tmp_path / "tower.safetensors")
    config = dataclasses.replace(tiny_run, text_tower=str(tmp_path / "tower.safetensors"))
    weight = new_model(config).encoder.clip.token_embedding.weight
    assert torch.equal(weight, torch.full_like(weight, 0.01))


@pytest.mark.parametrize("content", [None, b"no weights", "incomplete"])
def test_a_wrong_text_tower_gives_one_clear_error(tiny_run, tmp_path, content):
    file = tmp_path / "tower.safetensors"
    if content == "incomplete":
        save_file({"ln_final.weight": torch.zeros(16)}, file)
    elif content:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match="text tower"):
        new_model(dataclasses.replace(tiny_run, text_tower=str(file)))


def test_the_learning_rate_begins_anew_at_a_restart(tiny_run):
    optim = OptimConfig(steps=100, warmup=10, rate=1.0, final_rate=0.1)
    longer = dataclasses.replace(optim, steps=150, restarts=(100,))
    once, twice = (
        [learning_rate(step, dataclasses.replace(tiny_run, optim=each)) for step in range(150)]
        for each in (optim, longer)
    )
    assert once[:100] == twice[:100]
    assert twice[100] == 1.0 and twice[149] == pytest.approx(0.1, abs=0.01)


def test_restarts_must_rise(tiny_run):
    with pytest.raises(ConfigError, match="must rise"):
        dataclasses.replace(tiny_run, optim=OptimConfig(steps=100, restarts=(100,)))


def test_the_learning_rate_rises_then_falls(tiny_run):
    optim = OptimConfig(steps=100, warmup=10, rate=1.0, final_rate=0.1)
    config = dataclasses.replace(tiny_run, optim=optim)
    rates = [learning_rate(step, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == rates[10] == 1.0
    assert (np.diff(rates[:10]) > 0).all() and (np.diff(rates[10:]) < 0).all()
    assert rates[-1] == pytest.approx(0.1)


def test_the_tower_learns_slowly_until_the_masks_say_more_than_their_mean(tiny_run):
    optim = OptimConfig(steps=100, warmup=1, rate=1.0, tower=0.1, tower_late=0.5, tower_rise=(4, 8))
    config = dataclasses.replace(tiny_run, optim=optim)
    shares = [rates(step, config)["tower"] / rates(step, config)["decoder"] for step in range(12)]
    assert shares == pytest.approx([0.1] * 5 + [0.2, 0.3, 0.4] + [0.5] * 4)


def test_every_trained_weight_is_in_one_group_of_its_part(tiny_run):
    model = new_model(tiny_run)
    groups = new_optimizer(model, tiny_run).param_groups
    grouped = [each for group in groups for each in group["params"]]
    trained = [each for each in model.parameters() if each.requires_grad]
    assert sorted(map(id, grouped)) == sorted(map(id, trained))
    assert {group["part"] for group in groups} == {"tower", "decoder", "film"}
    assert all(
        each.ndim >= 2 for group in groups if group["weight_decay"] for each in group["params"]
    )


def test_the_command_says_what_is_wrong_and_nothing_else(tmp_path, command):
    code, _, complaint = command("train", tmp_path / "none.toml", "--output", tmp_path)
    assert code == 2
    assert complaint.count("\n") == 1


def test_the_command_trains_and_says_which_weights_are_best(
    data_folder, tmp_path, command, tiny_training
):
    toml = tmp_path / "run.toml"
    toml.write_text(f"validate_every = 2\n{tiny_training}\n[data.weights]\ncells = 1\n")
    where = ("--data", data_folder, "--output", tmp_path / "out")
    code, said, complaint = command("train", toml, *where, "--device", "cpu")
    assert code == 0, complaint
    assert "| cells | nucleus | 1 |" in said
    assert "the weights after step 4 are in" in said
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left >= {"model.safetensors", "best.safetensors", "curves.png", "log.csv"}


@pytest.mark.slow
def test_a_decoder_on_a_frozen_random_tower_overfits_a_few_pictures(tiny_config):
    torch.manual_seed(0)
    config = dataclasses.replace(tiny_config, reduce_dim=64, decoder_mlp=128, stem=(32, 32))
    model = CLIPSeg(config).eval()
    model.encoder.requires_grad_(False)
    scenes = [objects(np.random.default_rng(seed)) for seed in range(40)]
    pairs = [
        (scene, concept)
        for scene in scenes
        for concept in scene.concepts
        if 0.1 < scene.mask(concept)[:64, :64].mean() < 0.6
    ][:6]
    images = np.stack([scene.image[:64, :64] for scene, _ in pairs])
    masks = np.stack([scene.mask(concept)[:64, :64] for scene, concept in pairs])
    target = torch.from_numpy(masks)[:, None].float()
    vectors = model.text_vectors([concept.name for _, concept in pairs])[:, None]
    rgb = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    activations = model.encoder.activations(model.normalise(rgb))
    optimizer = torch.optim.AdamW(model.decoder.parameters(), 3e-3)
    known = torch.ones_like(target[:, 0])
    totals = MaskTotals.of(target, known)
    iou = 0.0
    for _ in range(600):
        logits = model.decode(model.decoder.reduce(activations), vectors, (8, 8))
        found = logits > 0
        iou = float((found & (target > 0)).sum() / (found | (target > 0)).sum())
        if iou > 0.95:
            break
        optimizer.zero_grad()
        mask_loss(logits, target, known, 0.3, totals).backward()
        optimizer.step()
    assert iou > 0.95


def test_a_run_goes_on_from_a_model_with_a_threshold_of_its_own(tiny_run, tmp_path):
    save_model(new_model(tiny_run), tmp_path / "before.safetensors", {})
    network = dataclasses.replace(tiny_run.model, threshold=0.42)
    onwards = dataclasses.replace(
        tiny_run, start=str(tmp_path / "before.safetensors"), model=network
    )
    assert load_model(train(onwards, tmp_path / "run").weights).config.threshold == 0.42
