"""Help, demo, info, weights and train: what they say and how they end."""

import subprocess
import sys

import numpy as np
import pytest

from napari_clipseg.cli.demo_run import example_mask, intersection_over_union
from napari_clipseg.io.demo import demo_truth
from napari_clipseg.model.weights import is_present

HEAVY = {"torch", "numpy", "napari", "qtpy", "zarr", "open_clip"}

HELP = """
import sys
from napari_clipseg.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("words", [(), ("segment",), ("train",), ("study", "ablation")])
def test_help_waits_for_no_heavy_library(words):
    given = [sys.executable, "-c", HELP, *words, "--help"]
    done = subprocess.run(given, capture_output=True, text=True)
    assert done.stdout.startswith("Usage: napari-clipseg")
    assert not HEAVY & set(done.stderr.split())


def test_without_a_command_help_is_shown(command):
    code, said, _ = command()
    assert code == 0
    assert "weights" in said


def test_demo_writes_results_and_tells_the_agreement(command, tmp_path, tiny_weights):
    output = tmp_path / "demo"
    code, said, _ = command("demo", "--model", str(tiny_weights), "--output", str(output))
    assert code == 0
    assert said.count("IoU") == 2
    kinds = ("labels.tif", "overlay.png", "probability.tif")
    expected = {f"{name}.{kind}" for name in ("example", "text") for kind in kinds}
    assert {path.name for path in output.iterdir()} == expected


@pytest.mark.skipif(not is_present("starter"), reason="the starter model is not bundled yet")
def test_bundled_model_finds_the_nuclei_of_the_demo(command, tmp_path):
    code, said, _ = command("demo", "--output", str(tmp_path))
    assert code == 0
    text, example, _ = said.splitlines()
    assert float(text.split("IoU ")[1].split(",")[0]) > 0.6
    assert float(example.split("IoU ")[1].split(",")[0]) > 0.4


def test_demo_example_is_a_few_whole_nuclei():
    truth = demo_truth()
    chosen = np.unique(truth[example_mask(truth)])
    assert len(chosen) == 3
    border = np.concatenate([truth[[0, -1]].ravel(), truth[:, [0, -1]].ravel()])
    assert not set(chosen) & set(border)


def test_intersection_over_union():
    left, right = np.array([1, 1, 0, 0], bool), np.array([0, 1, 1, 0], bool)
    assert intersection_over_union(left, right) == pytest.approx(1 / 3)
    assert intersection_over_union(left, ~left) == 0
    assert intersection_over_union(left & ~left, left & ~left) == 1


def test_info_tells_versions_devices_and_weights(command):
    code, said, _ = command("info")
    assert code == 0
    for word in ("torch", "devices", "threads", "weights here", "weights cache"):
        assert word in said


def test_weights_list_shows_every_model_with_its_licence(command):
    code, said, _ = command("weights", "list")
    assert code == 0
    for word in ("starter", "rd64-refined", "rd64", "rd16", "none granted by the authors"):
        assert word in said


def test_weights_path_of_missing_weights_says_how_to_get_them(command, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_CLIPSEG_CACHE", str(tmp_path))
    code, _, complaint = command("weights", "path", "rd64-refined")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "weights fetch rd64-refined" in complaint


def test_weights_are_not_fetched_unless_the_licence_is_accepted(command, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_CLIPSEG_CACHE", str(tmp_path))
    code, _, complaint = command("weights", "fetch", "rd64-refined")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "no licence" in complaint
    assert "--yes" in complaint


def test_weights_fetch_offline_says_what_to_do(command, monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_CLIPSEG_CACHE", str(tmp_path))
    monkeypatch.setenv("NAPARI_CLIPSEG_OFFLINE", "1")
    code, _, complaint = command("weights", "fetch", "rd64-refined", "--yes")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "network" in complaint


def test_weights_verify_says_what_was_checked(command, tiny_weights):
    code, said, _ = command("weights", "verify", str(tiny_weights))
    assert code == 0
    assert f"{tiny_weights}\nunchecked SHA-256" in said


def test_weights_that_are_wrong_are_exit_code_2(command, tiny_weights):
    code, said, complaint = command("weights", "verify", str(tiny_weights), "--as", "rd64")
    assert code == 2
    assert "WRONG" in said
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "message"), [(None, "there is no file"), ("nonsense = 1", "nonsense")]
)
def test_train_refuses_a_bad_configuration(command, tmp_path, content, message):
    file = tmp_path / "config.toml"
    if content is not None:
        file.write_text(content)
    code, _, complaint = command("train", str(file), "--output", str(tmp_path / "run"))
    assert (code, complaint.count("\n")) == (2, 1)
    assert message in complaint
