import dataclasses

import numpy as np
import pytest
import torch

from napari_clipseg.engine.visual_prompt import highlight
from napari_clipseg.errors import SettingError
from napari_clipseg.evaluate.attention import ATTENTION_MASKS, masked_image_vectors, object_mask
from napari_clipseg.evaluate.studies import TEMPLATE, VisualPromptStudy
from napari_clipseg.evaluate.tasks import read_pixels
from napari_clipseg.train.prompt_images import VARIANTS, Highlight, prompt_image, resized
from napari_clipseg.train.readers.folder import read_folder

RGB = np.random.default_rng(0).random((40, 50, 3)).astype(np.float32)
MASK = np.zeros((40, 50), bool)
MASK[10:22, 14:40] = True


def test_the_last_variant_is_the_prompt_image_that_clipseg_uses():
    used = prompt_image(list(VARIANTS.values())[-1], RGB, MASK, 32)
    np.testing.assert_allclose(used, highlight(RGB, MASK, side=32), atol=1e-6)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_a_picture_and_points_at_the_object(name):
    shown = prompt_image(VARIANTS[name], RGB, MASK, 24)
    assert shown.shape == (24, 24, 3)
    assert shown.dtype == np.float32
    assert shown.min() >= 0
    assert shown.max() <= 1
    assert np.abs(shown - resized(RGB, 24)).max() > 0.05


@pytest.mark.parametrize("name", [name for name in VARIANTS if name.startswith("background")])
def test_a_highlight_leaves_the_object_as_it_is(name):
    np.testing.assert_array_equal(VARIANTS[name](RGB, MASK)[MASK], RGB[MASK])


def test_no_background_means_the_mean_colour():
    shown = Highlight(background=0.0)(RGB, MASK)
    assert np.unique(shown[~MASK], axis=0).shape == (1, 3)


def test_an_outline_runs_around_the_object_and_spares_its_inside():
    shown = VARIANTS["red outline"](RGB, MASK)
    red = (shown == [1, 0, 0]).all(2)
    assert red[10, 20]
    assert not red[16, 27]
    assert not red[:4].any()


def test_an_attention_mask_of_ones_changes_nothing(tiny_model):
    pixels = torch.rand(2, 3, 64, 64)
    expected = tiny_model.image_vectors(pixels)
    for attention in ATTENTION_MASKS.values():
        found = masked_image_vectors(tiny_model, pixels, torch.ones(2, 64, 64), attention)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_masking_the_class_token_is_what_the_encoder_does(tiny_model):
    pixels, mask = torch.rand(1, 3, 64, 64), object_mask(torch.from_numpy(MASK), 64)
    attention = ATTENTION_MASKS["class token masked in all blocks"]
    found = masked_image_vectors(tiny_model, pixels, mask, attention)
    torch.testing.assert_close(found, tiny_model.image_vectors(pixels, mask))


def test_attention_masks_differ(tiny_model):
    pixels, mask = torch.rand(1, 3, 64, 64), object_mask(torch.from_numpy(MASK), 64)
    vectors = [
        masked_image_vectors(tiny_model, pixels, mask, each) for each in ATTENTION_MASKS.values()
    ]
    assert len({tuple(vector[0].tolist()) for vector in vectors}) == 3


def test_the_score_is_the_rise_of_the_right_names_probability(tiny_model, shapes):
    data = read_folder(shapes, "val")
    study = VisualPromptStudy(tiny_model, data, ["cloud"])
    study.take(data.pictures[0])
    truth, names = data.pictures[0].read(), ["discs", "bars", "cloud"]
    rgb = read_pixels(data.pictures[0]).astype(np.float32) / 255
    texts = tiny_model.text_vectors([TEMPLATE.format(name) for name in names])

    def probability(image, target):
        pixels = tiny_model.normalise(torch.from_numpy(image).permute(2, 0, 1)[None])
        vector = tiny_model.image_vectors(pixels)
        cosines = torch.cosine_similarity(vector, texts)
        return (tiny_model.encoder.clip.logit_scale.exp() * cosines).softmax(0)[target].item()

    plain = resized(rgb, 32)
    crop = VARIANTS["crop"]
    gains = [
        probability(prompt_image(crop, rgb, mask, 32), target) - probability(plain, target)
        for target, mask in enumerate([truth.masks["disc"], truth.masks["bar"]])
    ]
    effect = next(each for each in study.effects() if each.variant == "crop")
    assert effect.objects == 2
    assert effect.gain == pytest.approx(100 * np.mean(gains), abs=1e-3)
    assert len(study.effects()) == len(VARIANTS) + len(ATTENTION_MASKS)


def test_pictures_with_too_few_names_are_left_out(tiny_model, shapes):
    data = read_folder(shapes, "val")
    study = VisualPromptStudy(tiny_model, data)
    for picture in data.pictures:
        study.take(picture)
    with pytest.raises(SettingError, match="words for other things"):
        study.effects()


@pytest.mark.parametrize("words", [["cloud", "Cloud", " cloud"], ["discs", "BARS"]])
def test_a_repeated_name_neither_counts_nor_splits_the_probability(tiny_model, shapes, words):
    data = read_folder(shapes, "val")
    only = dataclasses.replace(data, concepts={"disc": ("discs",)})
    repeated = VisualPromptStudy(tiny_model, only, words[:1] * 3)
    repeated.take(only.pictures[0])
    with pytest.raises(SettingError, match="words for other things"):
        repeated.effects()
    plain, more = (
        VisualPromptStudy(tiny_model, data, chosen) for chosen in (["cloud"], ["cloud", *words])
    )
    for study in (plain, more):
        study.take(data.pictures[0])
    assert more.effects() == plain.effects()


def test_a_blank_name_is_refused(tiny_model, shapes):
    with pytest.raises(SettingError, match="blank"):
        VisualPromptStudy(tiny_model, read_folder(shapes, "val"), ["cloud", " "])


def test_concepts_that_are_not_asked_for_are_not_studied(tiny_model, shapes):
    data = read_folder(shapes, "val")
    only = dataclasses.replace(data, concepts={"disc": ("discs",)})
    study = VisualPromptStudy(tiny_model, only, ["cloud", "bars"])
    study.take(only.pictures[0])
    assert {effect.objects for effect in study.effects()} == {1}
