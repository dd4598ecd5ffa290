"""``napari-clipseg segment`` on folders: resuming, failing, keeping features, being killed."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
import zarr

from napari_clipseg.engine.labels import label
from napari_clipseg.io.opening import open_image

IMAGES = np.random.default_rng(0).integers(1, 4000, (3, 70, 90), dtype=np.uint16)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for index, image in enumerate(IMAGES):
        tifffile.imwrite(tmp_path / "in" / f"{index}.tif", image, compression="zlib")
    return tmp_path


@pytest.fixture
def run(folder, tiny_weights, command):
    """Run ``segment`` on the folder ``in`` or other inputs; return exit code, stdout, stderr."""

    def run(*arguments, images="in", output="out"):
        files = (folder / images, "--model", tiny_weights, "--output", folder / output)
        return command("segment", *files, *arguments)

    return run


def summary(folder, output="out"):
    with (folder / output / "summary.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def probabilities(folder, output="out"):
    return {
        path.name: np.asarray(open_image(path).data)
        for path in sorted((folder / output).glob("*.probability.tif"))
    }


def assert_equal(left, right):
    assert left.keys() == right.keys()
    for name, values in left.items():
        np.testing.assert_array_equal(values, right[name])


@pytest.mark.parametrize("images", ["in", "in/*.tif"])
def test_a_folder_or_a_pattern_is_all_its_images_and_the_summary_tells_of_each(run, folder, images):
    assert run("-p", "nuclei", "-p", "cells", "--threshold", "0.5", images=images)[0] == 0
    rows = summary(folder)
    assert [row["file"][-5:] for row in rows] == [f"{i}.tif" for i in (0, 0, 1, 1, 2, 2)]
    assert [row["prompt"] for row in rows] == ["nuclei", "cells"] * 3
    assert {row["status"] for row in rows} == {"done"}
    for row in rows:
        name = f"{row['file'][-5]}.{row['prompt']}.labels.tif"
        labels = np.asarray(open_image(folder / "out" / name).data)
        assert int(row["objects"]) == labels.max()
        assert int(row["area_px"]) == np.count_nonzero(labels)


def test_one_failed_file_does_not_stop_the_rest(run, folder):
    (folder / "in" / "0.tif").write_bytes(b"no image")
    code, said, complaint = run("-p", "nuclei")
    assert code == 1
    assert [line.split()[0] for line in said.splitlines()] == ["1.tif", "2.tif"]
    assert complaint.count("\n") == 2
    assert "0.tif: " in complaint
    assert "1 of 3 images failed" in complaint
    assert [row["status"] for row in summary(folder)] == ["failed", "done", "done"]
    assert "cannot be read as an image" in summary(folder)[0]["message"]
    assert len(probabilities(folder)) == 2


def test_resume_skips_what_is_done_and_unchanged(run, folder):
    run("-p", "nuclei")
    first = summary(folder)
    tifffile.imwrite(folder / "in" / "1.tif", IMAGES[1] // 2)
    (folder / "out" / "2.nuclei.labels.tif").unlink()
    assert run("-p", "nuclei", "--resume")[0] == 0
    rows = summary(folder)
    assert [row["status"] for row in rows] == ["skipped", "done", "done"]
    assert [rows[0][name] for name in ("objects", "area_px")] == [
        first[0][name] for name in ("objects", "area_px")
    ]


@pytest.mark.parametrize(
    "changed", [("--threshold", "0.3"), ("--min-size", "3"), ("--zoom", "2"), ("--contrast", "0,9")]
)
def test_resume_with_other_settings_does_it_again(run, folder, changed):
    run("-p", "nuclei")
    run("-p", "nuclei", "--resume", *changed)
    assert {row["status"] for row in summary(folder)} == {"done"}


def test_a_recipe_gives_options_and_the_command_line_wins(run, folder):
    recipe = folder / "run.toml"
    recipe.write_text('prompt = ["nuclei", "cells"]\nthreshold = 0.25\ncontrast = [0, 4000]\n')
    assert run("--recipe", recipe)[0] == 0
    assert len(probabilities(folder)) == 6
    assert run("--recipe", recipe, "-p", "other", output="two")[0] == 0
    assert sorted(probabilities(folder, "two")) == [f"{i}.other.probability.tif" for i in range(3)]


def test_one_text_in_a_recipe_is_one_prompt(run, folder):
    (folder / "run.toml").write_text('prompt = "nuclei"\n')
    assert run("--recipe", folder / "run.toml", images="in/0.tif")[0] == 0
    assert list(probabilities(folder)) == ["0.nuclei.probability.tif"]


LABELLED = ("--threshold", "0.4", "--min-size", "2", "--fill-holes", "30", "--smoothing", "1.5")


def test_the_recipe_of_a_run_repeats_it(run, folder):
    templates = ("--template", "a photo of a {}", "--template", "many {}")
    run("-p", "nuclei", "--zoom", "2", *templates, *LABELLED, images="in/0.tif")
    recipe = folder / "out" / "0.recipe.json"
    assert run("--recipe", recipe, images="in/0.tif", output="two")[0] == 0
    assert_equal(probabilities(folder), probabilities(folder, "two"))
    record = json.loads((folder / "two" / "0.recipe.json").read_text())
    assert record["prompts"][0]["templates"] == ["a photo of a {}", "many {}"]
    assert record["job"]["options"]["fill_holes"] == 30
    assert record["job"]["options"]["smoothing"] == 1.5
    labels = [tifffile.imread(folder / out / "0.nuclei.labels.tif") for out in ("out", "two")]
    np.testing.assert_array_equal(*labels)


def test_labels_are_smoothed_and_holes_filled_as_by_the_engine(run, folder):
    run("-p", "nuclei", *LABELLED, images="in/0.tif")
    (probability,) = probabilities(folder).values()
    expected = label(probability, threshold=0.4, min_size=2, fill_holes=30, smoothing=1.5)
    assert expected.max() > 0
    assert (expected != label(probability, threshold=0.4, min_size=2)).any()
    made = tifffile.imread(folder / "out" / "0.nuclei.labels.tif")
    np.testing.assert_array_equal(made, expected)


def test_a_template_changes_what_the_model_reads(run, folder):
    run("-p", "nuclei", images="in/0.tif")
    run("-p", "nuclei", "--template", "a photo of a {}", images="in/0.tif", output="two")
    (plain,), (within,) = (probabilities(folder, out).values() for out in ("out", "two"))
    assert np.abs(plain - within).max() > 1e-4
    code, _, complaint = run("-p", "nuclei", "--template", "no place", images="in/0.tif")
    assert code == 2
    assert "needs {} for the phrase" in complaint


@pytest.fixture
def mask(folder):
    painted = np.zeros(IMAGES[0].shape, np.uint8)
    painted[20:40, 30:50] = 1
    tifffile.imwrite(folder / "mask.tif", painted)
    return folder / "mask.tif"


@pytest.mark.parametrize(
    ("asked", "files"),
    [
        (("-p", "nuclei"), ["0.example", "0.nuclei"]),
        ((), ["0.example"]),
        (("-p", "nuclei", "-p", "cells", "--mix", "0.3"), ["0.cells-example", "0.nuclei-example"]),
    ],
    ids=["text and example", "example", "mix"],
)
def test_the_recipe_of_a_run_with_an_example_repeats_it_with_the_mask(
    run, folder, mask, asked, files
):
    assert run(*asked, "--support-mask", mask, images="in/0.tif")[0] == 0
    recipe = ("--recipe", folder / "out" / "0.recipe.json")
    assert run(*recipe, "--support-mask", mask, images="in/0.tif", output="two")[0] == 0
    assert list(probabilities(folder)) == [f"{file}.probability.tif" for file in files]
    assert_equal(probabilities(folder), probabilities(folder, "two"))
    records = [json.loads((folder / out / "0.recipe.json").read_text()) for out in ("out", "two")]
    assert records[0] == records[1]

    code, _, complaint = run(*recipe, images="in/0.tif", output="three")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "0.recipe.json is of a run with a painted example" in complaint
    assert "give its mask with --support-mask" in complaint
    assert "JSON" not in complaint
    assert not (folder / "three").exists()


def test_a_recipe_of_several_examples_says_what_to_do_instead(run, folder, mask):
    run("--support-mask", mask, images="in/0.tif")
    record = json.loads((folder / "out" / "0.recipe.json").read_text())
    record["prompts"].append({**record["prompts"][0], "mask": "another"})
    (folder / "two.json").write_text(json.dumps(record))
    code, _, complaint = run("--recipe", folder / "two.json", "--support-mask", mask)
    assert (code, complaint.count("\n")) == (2, 1)
    assert "several examples" in complaint


@pytest.mark.parametrize("contrast", ["auto", "100,3000"])
def test_a_folder_is_resumed_with_the_recipe_of_one_of_its_images(run, folder, contrast):
    tifffile.imwrite(folder / "in" / "1.tif", IMAGES[1] // 2)
    run("-p", "nuclei", "--contrast", contrast)
    recipe = ("--recipe", folder / "out" / "0.recipe.json")
    assert run(*recipe, "--resume")[0] == 0
    assert {row["status"] for row in summary(folder)} == {"skipped"}
    assert run(*recipe, output="two")[0] == 0
    assert_equal(probabilities(folder), probabilities(folder, "two"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "colour = 1", "'colour', which is no option"),
        ("a.toml", "prompt = ", "cannot be read"),
        ("a.json", "{", "cannot be read"),
        ("missing.toml", None, "there is no file"),
    ],
)
def test_a_bad_recipe_is_refused(run, folder, name, text, message):
    if text is not None:
        (folder / name).write_text(text)
    code, _, complaint = run("--recipe", folder / name)
    assert (code, complaint.count("\n")) == (2, 1)
    assert message in complaint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--probability", "float16"), "TIFF has no float16"),
        (("--features-budget", "1"), "needs --features"),
        (("--channels", "1,2"), "neither one channel nor three"),
    ],
)
def test_options_that_cannot_work_are_refused(run, arguments, message):
    code, _, complaint = run("-p", "nuclei", *arguments)
    assert (code, complaint.count("\n")) == (2, 1)
    assert message in complaint


def test_a_folder_without_images_and_results_among_images_are_refused(run, folder):
    (folder / "empty").mkdir()
    assert "holds no image" in run("-p", "nuclei", images="empty")[2]
    assert "no file matches the pattern" in run("-p", "nuclei", images="in/*.png")[2]
    assert "holds the images" in run("-p", "nuclei", output="in")[2]


def test_zarr_in_zarr_out(run, folder):
    image = np.stack([IMAGES[0]] * 4, -1)
    image[:30] = 0
    zarr.create_array(folder / "a.zarr", data=image)
    options = ("-p", "nuclei", "--channels", "3,0,1", "--nodata", "0", "--format", "zarr")
    assert run(*options, "--probability", "uint8", images="a.zarr")[0] == 0
    path = folder / "out" / "a.nuclei.ome.zarr"
    probability = np.asarray(open_image(path).data)
    assert probability.dtype == np.uint8
    assert probability[:30].max() == 0
    assert probability[30:].min() > 0
    assert run(*options, "--probability", "uint8", "--resume", images="a.zarr")[1].count("skipped")


def test_features_are_kept_found_again_and_pruned(run, folder, command, monkeypatch):
    run("-p", "nuclei", output="plain")
    kept = folder / "features"
    assert run("-p", "nuclei", "--features", kept)[0] == 0
    assert_equal(probabilities(folder), probabilities(folder, "plain"))
    monkeypatch.setattr("napari_clipseg.engine.network.Network.encode", None)
    assert run("-p", "cells", "--features", kept, output="later")[0] == 0
    for words, expected in (
        (("list", kept), "3 encoded images"),
        (("prune", kept, "--budget", "0"), "removed 0-"),
        (("list", kept), "0 encoded images, 0.0 MB"),
    ):
        code, said, _ = command("features", *words)
        assert code == 0
        assert expected in said


def test_kept_features_that_cannot_be_read_are_encoded_anew(run, folder):
    options, kept = ("-p", "nuclei", "--features", folder / "features"), folder / "features"
    assert run(*options)[0] == 0
    for stamp in kept.glob("*/zarr.json"):
        stamp.write_text("junk")
    assert run(*options, output="later")[0] == 0
    assert_equal(probabilities(folder, "later"), probabilities(folder))
    assert not any(stamp.read_text() == "junk" for stamp in kept.glob("*/zarr.json"))


def test_a_budget_below_one_image_is_one_clear_error(run, folder):
    code, _, complaint = run("-p", "a", "--features", folder / "f", "--features-budget", "1e-6")
    assert code == 1
    assert complaint.count("more than the budget") == 3


def test_a_full_disk_leaves_earlier_results_and_nothing_half(run, folder, monkeypatch):
    run("-p", "nuclei", images="in/0.tif")
    before = probabilities(folder)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tifffile.imwrite", full)
    code, _, complaint = run("-p", "nuclei", "--contrast", "0,9", images="in/0.tif")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "No space left on device" in complaint
    assert_equal(probabilities(folder), before)
    assert not list((folder / "out").glob(".*"))


@pytest.mark.slow
def test_killed_runs_go_on_to_the_identical_result(folder, tiny_weights, run):
    big = np.random.default_rng(1).integers(0, 4000, (900, 900), dtype=np.uint16)
    tifffile.imwrite(folder / "in" / "0.tif", big, compression="zlib")
    run("-p", "nuclei", output="expected")
    options = ["--output", str(folder / "out"), "--features", str(folder / "f"), "--resume"]
    command = ["segment", str(folder / "in"), "-p", "nuclei", "--model", str(tiny_weights)]
    code = f"from napari_clipseg.cli import main; main({[*command, *options]!r})"
    rng = random.Random(0)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while not (folder / "f").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 3))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        visible = [path for path in (folder / "out").glob("*") if not path.name.startswith(".")]
        for path in visible:
            assert path.suffix != ".tif" or np.asarray(open_image(path).data).size
    assert run("-p", "nuclei", "--features", folder / "f", "--resume")[0] == 0
    assert_equal(probabilities(folder), probabilities(folder, "expected"))
    assert not list((folder / "out").glob(".*"))
