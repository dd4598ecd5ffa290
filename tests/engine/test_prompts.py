import dataclasses

import numpy as np
import pytest

from napari_clipseg.engine.knowledge import Knowledge
from napari_clipseg.engine.network import Network
from napari_clipseg.engine.presence import Presence
from napari_clipseg.engine.prompts import (
    PROMPTS,
    MaskPrompt,
    Mix,
    TextPrompt,
    as_prompts,
    quoted,
)
from napari_clipseg.errors import PromptError

IMAGE = np.random.default_rng(0).random((40, 50))
MASK = np.zeros((40, 50), bool)
MASK[10:20, 15:30] = True


@pytest.fixture
def network(tiny_model):
    return Network(tiny_model, "cpu")


def examples():
    mask = MaskPrompt(IMAGE, MASK)
    return {TextPrompt: TextPrompt("nuclei"), MaskPrompt: mask, Mix: Mix("nuclei", mask)}


@pytest.mark.parametrize("kind", PROMPTS)
def test_every_kind_of_prompt_has_a_vector_and_a_name(kind, network):
    prompt = examples()[kind]
    vector = network.conditional(prompt)
    assert vector.shape == (1, 16)
    assert vector.isfinite().all()
    assert prompt.name


def test_a_string_is_a_text_prompt(network):
    assert as_prompts("nuclei") == [TextPrompt("nuclei")]
    assert as_prompts(["a", TextPrompt("b")]) == [TextPrompt("a"), TextPrompt("b")]


def test_templates_are_averaged(network):
    plain, photo = network.text_vectors(["nuclei", "a photo of nuclei."])
    both = network.conditional(TextPrompt("nuclei", ("{}", "a photo of {}.")))[0]
    np.testing.assert_allclose(both, (plain + photo) / 2, atol=1e-5)


def test_a_mix_lies_between_its_text_and_its_mask(network):
    mask = MaskPrompt(IMAGE, MASK)
    text, example, mixed = (
        network.conditional(each)[0] for each in ("nuclei", mask, Mix("nuclei", mask, 0.25))
    )
    np.testing.assert_allclose(mixed, 0.25 * text + 0.75 * example, atol=1e-5)


def test_the_vector_of_a_mask_is_computed_once(network, monkeypatch):
    mask = MaskPrompt(IMAGE, MASK)
    first = network.mask_vector(mask)
    monkeypatch.setattr(network, "_model", None)
    assert network.mask_vector(mask) is first


def test_several_painted_objects_are_several_examples(network):
    second = np.roll(MASK, (15, 20), axis=(0, 1))
    one, two, both = network.conditional(
        [MaskPrompt(IMAGE, m) for m in (MASK, second, MASK | second)]
    )
    np.testing.assert_allclose(both, (one + two) / 2, atol=1e-5)


def test_an_example_depends_on_what_the_mask_covers(network):
    other = np.roll(MASK, 17, axis=1)
    one, two = network.conditional([MaskPrompt(IMAGE, MASK), MaskPrompt(IMAGE, other)])
    assert (one - two).abs().max() > 1e-3


@pytest.mark.parametrize("mask", [MASK.astype(np.uint8) * 3, MASK.tolist()])
def test_every_value_of_a_mask_but_zero_counts(mask):
    assert (MaskPrompt(IMAGE, mask).mask == MASK).all()


def test_the_digest_tells_masks_apart():
    same, other = MaskPrompt(IMAGE, MASK.copy()), MaskPrompt(IMAGE, ~MASK)
    assert MaskPrompt(IMAGE, MASK).digest() == same.digest() != other.digest()


@pytest.mark.parametrize("text", ["", "  \n", None, 3])
def test_an_empty_text_is_refused(text):
    with pytest.raises(PromptError, match="empty"):
        TextPrompt(text)


def test_one_template_may_be_given_alone():
    alone, listed = (TextPrompt("nuclei", each) for each in ("a {}", ["a {}"]))
    assert alone == listed == TextPrompt("nuclei", templates=("a {}",))
    assert hash(alone) == hash(listed)
    assert alone.sentences() == ["a nuclei"]


@pytest.mark.parametrize("templates", [(), "", None, ("a photo",), "a photo", (3,)])
def test_templates_need_a_place_for_the_phrase(templates):
    with pytest.raises(PromptError, match="template"):
        TextPrompt("nuclei", templates)


@pytest.mark.parametrize(
    ("mask", "words"),
    [(MASK & False, "empty"), (MASK | True, "whole image"), (MASK[:-1], "shape")],
)
def test_a_mask_that_says_nothing_is_refused(mask, words):
    with pytest.raises(PromptError, match=words):
        MaskPrompt(IMAGE, mask)


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_outside_0_and_1_is_refused(weight):
    with pytest.raises(PromptError, match="weight"):
        Mix("nuclei", MaskPrompt(IMAGE, MASK), weight)


@pytest.mark.parametrize("prompts", [[], [3], 3, [["nuclei"]]])
def test_what_is_no_prompt_is_refused(prompts):
    with pytest.raises(PromptError):
        as_prompts(prompts)


LONG = "\n".join(["nuclei"] * 999)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (" pale\n  nuclei ", "pale nuclei"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 58 + " …"),
        ("word " * 99, "word " * 11 + "wor …"),
    ],
)
def test_a_text_is_quoted_on_one_line_of_60_characters(text, told):
    assert quoted(text) == told
    assert len(told) <= 60


def test_no_message_repeats_a_long_text_in_full(network):
    with pytest.raises(PromptError) as error:
        network.conditional(LONG)
    said = [str(error.value), str(Presence(LONG, 0.9, 50, 0.1, 0.5))]
    said += [str(Knowledge(LONG, "cell", 0.3, known)) for known in (False, True)]
    for each in said:
        assert "nuclei nuclei" in each
        assert "\n" not in each
        assert len(each) < 200


def test_prompts_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TextPrompt("nuclei").text = "cells"


def test_a_text_that_the_model_would_cut_is_refused(network):
    fits = " ".join(["cell"] * 14)
    assert network.conditional(fits).isfinite().all()
    with pytest.raises(PromptError, match="by 2 tokens"):
        network.conditional(f"{fits} cell cell")
    with pytest.raises(PromptError, match="fewer words"):
        network.conditional(Mix(TextPrompt(fits, ("a photo of {}",)), MaskPrompt(IMAGE, MASK)))
