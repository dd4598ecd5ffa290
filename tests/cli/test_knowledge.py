"""What the command line says of words that a model never learned."""

import numpy as np
import pytest
import tifffile

from napari_clipseg.model.checkpoint import save_model
from napari_clipseg.model.learned import Learned


@pytest.fixture
def weights(tiny_model, tmp_path):
    """The tiny model, which has learned two phrases and nothing near them."""
    path = tmp_path / "learned.safetensors"
    tiny_model.learned = Learned(("nuclei", "roads"), 0.9999)
    try:
        save_model(tiny_model, path, {})
    finally:
        tiny_model.learned = None
    return path


def test_segment_warns_of_a_word_that_was_never_learned(weights, tmp_path, command):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((64, 64), np.uint8))
    given = [tmp_path / "a.tif", "--model", weights, "--output", tmp_path / "out"]
    code, _, said = command("segment", *given, "--prompt", "giraffe", "--prompt", "roads")
    assert code == 0
    assert said.count("has not learned") == 1
    assert "has not learned 'giraffe'" in said


def test_info_says_what_a_model_knows(weights, command):
    code, said, _ = command("info", "--model", weights, "-p", "giraffe", "-p", "nuclei")
    assert code == 0
    first, second = said.splitlines()
    assert first.startswith("giraffe") and "has not learned" in first
    assert second.startswith("nuclei") and "has learned 'nuclei'" in second


def test_info_says_where_a_model_has_no_list(tiny_weights, command):
    _, said, _ = command("info", "--model", tiny_weights, "--prompt", "giraffe")
    assert "carries no list" in said
