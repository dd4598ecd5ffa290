"""What the panel copies: the Python text runs, and the command line is taken."""

from __future__ import annotations

import dataclasses
import os
import runpy
import shlex
import subprocess
import sys
from typing import Any

import click
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel

from napari_clipseg.cli import commands, main
from napari_clipseg.widget.command_line import RULE, as_command
from napari_clipseg.widget.console import segment_layer
from napari_clipseg.widget.request import PromptRow, ResultSettings, RunRequest
from napari_clipseg.widget.script import as_python

pytestmark = pytest.mark.display


@pytest.fixture
def viewer(qapp: Any, npe2pm: Any):
    with npe2pm.tmp_plugin(package="napari"):  # its readers open the files
        yield ViewerModel()


@pytest.fixture
def picture(tmp_path) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (3, 70, 90), dtype=np.uint8)


@pytest.fixture
def image(viewer, picture, tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, picture, photometric="minisblack", metadata={"axes": "ZYX"})
    (layer,) = viewer.open(str(path), name="my 'stack'")
    layer.contrast_limits = (10, 200)
    viewer.dims.set_point(0, 1)
    return layer


def request(image: Any, tiny_weights: Any, *rows: PromptRow, **fields: Any) -> RunRequest:
    return RunRequest(image, rows, model=str(tiny_weights), device="cpu", **fields)


def run(text: str, tmp_path: Any, **known: Any) -> dict[str, Any]:
    path = tmp_path / "copied.py"
    path.write_text(text, encoding="utf-8")
    return runpy.run_path(str(path), init_globals=known)


def test_the_python_text_makes_the_same_layers_without_the_viewer(
    viewer, image, tiny_weights, tmp_path
):
    rows = (
        PromptRow(4, "nuclei", color="#56b4e9", threshold=0.45, name="seeds"),
        PromptRow(5, "background", threshold=0.4, negative=True),
    )
    asked = request(image, tiny_weights, *rows, zoom=2.0, templates=("a photo of a {}",))
    results = ResultSettings(competition=False, min_size=3, smoothing=1.0)
    text = as_python(viewer, asked, results)
    expected = segment_layer(
        viewer,
        image,
        rows,
        model=str(tiny_weights),
        device="cpu",
        zoom=2.0,
        templates=("a photo of a {}",),
        competition=False,
        min_size=3,
        smoothing=1.0,
    )
    made = run(text, tmp_path)["layers"]
    assert [each.name for each in made] == [each.name for each in expected]
    for ours, theirs in zip(made, expected, strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)
        assert ours.data[1].any() or "labels" in ours.name
        assert not ours.data[[0, 2]].any()


