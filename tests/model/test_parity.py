"""Against transformers, through the files it writes: random weights, logits of scale 5.

The smallest mistake seen so far (a backbone rounded to float16) moves such logits by 0.02, a
wrong position embedding by 1; float32 rounding by less than 1e-4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from napari_clipseg.model.checkpoint import load_model
from napari_clipseg.model.clipseg import CLIPSeg

transformers = pytest.importorskip("transformers")

TOLERANCE = 2e-4
TEXTS = ("a cat", "cell nuclei in Ångström-sized, crowded tissue", "bright round spots")
SIZES = (352, 224, 416, 160)
VARIANTS: dict[str, dict[str, Any]] = {
    "rd64": {},
    "rd16": {"reduce_dim": 16},
    "refined": {"use_complex_transposed_convolution": True},
}
TINY: dict[str, Any] = {
    "vision_config": {
        "image_size": 64,
        "patch_size": 16,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 5,
        "num_attention_heads": 4,
    },
    "text_config": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    },
    "projection_dim": 32,
    "extract_layers": [0, 2, 3],
    "decoder_intermediate_size": 64,
}
FULL: dict[str, Any] = {"vision_config": {"patch_size": 16}}


@dataclass(frozen=True)
class Pair:
    theirs: Any
    ours: CLIPSeg


@torch.no_grad()
def build(fields: dict[str, Any], randomise, folder) -> Pair:
    torch.manual_seed(1)
    config = transformers.CLIPSegConfig(**fields)
    theirs = transformers.CLIPSegForImageSegmentation(config).eval()
    randomise(theirs)
    scale_logits(theirs, 5.0)
    theirs.save_pretrained(folder)
    return Pair(theirs, load_model(folder))


def scale_logits(theirs: Any, scale: float) -> None:
    side = theirs.config.vision_config.image_size
    conditional = torch.randn(1, theirs.config.projection_dim)
    pixel_values = torch.randn(1, 3, side, side)
    logits = theirs(pixel_values=pixel_values, conditional_embeddings=conditional).logits
    head = theirs.decoder.transposed_convolution
    last = head[-1] if isinstance(head, torch.nn.Sequential) else head
    for parameter in last.parameters():
        parameter.mul_(scale / logits.std())


@pytest.fixture(scope="module", params=VARIANTS)
def tiny(request, randomise, tmp_path_factory) -> Pair:
    return build(TINY | VARIANTS[request.param], randomise, tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def square(randomise, tmp_path_factory) -> Pair:
    return build(TINY, randomise, tmp_path_factory.mktemp("square"))


@pytest.fixture(scope="module", params=VARIANTS)
def full(request, randomise, tmp_path_factory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("full")
    yield build(FULL | VARIANTS[request.param], randomise, folder)
    for file in folder.iterdir():  # 600 MB each
        file.unlink()


@torch.no_grad()
def their_logits(pair: Pair, pixel_values: Tensor, **prompt: Tensor) -> Tensor:
    count = len(next(iter(prompt.values())))
    logits = pair.theirs(pixel_values=pixel_values.expand(count, -1, -1, -1), **prompt).logits
    return logits.reshape(1, count, *logits.shape[-2:])


def check_texts(pair: Pair, side: int, texts: Sequence[str]) -> None:
    pixel_values = torch.randn(1, 3, side, side)
    token_ids = pair.ours.encoder.tokenizer(list(texts))
    expected = their_logits(pair, pixel_values, input_ids=token_ids)
    with torch.inference_mode():  # as the engine asks: without gradients products are others
        actual = pair.ours.logits(pixel_values, pair.ours.text_vectors(texts))
    assert 2 < expected.std() < 12
    torch.testing.assert_close(actual, expected, atol=TOLERANCE, rtol=0)


def check_image(pair: Pair, side: int, prompt_side: int) -> None:
    pixel_values = torch.randn(1, 3, side, side)
    prompt = torch.randn(1, 3, prompt_side, prompt_side)
    expected = their_logits(pair, pixel_values, conditional_pixel_values=prompt)
    with torch.inference_mode():
        actual = pair.ours.logits(pixel_values, pair.ours.image_vectors(prompt))
    torch.testing.assert_close(actual, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("side", SIZES)
def test_logits_for_texts_are_those_of_transformers(tiny, side):
    check_texts(tiny, side, TEXTS)


@pytest.mark.parametrize("side", SIZES)
def test_logits_for_an_image_are_those_of_transformers(tiny, side):
    check_image(tiny, side, prompt_side=160)


@pytest.mark.slow
def test_logits_of_the_real_shapes_are_those_of_transformers(full):
    check_texts(full, 352, TEXTS[:1])


@pytest.mark.slow
@pytest.mark.parametrize("full", ["rd64"], indirect=True)
def test_logits_of_the_real_shapes_agree_for_an_image_and_at_other_sizes(full):
    check_image(full, 352, prompt_side=224)
    for side in (224, 416, 160):
        check_texts(full, side, TEXTS[:1])


def test_a_size_that_is_no_multiple_of_the_patch_loses_the_remainder(square):
    pixel_values = torch.randn(1, 3, 175, 175)
    conditional = torch.randn(1, 32)
    actual = square.ours.logits(pixel_values, conditional)
    expected = square.ours.logits(pixel_values[..., :160, :160], conditional)
    assert actual.shape == (1, 1, 160, 160)
    torch.testing.assert_close(actual, expected)


@torch.no_grad()
def any_grid_reference(theirs: Any, pixel_values: Tensor, conditional: Tensor) -> Tensor:
    """Return logits from transformers' own modules, whose model knows only square grids."""
    vision = theirs.clip.vision_model(
        pixel_values, output_hidden_states=True, interpolate_pos_encoding=True
    )
    decoder = theirs.decoder
    tokens = torch.zeros(())
    for step, layer in enumerate(reversed(theirs.config.extract_layers)):
        tokens = decoder.reduces[step](vision.hidden_states[layer + 1]) + tokens
        if step == theirs.config.conditional_layer:
            tokens = decoder.film_mul(conditional) * tokens + decoder.film_add(conditional)
        output = decoder.layers[step](tokens, attention_mask=None)
        tokens = output[0] if isinstance(output, tuple) else output
    rows = pixel_values.shape[-2] // 16
    grid = tokens[:, 1:].transpose(1, 2).unflatten(2, (rows, -1))
    return decoder.transposed_convolution(grid)


@pytest.mark.parametrize("shape", [(64, 64), (96, 96)])
def test_the_reference_for_any_grid_is_transformers_on_squares(square, shape):
    pixel_values, conditional = torch.randn(1, 3, *shape), torch.randn(1, 32)
    expected = their_logits(square, pixel_values, conditional_embeddings=conditional)
    actual = any_grid_reference(square.theirs, pixel_values, conditional)
    torch.testing.assert_close(actual, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("shape", [(352, 224), (64, 256), (176, 704)])
def test_logits_of_oblong_images_are_right(square, shape):
    pixel_values, conditional = torch.randn(1, 3, *shape), torch.randn(1, 32)
    expected = any_grid_reference(square.theirs, pixel_values, conditional)
    actual = square.ours.logits(pixel_values, conditional)
    assert actual.shape == (1, 1, *shape)
    torch.testing.assert_close(actual, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("layer", [1, 2])
def test_the_prompt_may_enter_at_a_later_step(layer, randomise, tmp_path):
    pair = build(TINY | {"conditional_layer": layer}, randomise, tmp_path)
    check_texts(pair, 160, TEXTS)
