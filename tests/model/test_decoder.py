from __future__ import annotations

import pytest
import torch

from napari_clipseg.errors import UnknownName
from napari_clipseg.model.decoder import HEADS, Decoder


@pytest.fixture
def model(tiny_model):
    return tiny_model()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("patch", [8, 16, 32])
def test_every_head_gives_one_pixel_per_pixel(head, patch):
    assert HEADS[head](16, patch)(torch.randn(2, 16, 3, 5)).shape == (2, 1, 3 * patch, 5 * patch)


def test_an_unknown_head_is_refused_with_the_known_ones(tiny_config):
    with pytest.raises(UnknownName, match="'finer' is unknown; there are simple, refined"):
        Decoder(tiny_config(head="finer"))


def test_logits_of_several_images_and_prompts_are_those_of_each_alone(model):
    pixel_values, conditional = torch.randn(2, 3, 64, 96), torch.randn(3, 32)
    together = model.logits(pixel_values, conditional)
    assert together.shape == (2, 3, 64, 96)
    for image in range(2):
        for prompt in range(3):
            alone = model.logits(pixel_values[image, None], conditional[prompt, None])
            torch.testing.assert_close(together[image, prompt], alone[0, 0], atol=1e-4, rtol=0)


def test_conditional_vectors_of_each_image_equal_shared_ones(model):
    pixel_values, conditional = torch.randn(2, 3, 64, 64), torch.randn(3, 32)
    shared = model.logits(pixel_values, conditional)
    repeated = model.logits(pixel_values, conditional.expand(2, 3, 32))
    torch.testing.assert_close(repeated, shared, atol=1e-5, rtol=0)


def test_each_image_may_have_its_own_conditional_vectors(model):
    pixel_values, conditional = torch.randn(2, 3, 64, 64), torch.randn(2, 3, 32)
    together = model.logits(pixel_values, conditional)
    for image in range(2):
        alone = model.logits(pixel_values[image, None], conditional[image])
        torch.testing.assert_close(together[image, None], alone, atol=1e-4, rtol=0)


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_the_prompt_matters_at_whichever_step_it_enters(tiny_model, layer):
    model = tiny_model(conditional_layer=layer)
    logits = model.logits(torch.randn(1, 3, 64, 64), torch.randn(2, 32))
    assert (logits[:, 0] - logits[:, 1]).abs().max() > 1e-2


def test_extra_blocks_are_residual(tiny_model):
    model = tiny_model(extra_blocks=1)
    pixel_values, conditional = torch.randn(1, 3, 64, 64), torch.randn(1, 32)
    with_block = model.logits(pixel_values, conditional)
    seen = []
    model.decoder.extra_blocks[0].register_forward_hook(
        lambda _, inputs, output: seen.append((inputs[0], output)) or torch.zeros_like(output)
    )
    without = model.logits(pixel_values, conditional)
    spatial = seen[0][0][:, 1:].transpose(1, 2).unflatten(2, (4, 4))
    torch.testing.assert_close(without, model.decoder.trans_conv(spatial))
    assert (with_block - without).abs().max() > 1e-3


def test_decoding_kept_activations_equals_the_whole_way(model):
    pixel_values, conditional = torch.randn(2, 3, 64, 96), torch.randn(2, 32)
    kept = model.reduced(pixel_values)
    assert kept.shape == (2, 3, 1 + 4 * 6, 16)
    torch.testing.assert_close(
        model.decode(kept, conditional, (4, 6)), model.logits(pixel_values, conditional)
    )


@pytest.mark.parametrize(("layer", "kept"), [(0, 3), (1, 2), (2, 1)])
def test_what_is_kept_of_an_image_is_what_the_steps_from_film_on_read(tiny_model, layer, kept):
    model = tiny_model(conditional_layer=layer)
    pixel_values, conditional = torch.randn(2, 3, 64, 96), torch.randn(2, 32)
    features = model.reduced(pixel_values)
    assert features.shape == (2, kept, 1 + 4 * 6, 16)
    assert model.config.features == kept
    torch.testing.assert_close(
        model.decode(features, conditional, (4, 6)), model.logits(pixel_values, conditional)
    )


def test_no_step_before_film_is_run_for_a_prompt(tiny_model):
    model = tiny_model(conditional_layer=2)
    features = model.reduced(torch.randn(1, 3, 64, 64))
    ran = []
    for step, block in enumerate(model.decoder.blocks):
        block.register_forward_hook(lambda *_, step=step: ran.append(step))
    model.decode(features, torch.randn(1, 32), (4, 4))
    assert ran == [2]


def test_normalised_pixels_have_the_mean_of_imagenet_at_zero(model):
    mean = torch.tensor([0.485, 0.456, 0.406])[None, :, None, None]
    torch.testing.assert_close(model.normalise(mean), torch.zeros(1, 3, 1, 1))