def test_the_python_text_runs_in_a_process_of_its_own(viewer, image, tiny_weights, tmp_path):
    row = PromptRow(4, "nuclei", threshold=0.45)
    text = as_python(viewer, request(image, tiny_weights, row), ResultSettings())
    path, result = tmp_path / "copied.py", tmp_path / "result.npy"
    path.write_text(f"{text}\nimport numpy\nnumpy.save({str(result)!r}, layers[0].data)\n", "utf-8")
    own = {"HOME": str(tmp_path), "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    done = subprocess.run(
        [sys.executable, str(path)], env=os.environ | own, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected, _ = segment_layer(viewer, image, row, model=str(tiny_weights), device="cpu")
    np.testing.assert_allclose(np.load(result), expected.data, atol=1e-6)
    assert expected.data[1].any()


def test_the_python_text_pasted_twice_updates_its_layers(viewer, image, tiny_weights, tmp_path):
    row = PromptRow(4, "nuclei", threshold=0.45)
    text = as_python(viewer, request(image, tiny_weights, row), ResultSettings())
    first = run(text, tmp_path, viewer=viewer)["layers"]
    assert run(text, tmp_path, viewer=viewer)["layers"] == first
    assert list(viewer.layers) == [image, *first]


def test_the_python_text_runs_in_the_console_with_layers_that_have_no_file(
    viewer, image, picture, tiny_weights, tmp_path
):
    mask = np.zeros(picture.shape, np.uint8)
    mask[1, 10:30, 10:30] = 2
    example = viewer.add_labels(mask, name="painted")
    row = PromptRow(1, "nuclei", example=example, label_value=2, text_share=0.25)
    asked = request(image, tiny_weights, row, region=example)
    text = as_python(viewer, asked, ResultSettings())
    assert "the Labels layer 'painted' has no file" in text
    made = run(text, tmp_path, viewer=viewer)["layers"]
    assert made[0].name == "my 'stack': nuclei + example (probability)"
    assert made[0].data[1, 10:30, 10:30].all()
    assert not made[0].data[1, 40:].any()


def test_what_is_not_said_is_what_the_panel_does_by_default(viewer, image):
    text = as_python(viewer, RunRequest(image, (PromptRow(1, "a"),)), ResultSettings())
    assert "    PromptRow(text='a', threshold=0.5)," in text
    assert "zoom" not in text
    assert "competition" not in text


def test_the_command_line_is_taken_and_gives_the_same_probability(
    viewer, image, tiny_weights, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    asked = request(image, tiny_weights, PromptRow(1, "nuclei", threshold=0.4))
    text = as_command(viewer, asked, ResultSettings())
    (line,) = text.splitlines()
    program, *words = shlex.split(line)
    assert program == "napari-clipseg"
    assert "--plane" in words
    with pytest.raises(SystemExit) as leaving:
        main(words)
    assert leaving.value.code == 0
    expected, _ = segment_layer(
        viewer, image, PromptRow(0, "nuclei", threshold=0.4), model=str(tiny_weights), device="cpu"
    )
    (written,) = (tmp_path / "results").glob("*probability*.tif")
    np.testing.assert_allclose(tifffile.imread(written), expected.data[1], atol=2e-3)


def test_what_the_command_line_cannot_say_stands_in_comments_and_the_rest_is_taken(
    viewer, image, tiny_weights
):
    example = viewer.add_labels(np.ones((3, 70, 90), np.uint8), name="painted")
    example.data[:, 9:] = 0
    rows = (
        PromptRow(1, "nuclei", example=example, text_share=0.3),
        PromptRow(2, "background", negative=True, threshold=0.6),
    )
    asked = request(
        image, tiny_weights, *rows, region=example, planes="all planes", templates=("a {}",)
    )
    results = ResultSettings(instances=False, fill_holes=5, smoothing=0.5)
    *comments, line = as_command(viewer, asked, results).splitlines()
    assert all(each.startswith("# ") for each in comments)
    told = "\n".join(comments)
    for words in (
        "write_example(",
        "whole plane",
        "One plane",
        "mixed alike",
        "threshold of the first",
        "negative",
        "compete",
        "Labels number objects",
    ):
        assert words in told, words
    command = commands.commands["segment"]
    words = shlex.split(line)[2:]
    with click.Context(command) as context:
        command.parse_args(context, words)
        assert context.params["support_mask"].name == "EXAMPLE.tif"
        assert context.params["mix"] == pytest.approx(0.3)
        assert context.params["template"] == ("a {}",)
        assert (context.params["fill_holes"], context.params["smoothing"]) == (5, 0.5)


def test_contrast_limits_are_copied_with_all_their_digits(viewer, image, tmp_path):
    image.contrast_limits_range = (0, 1e9)
    image.contrast_limits = (0.1, 123_456_789.25)
    text = as_command(viewer, RunRequest(image, (PromptRow(1, "nuclei"),)), ResultSettings())
    assert "--contrast=0.1,123456789.25" in text


def run_command(text: str, viewer: Any, tmp_path: Any, monkeypatch: Any) -> list[Any]:
    """Do what a person does with a copied command: the comments' code first, then the line."""
    monkeypatch.chdir(tmp_path)
    *comments, line = text.splitlines()
    if f"# {RULE}" in comments:
        start, end = (number for number, each in enumerate(comments) if each == f"# {RULE}")
        assert end == len(comments) - 1
        code = [each.removeprefix("# ") for each in comments[start + 1 : end]]
        exec("\n".join(code), {"viewer": viewer})
    with pytest.raises(SystemExit) as leaving:
        main(shlex.split(line)[1:])
    assert leaving.value.code == 0
    return [tifffile.imread(each) for each in sorted(tmp_path.glob("results/*probability*.tif"))]


@pytest.mark.parametrize("where", ["drawn", "one label of two", "other plane", "other image"])
def test_the_command_line_repeats_a_run_with_an_example(
    viewer, image, picture, tiny_weights, tmp_path, monkeypatch, where
):
    mask = np.zeros(picture.shape, np.uint8)
    mask[1, 40:60, 10:30], mask[1, 10:30, 10:30], mask[2, 5:9, 5:9] = 1, 2, 3
    row = PromptRow(1, label_value={"other plane": 3}.get(where), threshold=0.4)
    if where == "drawn":
        box = [(1, 10, 10), (1, 10, 30), (1, 30, 30), (1, 30, 10)]
        row = dataclasses.replace(row, example=viewer.add_shapes([box], name="drawn"))
    else:
        row = dataclasses.replace(row, example=viewer.add_labels(mask, name="painted"))
        row.example.selected_label = 2
    if where == "other image":
        limits = {"contrast_limits": (30, 99)}
        other = viewer.add_image(255 - picture.astype(np.float32), name="other", **limits)
        row = dataclasses.replace(row, example_image=other)
    asked = request(image, tiny_weights, row)
    text = as_command(viewer, asked, ResultSettings())
    two = where in ("other plane", "other image")
    assert ("the image under it to SUPPORT.tif" in text) is two
    made = run_command(text, viewer, tmp_path, monkeypatch)
    expected, _ = segment_layer(viewer, image, row, model=str(tiny_weights), device="cpu")
    np.testing.assert_allclose(made[0], expected.data[1], atol=2e-3)
    assert (tmp_path / "SUPPORT.tif").exists() is two


def test_the_command_line_repeats_a_run_on_pixels_that_are_nan(
    viewer, tiny_weights, tmp_path, monkeypatch
):
    gaps = np.random.default_rng(0).random((70, 90), np.float32)
    gaps[:, 60:] = np.nan
    tifffile.imwrite(tmp_path / "gaps.tif", gaps)
    (image,) = viewer.open(str(tmp_path / "gaps.tif"), name="gaps")
    image.contrast_limits = (0, 1)
    row = PromptRow(1, "nuclei", threshold=0.4)
    text = as_command(viewer, request(image, tiny_weights, row), ResultSettings())
    assert "--nodata nan" in text
    (made,) = run_command(text, viewer, tmp_path, monkeypatch)
    expected, _ = segment_layer(viewer, image, row, model=str(tiny_weights), device="cpu")
    np.testing.assert_allclose(made, expected.data, atol=2e-3)
    assert not expected.data[:, 60:].any()


def test_a_value_that_means_nothing_to_the_file_but_not_to_the_panel_is_named(
    viewer, tiny_weights, tmp_path, monkeypatch
):
    pixels = np.random.default_rng(0).integers(0, 9, (70, 90), np.uint8)
    tag = (42113, "s", 0, "0", True)  # GDAL_NODATA
    tifffile.imwrite(tmp_path / "coded.tif", pixels, extratags=[tag])
    (image,) = viewer.open(str(tmp_path / "coded.tif"), name="coded")
    image.contrast_limits = (0, 9)
    row = PromptRow(1, "nuclei", threshold=0.4)
    text = as_command(viewer, request(image, tiny_weights, row), ResultSettings())
    (made,) = run_command(text, viewer, tmp_path, monkeypatch)
    expected, _ = segment_layer(viewer, image, row, model=str(tiny_weights), device="cpu")
    np.testing.assert_allclose(made, expected.data, atol=2e-3)


@pytest.fixture
def channels(viewer, tmp_path) -> Any:
    """Open five channels of two slices, from a file that names its axes so."""

    def channels(axes: str) -> Any:
        pixels = np.random.default_rng(0).integers(0, 255, (2, 5, 70, 90), dtype=np.uint8)
        path = tmp_path / "channels.tif"
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": axes})
        (layer,) = viewer.open(str(path), name="channels")
        viewer.dims.set_point(0, 1)
        return layer

    return channels


@pytest.mark.parametrize("axis", [1, -3])
@pytest.mark.parametrize("chosen", [(3,), (2, 0, 1)])
def test_the_command_line_repeats_a_run_on_channels_of_the_file(
    viewer, channels, tiny_weights, tmp_path, monkeypatch, axis, chosen
):
    image, row = channels("ZCYX"), PromptRow(1, "nuclei", threshold=0.4)
    how = {"channels": chosen, "channel_axis": axis, "contrast": "auto"}
    text = as_command(viewer, request(image, tiny_weights, row, **how), ResultSettings())
    assert f"--plane 1 --channels {','.join(map(str, chosen))}" in text
    (made,) = run_command(text, viewer, tmp_path, monkeypatch)
    expected, _ = segment_layer(viewer, image, row, model=str(tiny_weights), device="cpu", **how)
    np.testing.assert_allclose(made, expected.data[1, 0], atol=2e-3)


@pytest.mark.parametrize("axes", ["ZTYX", "ZQYX"])
def test_channels_on_an_axis_that_the_file_calls_otherwise_stand_in_a_comment(
    viewer, channels, tiny_weights, axes
):
    asked = request(
        channels(axes), tiny_weights, PromptRow(1, "nuclei"), channels=(2, 0, 1), channel_axis=1
    )
    *comments, line = as_command(viewer, asked, ResultSettings()).splitlines()
    assert "# --channels 2,0,1 was meant: it needs a file that calls that axis channels (C)." in (
        comments
    )
    assert "--channels" not in line


def test_the_record_of_a_run_is_a_recipe_for_the_command_line(
    viewer, channels, tiny_weights, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    image, row = channels("ZCYX"), PromptRow(1, "nuclei", threshold=0.4)
    how = {"channels": (2, 0, 1), "channel_axis": 1}
    made = segment_layer(viewer, image, row, model=str(tiny_weights), device="cpu", **how)
    capsys.readouterr()  # the bar of the run
    for layer in made:
        (record,) = layer.metadata["napari_clipseg"].values()
        (tmp_path / "run.json").write_text(record, encoding="utf-8")
        with pytest.raises(SystemExit) as leaving:
            main(["segment", "channels.tif", "--recipe", "run.json", "--plane=1", "-o", "again"])
        assert (leaving.value.code, capsys.readouterr().err) == (0, "")
        written = tifffile.imread(tmp_path / "again" / "channels.plane-1.nuclei.probability.tif")
        np.testing.assert_allclose(written, made[0].data[1, 0], atol=2e-3)


def test_an_example_that_is_not_painted_yet_is_told(viewer, image):
    rows = (PromptRow(1, example=viewer.add_labels(np.zeros((3, 70, 90), np.uint8), name="empty")),)
    text = as_command(viewer, RunRequest(image, rows), ResultSettings())
    assert "# There is no example yet. Nothing is painted with label 1 of 'empty'" in text


def test_the_python_text_names_the_label_that_is_selected_and_the_contrast_under_it(viewer, image):
    painted = viewer.add_labels(np.ones((3, 70, 90), np.uint8), name="painted")
    other = viewer.add_image(np.ones((70, 90)), name="other", contrast_limits=(0, 3))
    painted.selected_label = 7
    rows = (PromptRow(1, example=painted, example_image=other),)
    text = as_python(viewer, RunRequest(image, rows, contrast="auto"), ResultSettings())
    assert "label_value=7" in text
    assert "viewer.layers['other'].contrast_limits = (0.0, 3.0)" in text
    assert "viewer.layers[\"my 'stack'\"].contrast_limits" not in text


@pytest.mark.parametrize("copy", [as_python, as_command])
def test_without_a_prompt_the_text_says_so(viewer, image, copy):
    text = copy(viewer, RunRequest(image, ()), ResultSettings())
    assert text.strip().splitlines()[-1].startswith("# The panel has no prompt: ")


def test_without_an_image_the_text_says_so(viewer):
    nothing = RunRequest(None, ())
    assert "choose one" in as_python(viewer, nothing, ResultSettings())
    compile(as_python(viewer, nothing, ResultSettings()), "copied", "exec")
    assert as_command(viewer, nothing, ResultSettings()).startswith("#")
