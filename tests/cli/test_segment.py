import json
import os
import signal
import subprocess
import sys
import time

import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from napari_clipseg import MaskPrompt, Recipe, Segmenter
from napari_clipseg.io.opening import open_image
from napari_clipseg.io.picture import PixelSize

IMAGE = np.random.default_rng(0).integers(0, 4000, (70, 90), dtype=np.uint16)
MASK = np.zeros((70, 90), np.uint8)
MASK[20:40, 30:50] = 1
FIVE = np.stack([IMAGE // (each + 1) for each in range(5)])
FIVE[3] = FIVE[3][::-1]


@pytest.fixture
def folder(tmp_path):
    metadata = {"unit": "micron"}
    tifffile.imwrite(
        tmp_path / "cells.tif", IMAGE, imagej=True, resolution=(4, 2), metadata=metadata
    )
    tifffile.imwrite(tmp_path / "mask.tif", MASK)
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([IMAGE, IMAGE[::-1]]), photometric=1)
    settings = {"photometric": "minisblack", "metadata": {"axes": "CYX"}}
    tifffile.imwrite(tmp_path / "five.tif", FIVE, **settings)
    settings["metadata"] = {"axes": "ZCYX"}
    tifffile.imwrite(tmp_path / "zc.tif", np.stack([FIVE, FIVE]), **settings)
    return tmp_path


@pytest.fixture
def run(folder, tiny_weights, command):
    """Run ``segment`` on files of the folder; return exit code, stdout and stderr."""

    def run(*arguments, model=tiny_weights, output="out"):
        files = [folder / each if str(each).endswith(".tif") else each for each in arguments]
        return command("segment", *files, "--model", model, "--output", folder / output)

    return run


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
    assert run(folder / "photo.png", "--prompt", "nuclei")[0] == 0
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
        (("stack.tif", "--prompt", "nuclei"), "a stack of 2 planes; choose one, e.g. --plane 0\n"),
        (
            ("stack.tif", "--prompt", "nuclei", "--plane", "2"),
            "no plane 2; choose one, e.g. --plane 0\n",
        ),
        (("stack.tif", "--prompt", "nuclei", "--plane", "x"), "--plane"),
        (("cells.tif", "--prompt", "nuclei", "--contrast", "1"), "--contrast"),
        (("cells.tif", "--prompt", "nuclei", "--contrast", "9,1"), "rising"),
        (("cells.tif", "--prompt", "nuclei", "--threshold", "2"), "--threshold"),
        (("cells.tif", "--prompt", "nuclei", "--threshold", "nan"), "not a finite number"),
        (
            ("cells.tif", "--prompt", "nuclei", "--features", "f", "--features-budget", "inf"),
            "not a finite number",
        ),
        (("cells.tif", "--prompt", "nuclei", "--mix", "0.5"), "--mix needs both"),
        (("cells.tif", "--prompt", "nuclei", "--support-image", "cells.tif"), "--support-mask"),
        (("cells.tif", "--support-mask", "stack.tif"), "stack of"),
        (("cells.tif", "--prompt", "nuclei", "--tile", "7"), "tile"),
        (("cells.tif", "--prompt", "nuclei", "--zoom", "0"), "zoom"),
        (("cells.tif", "--prompt", "nuclei", "--device", "abacus"), "device"),
        (("cells.tif", "--prompt", "nuclei", "--no-such-option"), "no-such-option"),
        (("cells.tif", "--prompt", "nuclei", "--smoothing", "51"), "--smoothing"),
        (
            ("cells.tif", "--support-mask", "mask.tif", "--template", "a {}"),
            "--template needs --prompt",
        ),
        (("cells.tif", "--support-mask", "stack.tif"), "save the plane that is meant as a file"),
        (
            ("cells.tif", "--support-mask", "mask.tif", "--support-image", "stack.tif"),
            "save the plane that is meant as a file",
        ),
        (("five.tif", "--prompt", "nuclei"), "e.g. --plane 0, or three as red"),
        (("five.tif", "--prompt", "nuclei"), "five.tif has 5 channels"),
        (("five.tif", "--prompt", "nuclei", "--channels", "5"), "has the channels 0 to 4"),
        (("cells.tif", "--prompt", "nuclei", "--channels", "1"), "has one channel, 0"),
        (
            ("zc.tif", "--prompt", "nuclei"),
            "--plane 0,0 for one channel, or --plane 0 --channels 0,1,2 for three",
        ),
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


def test_a_blank_model_is_not_the_folder_one_is_in(run):
    code, _, complaint = run("cells.tif", "--prompt", "nuclei", model="")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "no model is named" in complaint


def test_folder_that_cannot_be_written_is_refused(run, folder):
    code, _, complaint = run("cells.tif", "--prompt", "nuclei", output="cells.tif/out")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "cells.tif/out cannot be written to" in complaint


def test_a_folder_for_features_that_is_a_file_is_named(run, folder):
    code, _, complaint = run("cells.tif", "--prompt", "nuclei", "--features", "mask.tif")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "mask.tif cannot be written to" in complaint


def test_names_with_spaces_and_letters_of_any_script_are_kept(run, folder):
    (folder / "mes images").mkdir()
    tifffile.imwrite(folder / "mes images" / "çà 1.tif", IMAGE)
    assert run(folder / "mes images" / "çà 1.tif", "--prompt", "nuclei")[0] == 0
    assert "çà 1.nuclei.labels.tif" in names(folder / "out")


@pytest.mark.parametrize(
    "image",
    [
        np.linspace(0, 1, 6300, dtype=np.float32).reshape(70, 90),
        np.full((1, 1), 7, np.uint8),
        np.stack([IMAGE] * 4, -1),
    ],
    ids=["float in 0 to 1", "one pixel", "RGBA of 16 bits"],
)
def test_images_of_all_kinds_are_taken(run, folder, image):
    photometric = "rgb" if image.ndim == 3 else "minisblack"
    tifffile.imwrite(folder / "cells.tif", image, photometric=photometric)
    assert run("cells.tif", "--prompt", "nuclei")[0] == 0
    labels = open_image(folder / "out" / "cells.nuclei.labels.tif").data
    assert labels.shape == image.shape[:2]


def test_pixels_that_are_no_number_need_a_word_on_it(run, folder):
    image = IMAGE.astype(np.float32)
    image[:20] = np.nan
    tifffile.imwrite(folder / "cells.tif", image)
    for how in ((), ("--contrast", "0,4000"), ("--support-mask", "mask.tif")):
        code, _, complaint = run("cells.tif", "--prompt", "nuclei", *how)
        assert (code, complaint.count("\n")) == (2, 1)
        assert f"{folder / 'cells.tif'} holds NaN pixels" in complaint
        assert "--nodata nan" in complaint
        assert "numpy" not in complaint
    assert run("cells.tif", "--prompt", "nuclei", "--nodata", "nan")[0] == 0


def test_infinite_pixels_are_not_sent_to_an_option_that_does_not_help(run, folder):
    image = IMAGE.astype(np.float32)
    image[:20], image[30] = np.inf, np.nan
    tifffile.imwrite(folder / "cells.tif", image)
    for how in ((), ("--nodata", "nan")):
        code, _, complaint = run("cells.tif", "--prompt", "nuclei", *how)
        assert (code, complaint.count("\n")) == (2, 1)
        assert "cells.tif holds infinite pixels; replace them in the file\n" in complaint


def test_a_support_mask_with_nan_is_refused(run, folder):
    painted = np.where(MASK == 1, np.float32(1), np.float32(np.nan))
    tifffile.imwrite(folder / "mask.tif", painted)
    code, _, complaint = run("cells.tif", "--support-mask", "mask.tif")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "mask.tif holds NaN: a support mask is 0 but for the example" in complaint


def test_an_image_that_is_named_twice_is_taken_once(run, folder, monkeypatch):
    monkeypatch.chdir(folder)
    _, said, _ = run("cells.tif", str(folder / "mask.tif"), "./cells.tif", "-p", "nuclei")
    assert [line.split()[0] for line in said.splitlines()] == ["cells.tif", "mask.tif"]


def test_images_whose_results_share_a_name_are_refused(run, folder):
    (folder / "more").mkdir()
    for path in (folder / "more" / "cells.tif", folder / "Cells.tif"):
        tifffile.imwrite(path, IMAGE)
        code, _, complaint = run("cells.tif", str(path), "--prompt", "nuclei")
        assert (code, complaint.count("\n")) == (2, 1)
        assert "two images would both be written to" in complaint


def test_prompts_that_differ_in_capital_letters_have_files_of_their_own(run, folder):
    run("cells.tif", "-p", "Nuclei", "-p", "nuclei")
    labels = [name for name in names(folder / "out") if name.endswith("labels.tif")]
    assert labels == ["cells.1-Nuclei.labels.tif", "cells.2-nuclei.labels.tif"]


@pytest.mark.parametrize("name", ["cells.nuclei.labels.tif", "cells.recipe.json", "summary.csv"])
def test_a_folder_in_the_place_of_a_result_is_named_before_the_run(run, folder, name):
    run("cells.tif", "--prompt", "nuclei")
    (folder / "out" / name).unlink()
    (folder / "out" / name).mkdir()
    before = (folder / "out" / "cells.nuclei.probability.tif").read_bytes()
    code, said, complaint = run("cells.tif", "--prompt", "nuclei", "--contrast", "0,9")
    assert (code, said, complaint.count("\n")) == (2, "", 1)
    assert f"{name} is a folder, where a file is to be written" in complaint
    assert (folder / "out" / "cells.nuclei.probability.tif").read_bytes() == before


def test_channels_of_a_tiff_are_seen_as_colours_by_text_and_by_example(run, folder, tiny_model):
    channels = ("five.tif", "--channels", "2,0,1", "--contrast", "0,4000")
    assert run(*channels, "-p", "nuclei", "--support-mask", "mask.tif")[0] == 0
    colour = np.moveaxis(FIVE[[2, 0, 1]], 0, -1)
    prompts = ["nuclei", MaskPrompt(colour, MASK, (0, 4000))]
    expected = Segmenter(tiny_model).probability(colour, prompts, contrast=(0, 4000))
    for name, values in zip(("nuclei", "example"), expected, strict=True):
        made = open_image(folder / "out" / f"five.{name}.probability.tif").data
        np.testing.assert_allclose(made, values, atol=1e-6)


def test_a_channel_of_a_tiff_is_the_same_by_plane_and_by_channels(run, folder):
    run("five.tif", "--channels", "3", "-p", "nuclei")
    run("five.tif", "--plane", "3", "-p", "nuclei")
    made = [
        open_image(folder / "out" / f"five{plane}.nuclei.probability.tif").data
        for plane in ("", ".plane-3")
    ]
    np.testing.assert_array_equal(*made)


def test_the_fourth_stain_is_no_alpha(run, folder):
    tifffile.imwrite(folder / "four.tif", FIVE[:4], metadata={"axes": "CYX"}, ome=True)
    code, _, complaint = run("four.tif", "-p", "nuclei")
    assert code == 2
    assert "has 4 channels; choose one, e.g. --plane 0, or three" in complaint


def test_the_package_of_the_command_line_can_be_run(folder):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "napari_clipseg.cli",
            "segment",
            "no-such.tif",
            "-p",
            "a",
            "-o",
            "b",
        ],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("napari-clipseg: there is no file no-such.tif")


