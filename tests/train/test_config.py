import dataclasses

import pytest

from napari_clipseg.errors import ClipSegError
from napari_clipseg.train import config as module
from napari_clipseg.train.config import ConfigError, read_config

GOOD = """
seed = 4
[model]
stem = [32, 64]
tile = 128
[optim]
steps = 10
rate = 1
[data]
pool = 5
upright = ["streets"]
[data.weights]
streets = 2
[data.also.streets]
sky = ["blue sky"]
"""


def read(tmp_path, text):
    file = tmp_path / "run.toml"
    file.write_text(text)
    return read_config(file)


def test_reads_tables_into_dataclasses(tmp_path):
    config = read(tmp_path, GOOD)
    assert config.seed == 4
    assert config.model.stem == (32, 64)
    assert config.optim.rate == 1.0
    assert config.data.upright == ("streets",)
    assert config.data.also["streets"]["sky"] == ["blue sky"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("steps = 10", "stepz = 10"), "optim.stepz is not a setting"),
        (("steps = 10", 'steps = "many"'), "optim.steps is 'many'"),
        (("steps = 10", "steps = 0"), "optim.steps is 0"),
        (("steps = 10", "steps = true"), "optim.steps is True"),
        (("streets = 2", ""), "names neither weights"),
        (("[model]", "[model"), "cannot be read"),
        (("[data]", "[sampling]\nabsent = 1.0\n[data]"), "sampling.absent is 1.0"),
        (("[data]", "[sampling]\nsupports = 99\n[data]"), "larger than sampling.batch"),
        (('upright = ["streets"]', 'upright = "streets"'), "data.upright is 'streets'"),
    ],
)
def test_a_bad_configuration_gives_one_clear_error(tmp_path, change, said):
    with pytest.raises(ConfigError, match=said) as caught:
        read(tmp_path, GOOD.replace(*change))
    assert isinstance(caught.value, ClipSegError)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ConfigError, match="data"):
        read(tmp_path, "seed = 1\n[model]\n")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        read_config(tmp_path / "absent.toml")


def test_the_starter_configuration_is_readable():
    file = next(iter(module.__path__), None) if hasattr(module, "__path__") else module.__file__
    config = read_config(file.replace("config.py", "starter.toml"))
    assert config.model.tile == 128
    assert config.data.weights


def test_a_base_holds_where_a_file_says_nothing_else(tmp_path):
    (tmp_path / "base.toml").write_text(GOOD)
    (tmp_path / "second.toml").write_text('base = "base.toml"\nseed = 5\n[optim]\nsteps = 3\n')
    base, second = (read_config(tmp_path / name) for name in ("base.toml", "second.toml"))
    assert (second.seed, second.optim.steps) == (5, 3)
    assert second.model == base.model
    assert dataclasses.replace(second, seed=base.seed, optim=base.optim) == base
