import dataclasses
import json

import numpy as np
import pytest

from napari_clipseg.engine.competition import Contestant, competition_labels
from napari_clipseg.engine.labels import LabelSettings
from napari_clipseg.engine.prompts import MaskPrompt, Mix, TextPrompt
from napari_clipseg.engine.recipe import Recipe
from napari_clipseg.engine.region import Region
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.errors import SettingError


def test_a_recipe_survives_json_and_names_everything_that_fixes_a_run(segmenter):
    mask = np.zeros((8, 8), bool)
    mask[2, 3] = True
    example = MaskPrompt(np.zeros((8, 8)), mask)
    recipe = Recipe.of(segmenter, ["nuclei", example, Mix("cells", example)], (0.0, 9.0), 0.4)
    assert Recipe.from_json(recipe.to_json()) == recipe
    content = json.loads(recipe.to_json())
    assert content["prompts"][0]["text"] == "nuclei"
    assert content["prompts"][2]["mask"] == example.digest()
    assert content["settings"]["tile"] == 32
    assert "torch" in content["versions"]
    assert len(content["weights"]) == 64


def changed(segmenter, **fields):
    recipe = Recipe.of(segmenter, "nuclei", (0.0, 9.0), 0.4)
    return json.dumps({**json.loads(recipe.to_json()), **fields})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "misses model, weights, prompts, contrast, threshold, settings, versions;"),
        ("[]", "it holds list"),
        ("{", "no recipe"),
        ("", "no recipe"),
    ],
)
def test_what_is_no_recipe_is_refused_with_what_is_missing(text, words):
    with pytest.raises(SettingError, match=words):
        Recipe.from_json(text)


@pytest.mark.parametrize(
    "fields",
    [
        {"surprise": 1},
        {"model": None},
        {"contrast": [1]},
        {"contrast": ["a", "b"]},
        {"prompts": 3},
        {"prompts": ["nuclei"]},
        {"threshold": "0.4"},
        {"settings": []},
        {"job": "none"},
    ],
)
def test_a_recipe_with_a_wrong_field_is_refused(segmenter, fields):
    with pytest.raises(SettingError, match=r"is no recipe: .*; give one as a run has recorded it"):
        Recipe.from_json(changed(segmenter, **fields))


def test_a_recipe_without_a_job_is_one(segmenter):
    record = json.loads(changed(segmenter))
    del record["job"]
    assert Recipe.from_json(json.dumps(record)).job == {}


def test_the_settings_of_a_recipe_make_the_same_segmenter(tiny_model, image):
    first = Segmenter(tiny_model, device="cpu", zoom=(1.0, 0.5), overlap=4, window="linear")
    recipe = Recipe.of(first, "nuclei", (0.0, 1.0), 0.5)
    second = Segmenter(tiny_model, **recipe.settings)
    assert (first.probability(image, "a") == second.probability(image, "a")).all()


def test_a_run_on_a_region_with_rivals_is_repeated_from_its_recipe_alone(segmenter, image):
    prompts = [TextPrompt("nuclei", ("{}", "a photo of a {}.")), TextPrompt("debris")]
    rivals = (Contestant(0.45), Contestant(0.52, negative=True))
    settings = LabelSettings(0.45, min_size=3, fill_holes=4, smoothing=0.7)
    mask = np.random.default_rng(0).random(image.shape) > 0.5
    labels = {
        "competition": True,
        "instances": True,
        "min_size": 3,
        "fill_holes": 4,
        "smoothing": 0.7,
        "thresholds": [0.45, 0.52],
        "negative": [False, True],
    }
    job = {"labels": labels, "regions": [Region.of_mask(mask).to_json()], "plane": [3], "level": 1}
    first = segmenter.prepare(image)
    recipe = Recipe.of(segmenter, prompts, first.contrast, 0.45)
    again = Recipe.from_json(dataclasses.replace(recipe, job=job).to_json())
    assert again.contestants == rivals
    assert again.label_settings == settings
    assert again.job["plane"] == [3]

    repeated = [TextPrompt(each["text"], tuple(each["templates"])) for each in again.prompts]
    results = []
    for features, asked, region in (
        (first, prompts, Region.of_mask(mask)),
        (segmenter.prepare(image, contrast=again.contrast), repeated, again.regions[0]),
    ):
        out = np.zeros((2, *image.shape), np.float32)
        list(features.run(asked, out, region=region))
        results.append(competition_labels(out, again.contestants, settings, instances=True))
    assert (results[0][0] == results[1][0]).all()
    assert results[0][1] == results[1][1] != ()


@pytest.mark.parametrize("nodata", [0.0, float("nan")])
def test_an_example_is_read_again_as_its_record_says(segmenter, nodata):
    image = np.random.default_rng(1).random((24, 24)) + 1
    image[:, :6] = nodata
    mask = np.zeros((24, 24), bool)
    mask[8:16, 4:12] = True
    example = MaskPrompt(image, mask, contrast=(1.2, 1.7), nodata=nodata)
    text = Recipe.of(segmenter, Mix("cells", example), (0.0, 1.0), 0.5).to_json()
    assert "NaN" not in text
    record = json.loads(text)["prompts"][0]
    again = MaskPrompt(image, mask, tuple(record["contrast"]), nodata=float(record["nodata"]))
    assert (again.digest(), again.pixels().digest()) == (record["mask"], record["image"])
    box = (0, 0, 24, 24)
    np.testing.assert_array_equal(again.pixels().read(box), example.pixels().read(box))


def test_the_record_of_an_example_without_nodata_names_none(segmenter):
    example = MaskPrompt(np.zeros((8, 8)), np.eye(8))
    assert "nodata" not in Recipe.of(segmenter, example, (0.0, 1.0), 0.5).prompts[0]


def test_a_recipe_without_a_job_says_the_whole_image_and_one_threshold(segmenter):
    recipe = Recipe.of(segmenter, ["a", "b"], (0.0, 1.0), 0.4)
    assert recipe.contestants == (Contestant(0.4),) * 2
    assert recipe.label_settings == LabelSettings(0.4)
    assert recipe.regions == ()
