import importlib
import re
import subprocess
import sys
from importlib.metadata import entry_points, version
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import napari_clipseg
from napari_clipseg import errors
from napari_clipseg.model.weights import is_present

REPOSITORY = Path(__file__).parents[1]

TIMED_IMPORT = """
import sys, time
start = time.process_time()
import napari_clipseg
print(time.process_time() - start, *({"torch", "open_clip", "qtpy", "napari"} & set(sys.modules)))
"""


def test_importing_is_quick_and_brings_no_heavy_library():
    done = subprocess.run([sys.executable, "-c", TIMED_IMPORT], capture_output=True, text=True)
    seconds, *heavy = done.stdout.split()
    assert not heavy
    assert float(seconds) < 0.5


@pytest.mark.parametrize("name", napari_clipseg.__all__)
def test_public_name_can_be_had(name):
    assert getattr(napari_clipseg, name) is not None
    assert name in dir(napari_clipseg)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="segmentt"):
        _ = napari_clipseg.segmentt


def test_version_is_that_of_the_distribution():
    assert napari_clipseg.__version__ == version("napari-clipseg")


def test_errors_are_ours_and_napari_workers_cannot_swallow_them():
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    assert len(kinds) > 5
    for kind in kinds:
        assert issubclass(kind, errors.ClipSegError)
        assert not issubclass(kind, RuntimeError)


@pytest.mark.parametrize("file", ["napari.yaml", "py.typed", "io/demo/LICENSE.txt"])
def test_data_file_is_in_the_package(file):
    assert files("napari_clipseg").joinpath(file).is_file()


def test_manifest_at_the_top_is_the_one_in_the_package():
    inside = files("napari_clipseg").joinpath("napari.yaml").read_text()
    assert (REPOSITORY / "napari.yaml").read_text() == inside
    points = entry_points(group="napari.manifest", name="napari-clipseg")
    assert [point.value for point in points] == ["napari_clipseg:napari.yaml"]


def test_console_script_is_the_command_line():
    (script,) = entry_points(group="console_scripts", name="napari-clipseg")
    assert script.load() is importlib.import_module("napari_clipseg.cli").main


@pytest.mark.skipif(not is_present("starter"), reason="the starter model is not bundled yet")
def test_python_example_of_the_readme_runs():
    (example,) = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.S)
    names: dict[str, object] = {}
    exec(example, names)
    assert names["probability"].shape == names["image"].shape
    assert names["probability"].dtype == np.float32
    assert names["labels"].max() > 0
