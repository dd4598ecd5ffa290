import dataclasses
from pathlib import Path

import pytest

from napari_clipseg.model.checkpoint import save_model
from napari_clipseg.train import config_file
from napari_clipseg.train.config import AnnotatedConfig, ConfigError
from napari_clipseg.train.config_file import read_config
from napari_clipseg.train.network import new_model

GOOD = """
seed = 4
[model]
stem = [32, 64, 96]
tile = 128
[optim]
steps = 10
warmup = 2
rate = 1
[data]
pool = 5
upright = ["streets"]
[data.weights]
streets = 2
[data.also.streets]
sky = ["blue sky"]
"""

VOC = '[data.annotated.voc]\nformat = "voc"\nfolder = "VOC2012"\nshare = 2\n'


def read(tmp_path, text):
    file = tmp_path / "run.toml"
    file.write_text(text)
    return read_config(file)


def complaint(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    return str(caught.value)


def test_reads_tables_into_dataclasses(tmp_path):
    config = read(tmp_path, GOOD)
    assert config.seed == 4
    assert config.model.stem == (32, 64, 96)
    assert isinstance(config.optim.rate, float) and config.optim.rate == 1
    assert config.data.upright == ("streets",)
    assert config.data.also["streets"]["sky"] == ["blue sky"]


def test_reads_data_sets_in_published_formats(tmp_path):
    found = read(tmp_path, GOOD + VOC).data.annotated
    assert found == {"voc": AnnotatedConfig("voc", "VOC2012", share=2.0)}


def test_shares_are_kept_as_they_are_written(tmp_path):
    """The checkpoints of runs hold a hash in which 2 is another text than 2.0."""
    assert str(read(tmp_path, GOOD).data.weights["streets"]) == "2"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("steps = 10", "stepz = 10"), "optim.stepz is not a setting; there are steps, warmup"),
        (("steps = 10", 'steps = "many"'), "optim.steps is 'many'; it must be a whole number"),
        (("steps = 10", "steps = true"), "optim.steps is True; it must be a whole number"),
        (("steps = 10", "steps = 0"), "optim.steps is 0; it must be at least 1"),
        (("rate = 1", "rate = nan"), "optim.rate is nan"),
        (("rate = 1", "rate = 1\ntower_rise = [3]"), "optim.tower_rise is [3]"),
        (("rate = 1", "rate = 1\nrestarts = [3.5]"), "an item of optim.restarts is 3.5; it must"),
        (("seed = 4", "trained = [1]"), "an item of trained is 1; it must be a text"),
        (("seed = 4", "augment = {turned = 1}"), "augment.turned is 1; it must be true or false"),
        (("streets = 2", 'streets = "2"'), "data.weights.streets is '2'; it must be a number"),
        (("streets = 2", "streets = true"), "data.weights.streets is True; it must be a number"),
        (('upright = ["streets"]', 'upright = "streets"'), "data.upright is 'streets'; it must"),
        (('upright = ["streets"]', 'upright = ["nope"]'), "data.upright names 'nope'"),
        (("pool = 5", "lacks = {streets = 3}"), "data.lacks.streets is 3; it must be a table"),
        (("pool = 5", 'absent = {micro = "cat"}'), "data.absent.micro is 'cat'; it must be a list"),
        (("pool = 5", "absent = {micro = [3]}"), "an item of data.absent.micro is 3"),
        (('sky = ["blue sky"]', 'sky = "blue sky"'), "data.also.streets.sky is 'blue sky'"),
        (("streets = 2", ""), "data.upright names 'streets'"),
        (("[model]", "[sampling]\nabsent = 1.0\n[model]"), "sampling.absent is 1.0"),
        (("tile = 128", "clip = 3"), "model.clip is 3; it must be a table"),
    ],
)
def test_a_bad_value_gives_one_sentence_that_names_file_and_setting(tmp_path, change, said):
    assert change[0] in GOOD
    assert complaint(tmp_path, GOOD.replace(*change)).startswith(f"{tmp_path / 'run.toml'}: {said}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("share = 2", "sharing = 2"), "data.annotated.voc.sharing is not a setting"),
        (("share = 2", 'share = "2"'), "data.annotated.voc.share is '2'; it must be a number"),
        (('format = "voc"\n', ""), "data.annotated.voc.format is missing"),
        (('folder = "VOC2012"\n', ""), "data.annotated.voc.folder is missing"),
    ],
)
def test_a_bad_entry_for_a_published_format_is_named(tmp_path, change, said):
    assert said in complaint(tmp_path, GOOD + VOC.replace(*change))


