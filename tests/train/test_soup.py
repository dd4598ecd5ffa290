"""The mean of several models' weights."""

import dataclasses
import json

import pytest
import torch

from napari_clipseg.model.checkpoint import load_model, read_metadata, save_model
from napari_clipseg.train.learned import learned
from napari_clipseg.train.network import new_model
from napari_clipseg.train.soup import averaged, main


@pytest.fixture
def files(tiny_run, tmp_path):
    """Two models of one network, of which each has learned something else."""
    found = []
    for seed, phrase in ((1, "nuclei"), (2, "roads")):
        model = new_model(dataclasses.replace(tiny_run, seed=seed))
        model.learned = learned(model, [phrase])
        found.append(tmp_path / f"{seed}.safetensors")
        save_model(model, found[-1], {"seed": str(seed), "validation": "{}"})
    return found


def test_each_weight_is_the_mean_and_all_that_was_learned_stays(files, tmp_path):
    output = tmp_path / "mean.safetensors"
    assert main([*map(str, files), "--output", str(output)]) == 0
    mean, *parts = [load_model(file).state_dict() for file in (output, *files)]
    for name, value in mean.items():
        expected = torch.stack([part[name].float() for part in parts]).mean(0)
        torch.testing.assert_close(value.float(), expected, atol=1e-3, rtol=1e-3)
    assert load_model(output).learned.phrases == ("nuclei", "roads")
    record = read_metadata(output)
    assert record["seed"] == "1" and "validation" not in record
    assert len(set(json.loads(record["averaged"]))) == 2


def test_one_model_is_its_own_mean(files):
    torch.testing.assert_close(averaged(files[:1]).state_dict(), load_model(files[0]).state_dict())


def test_other_networks_and_missing_files_are_refused(files, tiny_run, tmp_path, capsys):
    network = dataclasses.replace(tiny_run.model, reduce_dim=8)
    other = tmp_path / "other.safetensors"
    save_model(new_model(dataclasses.replace(tiny_run, model=network)), other, {})
    output = tmp_path / "mean.safetensors"
    for wrong, words in ((other, "another network"), (tmp_path / "none.safetensors", "no weights")):
        assert main([str(files[0]), str(wrong), "--output", str(output)]) == 2
        assert words in capsys.readouterr().err
        assert not output.exists()
