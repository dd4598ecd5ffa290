import dataclasses
import io
import resource
import signal

import pytest
import torch

from napari_clipseg.errors import OutputError, WeightsInvalid
from napari_clipseg.model.checkpoint import save_model
from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.network import new_model
from napari_clipseg.train.record import fingerprint
from napari_clipseg.train.run_folder import BEST, CHECKPOINT, RunFolder

CPU = torch.device("cpu")
DATA = {"cells": "1", "cells (validation)": "2"}


def names(folder):
    return {path.name for path in folder.iterdir()}


def state(config):
    return {
        "fingerprint": fingerprint(config),
        "data": DATA,
        "step": 4,
        "best": None,
        "weights": [torch.arange(300_000.0)],
        "average": [torch.zeros(2)],
        "optimizer": {},
        "gradients": {},
    }


def content(value):
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def test_a_state_comes_back_as_it_was(tiny_run, tmp_path):
    folder = RunFolder(tmp_path)
    folder.save(state(tiny_run))
    assert names(tmp_path) == {CHECKPOINT}
    back = folder.load(tiny_run, DATA, CPU)
    assert back["step"] == 4 and torch.equal(back["weights"][0], state(tiny_run)["weights"][0])


def test_a_new_run_removes_what_an_earlier_one_left_and_nothing_else(tiny_run, tmp_path):
    left = {
        *("model.safetensors", "best.safetensors", "checkpoint.pt"),
        *("log.csv", "validation.csv", "curves.png", ".checkpoint.pt.77.part"),
    }
    own = {"notes.txt", "run.toml", ".notes.part"}
    for name in left | own:
        (tmp_path / name).touch()
    RunFolder(tmp_path).clear(tiny_run)
    assert names(tmp_path) == own


def test_a_run_does_not_remove_the_weights_it_starts_from(tiny_run, tmp_path):
    save_model(new_model(tiny_run), tmp_path / BEST, {})
    (tmp_path / CHECKPOINT).touch()
    start = dataclasses.replace(tiny_run, start=str(tmp_path / BEST))
    with pytest.raises(ConfigError, match="another output folder"):
        RunFolder(tmp_path).clear(start)
    assert names(tmp_path) == {BEST, CHECKPOINT}


def test_a_resumed_run_removes_what_a_killed_one_had_begun_to_write(tiny_run, tmp_path):
    folder = RunFolder(tmp_path)
    folder.save(state(tiny_run))
    (tmp_path / ".checkpoint.pt.77.part").touch()
    folder.load(tiny_run, DATA, CPU)
    assert names(tmp_path) == {CHECKPOINT}


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"no checkpoint",
        bytes(3000),
        content({"a": torch.zeros(1000)})[:1500],
        content({"a": torch.zeros(100_000)})[:90_000],
        content({"a": torch.zeros(1000)}),
        content([1, 2]),
    ],
    ids=[
        "empty",
        "text",
        "zeros",
        "cut short",
        "cut in the tensors",
        "weights alone",
        "no mapping",
    ],
)
def test_a_file_that_is_no_state_is_refused_with_what_to_do(tiny_run, tmp_path, damaged):
    (tmp_path / CHECKPOINT).write_bytes(damaged)
    with pytest.raises(WeightsInvalid, match=r"checkpoint\.pt is .*begin a run without resuming"):
        RunFolder(tmp_path).load(tiny_run, DATA, CPU)


def test_a_state_of_another_configuration_is_refused(tiny_run, tmp_path):
    folder = RunFolder(tmp_path)
    folder.save(state(tiny_run))
    with pytest.raises(ConfigError, match="another configuration"):
        folder.load(dataclasses.replace(tiny_run, seed=4), DATA, CPU)


@pytest.mark.parametrize("name", DATA)
def test_a_state_of_other_pictures_is_refused_with_the_name_of_the_source(tiny_run, tmp_path, name):
    folder = RunFolder(tmp_path)
    folder.save(state(tiny_run))
    with pytest.raises(ConfigError) as refused:
        folder.load(tiny_run, {**DATA, name: "other"}, CPU)
    assert f"masks of {name} have changed" in str(refused.value)


def test_a_state_from_before_data_were_noted_is_taken(tiny_run, tmp_path):
    old = {key: value for key, value in state(tiny_run).items() if key != "data"}
    RunFolder(tmp_path).save(old)
    assert RunFolder(tmp_path).load(tiny_run, DATA, CPU)["step"] == 4


def test_a_disk_that_takes_no_more_leaves_the_old_state_and_nothing_half(tiny_run, tmp_path):
    folder = RunFolder(tmp_path)
    folder.save(state(tiny_run))
    before = folder.checkpoint.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    try:
        with pytest.raises(OutputError, match=r"checkpoint\.pt cannot be written: File too large"):
            folder.save(state(tiny_run))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert folder.checkpoint.read_bytes() == before
    assert names(tmp_path) == {CHECKPOINT}
