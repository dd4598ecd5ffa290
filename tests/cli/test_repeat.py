"""``segment --recipe`` with the record of a run in napari, and with records edited by hand."""

import json

import numpy as np
import pytest
import tifffile

from napari_clipseg.io.opening import open_image

IMAGE = np.random.default_rng(0).integers(1, 4000, (70, 90), dtype=np.uint16)
LABELLED = ("--threshold", "0.4", "--min-size", "2", "--fill-holes", "30", "--smoothing", "1.5")
CHANNELS = np.stack([IMAGE // (each + 1) for each in range(5)])
CHANNELS[3] = CHANNELS[3][::-1]


@pytest.fixture
def folder(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE)
    settings = {"photometric": "minisblack", "metadata": {"axes": "ZCYX"}}
    tifffile.imwrite(tmp_path / "zc.tif", np.stack([CHANNELS, CHANNELS // 2]), **settings)
    return tmp_path


@pytest.fixture
def run(folder, tiny_weights, command):
    """Run ``segment`` on a file of the folder; return exit code, stdout and stderr."""

    def run(*words, image="a.tif", output="out", model=("--model", tiny_weights)):
        return command("segment", folder / image, *model, "--output", folder / output, *words)

    return run


@pytest.fixture
def record(run, folder):
    """The record of a run on a.tif, without what only the command line writes."""
    run("-p", "nuclei", *LABELLED)
    fields = json.loads((folder / "out" / "a.recipe.json").read_text())
    labels = {name: fields["job"]["options"][name] for name in ("min_size", "fill_holes")}
    fields["job"] = {"contrast": "as displayed", "labels": {**labels, "smoothing": 1.5}}
    return fields


@pytest.fixture
def repeat(run, folder):
    """Run ``segment`` with a record as its recipe."""

    def repeat(fields, *words, **how):
        (folder / "run.json").write_text(json.dumps(fields))
        return run("--recipe", folder / "run.json", *words, output="two", **how)

    return repeat


def probability(folder, name, output="out"):
    return np.asarray(open_image(folder / output / f"{name}.nuclei.probability.tif").data)


def test_a_run_in_napari_is_repeated_and_what_is_not_is_said(repeat, record, folder):
    record["job"] |= {"plane": "[4, :, :]", "axes": [1, 2], "level": 2, "regions": ["part"]}
    record["job"]["labels"] |= {
        "titles": ["nuclei", "debris"],
        "thresholds": [0.5, 0.7],
        "negative": [False, True],
        "competition": True,
        "instances": False,
    }
    record["settings"]["window"] = "linear"
    record["versions"]["torch"] = "0.1"
    code, _, told = repeat(record)
    assert code == 0
    for words in (
        "negative prompts",
        "one threshold here, that of the first",
        "do not compete",
        "number objects",
        "the whole plane",
        "it was plane [4, :, :] of a stack",
        "give --level 2",
        "blended by 'linear', here by 'hann'",
        "it was made with torch 0.1",
    ):
        assert words in told, words
    assert told.count("\n") == 9
    labels = [tifffile.imread(folder / out / "a.nuclei.labels.tif") for out in ("out", "two")]
    np.testing.assert_array_equal(*labels)


def test_the_same_run_has_nothing_to_be_said_of_it(repeat, record):
    assert repeat(record)[2] == ""


def test_channels_of_an_axis_are_taken_over(run, repeat, record, folder):
    record["contrast"], record["job"]["contrast"] = [0, 4000], "as displayed"
    record["job"] |= {"plane": "[1, 0, :, :]", "axes": [2, 3]}
    record["job"] |= {"channels": [4, 0, 3], "channel_axis": 1}
    assert repeat(record, "--plane", "1", image="zc.tif")[::2] == (0, "")
    tifffile.imwrite(folder / "rgb.tif", np.moveaxis(CHANNELS[[4, 0, 3]] // 2, 0, -1))
    run("-p", "nuclei", "--contrast", "0,4000", image="rgb.tif")
    np.testing.assert_array_equal(
        probability(folder, "zc.plane-1", "two"), probability(folder, "rgb")
    )


def test_a_plane_that_is_not_given_is_that_of_the_record_in_the_message(repeat, record):
    record["job"] |= {"plane": "[1, 0, :, :]", "axes": [2, 3], "regions": ["part"]}
    record["job"] |= {"channels": [0], "channel_axis": 1}
    code, said, complaint = repeat(record, image="zc.tif")
    assert (code, said, complaint.count("\n")) == (2, "", 1)
    assert "run.json was made on one plane: give --plane 1 for the same" in complaint


def test_a_plane_across_the_file_and_colours_of_layers_are_told(repeat, record):
    record["job"] |= {"plane": "[:, 3, :]", "axes": [0, 2], "channels": ["dapi", "gfp", "rfp"]}
    told = repeat(record)[2]
    assert "plane [:, 3, :], which does not lie along height and width" in told
    assert "its colours were the layers dapi, gfp, rfp" in told


def test_other_weights_are_told_once_for_all_images(repeat, record, folder):
    tifffile.imwrite(folder / "b.tif", IMAGE // 2)
    record["weights"] = "0" * 64
    code, _, told = repeat(record, folder / "b.tif")
    assert (code, told.count("\n")) == (0, 1)
    assert "it was made with other weights of" in told
    assert "(000000000000, here " in told
    record["model"] = "starter"  # another model is asked for on purpose
    assert repeat(record)[2] == ""


def test_the_metadata_of_a_layer_is_a_recipe_if_it_has_one_plane(repeat, record, folder):
    text = json.dumps(record)
    assert repeat({"[:, :]": text})[0] == 0
    np.testing.assert_array_equal(probability(folder, "a"), probability(folder, "a", "two"))
    code, _, complaint = repeat({"[0, :, :]": text, "[1, :, :]": text})
    assert (code, complaint.count("\n")) == (2, 1)
    assert "records of 2 planes; write the value of one, such as '[0, :, :]'" in complaint


MISSING = object()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((), "nuclei", 'the file holds "nuclei", but an object with fields is wanted'),
        ((), ["nuclei"], 'the file holds ["nuclei"], but'),
        ((), {"threshold": None}, "sets 'threshold' to null"),
        ((), {"fill-holes": True}, "sets 'fill-holes' to true, but a number or a text is wanted"),
        ((), {"contrast": {"low": 1}}, "sets 'contrast' to {\"low\": 1}"),
        ((), {"resume": 1}, "sets 'resume' to 1, but true or false is wanted"),
        ((), {"recipe": "other.toml"}, "sets 'recipe', which is no option of a recipe"),
        ((), {"[:, :]": "{"}, "cannot be read"),
        ((), {"[:, :]": 3}, "the field '[:, :]' holds 3"),
        (("job",), None, "the field 'job' holds null"),
        (("job", "labels"), None, "the field 'job.labels' holds null"),
        (("job", "labels", "negative"), [1], "the field 'job.labels.negative[0]' holds 1"),
        (("settings",), 3, "the field 'settings' holds 3"),
        (("settings", "tile"), MISSING, "the field 'settings.tile' is missing"),
        (("settings", "tile"), True, "'settings.tile' holds true, but a whole number is wanted"),
        (("prompts",), "nuclei", "the field 'prompts' holds \"nuclei\", but a list is wanted"),
        (("prompts", 0, "text"), 3, "the field 'prompts[0].text' holds 3, but a text is wanted"),
        (("contrast",), "auto", "the field 'contrast' holds"),
        (("model",), MISSING, "the field 'model' is missing"),
    ],
)
def test_a_mistake_in_a_file_is_one_sentence_that_names_the_field(
    repeat, record, place, value, message
):
    fields = record if place else value
    inner = fields
    for name in place[:-1]:
        inner = inner[name]
    if value is MISSING:
        del inner[place[-1]]
    elif place:
        inner[place[-1]] = value
    code, said, complaint = repeat(fields, "-p", "nuclei")
    assert (code, said, complaint.count("\n")) == (2, "", 1)
    assert message in complaint


def test_numbers_and_lists_of_a_toml_file_are_read_as_they_are_typed(run, folder):
    text = 'prompt = "nuclei"\nplane = 1\nchannels = [4, 0, 3]\ncontrast = [0, 4000.5]\nzoom = 1\n'
    (folder / "run.toml").write_text(text)
    recipe = ("--recipe", folder / "run.toml")
    assert run(*recipe, image="zc.tif")[0] == 0
    made = json.loads((folder / "out" / "zc.plane-1.recipe.json").read_text())
    assert made["job"]["options"]["channels"] == [4, 0, 3]
    assert made["contrast"] == [0, 4000.5]