def test_a_support_image_with_nan_is_named_instead_of_the_image(run, folder):
    image = IMAGE.astype(np.float32)
    image[:20] = np.nan
    tifffile.imwrite(folder / "other.tif", image)
    code, _, complaint = run(
        "cells.tif", "--support-mask", "mask.tif", "--support-image", "other.tif"
    )
    assert (code, complaint.count("\n")) == (2, 1)
    assert "other.tif holds NaN or infinite pixels" in complaint
    assert "--nodata" not in complaint


def test_input_is_never_replaced(run, folder):
    (folder / "out").mkdir()
    victim = folder / "out" / "cells.nuclei.labels.tif"
    tifffile.imwrite(victim, MASK)
    before = victim.read_bytes()
    code, _, complaint = run("cells.tif", "--prompt", "nuclei", "--support-mask", str(victim))
    assert code == 2
    assert "would be replaced" in complaint
    assert victim.read_bytes() == before


@pytest.mark.parametrize(
    ("number", "expected", "said"),
    [(signal.SIGINT, 130, "napari-clipseg: stopped"), (signal.SIGTERM, 143, "")],
)
def test_a_signal_in_the_middle_ends_the_run_and_leaves_nothing_half(
    run, folder, monkeypatch, number, expected, said
):
    def stopped(*_):
        os.kill(os.getpid(), number)
        time.sleep(5)

    monkeypatch.setattr("napari_clipseg.cli.one_image.label_bands", stopped)
    code, _, complaint = run("cells.tif", "--prompt", "nuclei")
    assert (code, complaint.strip()) == (expected, said)
    assert names(folder / "out") == []


def test_too_little_memory_is_one_line_and_exit_code_2(run, folder, monkeypatch):
    def full(*_, **__):
        raise MemoryError("Unable to allocate 11 TiB")

    monkeypatch.setattr("napari_clipseg.engine.segmenter.Segmenter.stream", full)
    code, _, complaint = run("cells.tif", "--prompt", "nuclei")
    assert (code, complaint.count("\n")) == (2, 1)
    assert "smaller --tile" in complaint
    assert names(folder / "out") == []