def test_a_missing_table_is_named(tmp_path):
    assert "data is missing" in complaint(tmp_path, "seed = 1\n[model]\n")


def test_without_network_and_without_start_a_sentence_says_what_to_add(tmp_path):
    text = GOOD.replace("[model]\nstem = [32, 64, 96]\ntile = 128\n", "")
    assert "there is neither [model] nor start: describe" in complaint(tmp_path, text)


def test_without_a_table_the_network_is_that_of_start(tmp_path, tiny_run):
    file = tmp_path / "first.safetensors"
    save_model(new_model(tiny_run), file, {})
    text = GOOD.replace("[model]\nstem = [32, 64, 96]\ntile = 128\n", "")
    assert read(tmp_path, f'start = "{file}"\n{text}').model == tiny_run.model
    said = complaint(tmp_path, f'start = "{tmp_path / "gone.safetensors"}"\n{text}')
    assert said.startswith(f"{tmp_path / 'run.toml'}: start is '{tmp_path / 'gone.safetensors'}'")
    assert "start is 3; it must be a text" in complaint(tmp_path, f"start = 3\n{text}")


def test_a_missing_file_and_what_is_no_toml_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml cannot be read"):
        read_config(tmp_path / "absent.toml")
    assert "run.toml cannot be read" in complaint(tmp_path, GOOD.replace("[model]", "[model"))


def test_a_base_holds_where_a_file_says_nothing_else(tmp_path):
    (tmp_path / "base.toml").write_text(GOOD)
    base = read_config(tmp_path / "base.toml")
    second = read(tmp_path, 'base = "base.toml"\nseed = 5\n[optim]\nsteps = 3\n')
    assert (second.seed, second.optim.steps) == (5, 3)
    assert second.model == base.model
    assert dataclasses.replace(second, seed=base.seed, optim=base.optim) == base


def test_a_base_is_relative_to_the_file_that_names_it(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "base.toml").write_text(GOOD)
    (tmp_path / "inner" / "middle.toml").write_text('base = "../base.toml"\nseed = 6\n')
    assert read(tmp_path, 'base = "inner/middle.toml"\n').seed == 6


def test_a_bad_value_of_a_base_names_all_files(tmp_path):
    (tmp_path / "base.toml").write_text(GOOD.replace("seed = 4", "seed = -1"))
    said = complaint(tmp_path, 'base = "base.toml"\n')
    assert said.startswith(f"{tmp_path / 'run.toml'} (on {tmp_path / 'base.toml'}): seed is -1")


@pytest.mark.parametrize("names", [("run",), ("other", "run"), ("other", "other")])
def test_a_file_that_is_its_own_base_is_refused(tmp_path, names):
    (tmp_path / "other.toml").write_text(f'base = "{names[-1]}.toml"\n')
    said = complaint(tmp_path, f'base = "{names[0]}.toml"\n{GOOD}')
    assert f"leads back to {tmp_path / names[-1]}.toml" in said


@pytest.mark.parametrize(
    ("base", "said"),
    [("3", "run.toml: base is 3; it must be a text"), ('""', "cannot"), ('"no.toml"', "no.toml")],
)
def test_a_base_that_is_no_file_is_refused(tmp_path, base, said):
    assert said in complaint(tmp_path, f"base = {base}\n{GOOD}")


@pytest.mark.parametrize("file", sorted(Path(config_file.__file__).parent.glob("starter*.toml")))
def test_the_configurations_of_the_starter_are_readable(file):
    config = read_config(file)
    assert config.model.tile == 128
    assert len(config.data.weights) == 14
