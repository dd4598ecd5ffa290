import json
import subprocess
import sys

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from napari_clipseg import Recipe, Segmenter
from napari_clipseg.cli import main
from napari_clipseg.cli.demo_run import example_mask, intersection_over_union
from napari_clipseg.io.demo import demo_truth
from napari_clipseg.io.opening import open_image
from napari_clipseg.io.picture import PixelSize
from napari_clipseg.model.weights import is_present

IMAGE = np.random.default_rng(0).integers(0, 4000, (70, 90), dtype=np.uint16)
MASK = np.zeros((70, 90), np.uint8)
MASK[20:40, 30:50] = 1

HELP = "import sys; from napari_clipseg.cli import main; main(['segment', '--help'])"


@pytest.fixture
def folder(tmp_path):
    metadata = {"unit": "micron"}
    tifffile.imwrite(
        tmp_path / "cells.tif", IMAGE, imagej=True, resolution=(4, 2), metadata=metadata
    )
    tifffile.imwrite(tmp_path / "mask.tif", MASK)
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([IMAGE, IMAGE[::-1]]), photometric=1)
    return tmp_path


@pytest.fixture
def run(folder, tiny_weights, capsys):
    """Run ``segment`` on files of the folder; return exit code, stdout and stderr."""

    def run(*arguments, model=tiny_weights, output="out"):
        files = [f"{folder / each}" if each.endswith(".tif") else each for each in arguments]
        with pytest.raises(SystemExit) as leaving:
            main(["segment", *files, "--model", str(model), "--output", str(folder / output)])
        return leaving.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def command(capsys):
    def command(*arguments):
        with pytest.raises(SystemExit) as leaving:
            main(arguments)
        return leaving.value.code, *capsys.readouterr()

    return command


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_text_prompts_give_probability_labels_and_recipe(run, folder, tiny_model):
    code, said, _ = run("cells.tif", "--prompt", "nuclei", "--prompt", "red cells")
    assert code == 0
    assert names(folder / "out") == [
        "cells.nuclei.labels.tif",
        "cells.nuclei.probability.tif",
        "cells.recipe.json",
        "cells.red-cells.labels.tif",
        "cells.red-cells.probability.tif",
        "summary.csv",
    ]
    first, second = said.splitlines()
    assert first.startswith("cells.tif  nuclei: ")
    assert "of the area, peak probability" in second
    probability = open_image(folder / "out" / "cells.nuclei.probability.tif")
    labels = open_image(folder / "out" / "cells.nuclei.labels.tif")
    assert (probability.data.dtype, labels.data.dtype) == (np.float32, np.int32)
    expected = Segmenter(tiny_model).probability(IMAGE, ["nuclei", "red cells"])
    np.testing.assert_allclose(probability.data, expected[0], atol=1e-6)
    above = np.asarray(probability.data) > tiny_model.config.threshold
    np.testing.assert_array_equal(np.asarray(labels.data) > 0, above)


def test_results_keep_the_pixel_size(run, folder):
    run("cells.tif", "--prompt", "nuclei")
    for kind in ("probability", "labels"):
        size = open_image(folder / "out" / f"cells.nuclei.{kind}.tif").pixel_size
        assert size == PixelSize(0.5, 0.25, "µm")


def test_recipe_can_be_read_again(run, folder):
    run("cells.tif", "--prompt", "nuclei", "--threshold", "0.4", "--contrast", "10,2000")
    text = (folder / "out" / "cells.recipe.json").read_text()
    recipe = Recipe.from_json(text)
    assert recipe.threshold == 0.4
    assert recipe.contrast == (10, 2000)
    assert json.loads(text)["prompts"][0]["text"] == "nuclei"


def test_second_run_gives_identical_files_in_place_of_the_first(run, folder):
    file = folder / "out" / "cells.nuclei.probability.tif"
    run("cells.tif", "--prompt", "nuclei")
    first = np.asarray(open_image(file).data)
    assert run("cells.tif", "--prompt", "nuclei")[0] == 0
    np.testing.assert_array_equal(open_image(file).data, first)


def test_support_mask_belongs_to_the_image_itself_by_default(run, folder):
    run("cells.tif", "--support-mask", "mask.tif")
    default = open_image(folder / "out" / "cells.example.probability.tif").data
    run("cells.tif", "--support-mask", "mask.tif", "--support-image", "cells.tif", output="two")
    given = open_image(folder / "two" / "cells.example.probability.tif").data
    np.testing.assert_array_equal(default, given)


def test_mix_joins_each_text_with_the_mask(run, folder):
    code, said, _ = run(
        "cells.tif", "--prompt", "nuclei", "--support-mask", "mask.tif", "--mix", "0.7"
    )
    assert code == 0
    assert said.startswith("cells.tif  nuclei + example: ")
    assert "cells.nuclei-example.labels.tif" in names(folder / "out")
    prompts = json.loads((folder / "out" / "cells.recipe.json").read_text())["prompts"]
    assert [each["weight"] for each in prompts] == [0.7]


def test_text_and_mask_without_mix_are_two_results(run):
    _, said, _ = run("cells.tif", "--prompt", "nuclei", "--support-mask", "mask.tif")
    assert [line.split(":")[0] for line in said.splitlines()] == [
        "cells.tif  nuclei",
        "cells.tif  example",
    ]


