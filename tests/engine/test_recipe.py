import json

import numpy as np

from napari_clipseg.engine.prompts import MaskPrompt, Mix
from napari_clipseg.engine.recipe import Recipe
from napari_clipseg.engine.segmenter import Segmenter


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


def test_the_settings_of_a_recipe_make_the_same_segmenter(tiny_model, image):
    first = Segmenter(tiny_model, device="cpu", zoom=(1.0, 0.5), overlap=4, window="linear")
    recipe = Recipe.of(first, "nuclei", (0.0, 1.0), 0.5)
    second = Segmenter(tiny_model, **recipe.settings)
    assert (first.probability(image, "a") == second.probability(image, "a")).all()