def test_prompts_that_would_share_a_file_name_are_numbered(run, folder):
    run("cells.tif", "--prompt", "red cells", "--prompt", "red, cells", "--prompt", "細胞")
    labels = [name for name in names(folder / "out") if name.endswith("labels.tif")]
    assert labels == [
        "cells.1-red-cells.labels.tif",
        "cells.2-red-cells.labels.tif",
        "cells.3-細胞.labels.tif",
    ]


def test_plane_of_a_stack(run, folder):
    run("stack.tif", "--prompt", "nuclei", "--plane", "0")
    run("stack.tif", "--prompt", "nuclei", "--plane", "1")
    run("cells.tif", "--prompt", "nuclei")
    written = names(folder / "out")
    assert {"stack.plane-0.recipe.json", "stack.plane-1.recipe.json"} <= set(written)
    plane = open_image(folder / "out" / "stack.plane-0.nuclei.probability.tif").data
    np.testing.assert_array_equal(
        plane, open_image(folder / "out" / "cells.nuclei.probability.tif").data
    )


def test_png_in_tiff_out(run, folder):
    imageio.imwrite(folder / "photo.png", np.stack([IMAGE.astype(np.uint8)] * 3, -1))
    assert run(str(folder / "photo.png"), "--prompt", "nuclei")[0] == 0
    assert open_image(folder / "out" / "photo.nuclei.labels.tif").data.shape == IMAGE.shape


def test_small_objects_are_dropped_on_request(run):
    settings = ("cells.tif", "--prompt", "nuclei", "--threshold", "0.5", "--min-size")
    every, large = run(*settings, "0")[1], run(*settings, "100000")[1]
    assert " 0 objects" not in every
    assert " 0 objects, 0.0% of the area" in large


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cells.tif",), "nothing to look for"),
        (("cells.tif", "--prompt", " "), "the prompt is empty"),
        (("missing.tif", "--prompt", "nuclei"), "there is no file"),
        (("cells.tif", "missing.tif", "--prompt", "nuclei"), "there is no file"),
        (("stack.tif", "--prompt", "nuclei"), "stack of"),
        (("stack.tif", "--prompt", "nuclei", "--plane", "2"), "not 2"),
        (("stack.tif", "--prompt", "nuclei", "--plane", "x"), "--plane"),
        (("cells.tif", "--prompt", "nuclei", "--contrast", "1"), "--contrast"),
        (("cells.tif", "--prompt", "nuclei", "--contrast", "9,1"), "rising"),
        (("cells.tif", "--prompt", "nuclei", "--threshold", "2"), "--threshold"),
        (("cells.tif", "--prompt", "nuclei", "--mix", "0.5"), "--mix needs both"),
        (("cells.tif", "--prompt", "nuclei", "--support-image", "cells.tif"), "--support-mask"),
        (("cells.tif", "--support-mask", "stack.tif"), "stack of"),
        (("cells.tif", "--prompt", "nuclei", "--tile", "7"), "tile"),
        (("cells.tif", "--prompt", "nuclei", "--zoom", "0"), "zoom"),
        (("cells.tif", "--prompt", "nuclei", "--device", "abacus"), "device"),
        (("cells.tif", "--prompt", "nuclei", "--no-such-option"), "no-such-option"),
        (("cells.tif", "cells.tif", "--prompt", "nuclei"), "two images"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, folder, arguments, message):
    code, said, complaint = run(*arguments)
    assert (code, said) == (2, "")
    assert complaint.count("\n") == 1
    assert message in complaint
    assert not list(folder.glob("out/*"))


def test_empty_support_mask_is_refused_before_the_model_is_read(run, folder):
    tifffile.imwrite(folder / "empty.tif", np.zeros_like(MASK))
    code, _, complaint = run("cells.tif", "--support-mask", "empty.tif", model="no-such-model")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "mask is empty" in complaint


def test_unknown_model_is_refused_with_the_near_ones(run):
    code, _, complaint = run("cells.tif", "--prompt", "nuclei", model="rd46-refined")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "rd64-refined" in complaint


def test_folder_that_cannot_be_written_is_refused(run, folder):
    code, _, complaint = run("cells.tif", "--prompt", "nuclei", output="cells.tif/out")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "output folder" in complaint


def test_input_is_never_replaced(run, folder):
    (folder / "out").mkdir()
    victim = folder / "out" / "cells.nuclei.labels.tif"
    tifffile.imwrite(victim, MASK)
    before = victim.read_bytes()
    code, _, complaint = run("cells.tif", "--prompt", "nuclei", "--support-mask", str(victim))
    assert code == 2
    assert "would be replaced" in complaint
    assert victim.read_bytes() == before


def test_ctrl_c_is_exit_code_130(run, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_clipseg.cli.run.open_picture", interrupt)
    code, _, complaint = run("cells.tif", "--prompt", "nuclei")
    assert (code, complaint.strip()) == (130, "napari-clipseg: stopped")


def test_help_comes_in_less_than_a_second():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", HELP], capture_output=True, text=True
    )
    assert "--support-mask" in done.stdout
    microseconds = [line.split(":")[1].split("|")[0] for line in done.stderr.splitlines()[1:]]
    assert sum(map(int, microseconds)) < 1e6


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
    assert names(output) == [f"{name}.{kind}" for name in ("example", "text") for kind in kinds]


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
