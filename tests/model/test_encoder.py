from __future__ import annotations

import math

import open_clip
import pytest
import torch
from torch import Tensor

from napari_clipseg.model.encoder import convolutional_stem, interpolate_positions


@pytest.fixture
def encoder(tiny_model):
    return tiny_model().encoder


def blocks_run(encoder, run) -> list[int]:
    seen: list[int] = []
    hooks = [
        block.register_forward_hook(lambda *_, index=index: seen.append(index))
        for index, block in enumerate(encoder.clip.visual.transformer.resblocks)
    ]
    run()
    for hook in hooks:
        hook.remove()
    return seen


def test_blocks_deeper_than_the_deepest_extracted_are_not_run(encoder):
    assert blocks_run(encoder, lambda: encoder.activations(torch.randn(1, 3, 64, 64))) == [
        *range(10)
    ]


def test_an_image_vector_takes_all_blocks(encoder):
    seen = blocks_run(encoder, lambda: encoder.image_vectors(torch.randn(1, 3, 64, 64)))
    assert seen == [*range(11)]


def test_activations_come_deepest_first_with_the_class_token(encoder):
    pixel_values = torch.randn(2, 3, 64, 96)
    outputs = {}
    for index, block in enumerate(encoder.clip.visual.transformer.resblocks):
        block.register_forward_hook(lambda _, __, out, index=index: outputs.update({index: out}))
    activations = encoder.activations(pixel_values)
    assert [tuple(each.shape) for each in activations] == [(2, 1 + 4 * 6, 128)] * 3
    for actual, index in zip(activations, (9, 6, 3), strict=True):
        torch.testing.assert_close(actual, outputs[index])


def test_tokens_are_those_of_open_clip(encoder):
    texts = ["a cat", "", "Ångström &amp; naïve, 3.5 µm", "細胞核", "don't", "word " * 100]
    expected = open_clip.get_tokenizer("ViT-B-16-quickgelu")(texts)
    assert torch.equal(encoder.tokenizer(texts), expected)


def test_text_vectors_are_those_of_open_clip_and_not_normalised(encoder):
    texts = ["a cat", "nuclei"]
    expected = encoder.clip.encode_text(open_clip.get_tokenizer("ViT-B-16-quickgelu")(texts))
    actual = encoder.text_vectors(texts)
    torch.testing.assert_close(actual, expected)
    assert not torch.allclose(actual.norm(dim=1), torch.ones(2), atol=0.05)


def test_a_text_vector_does_not_depend_on_the_other_texts(encoder):
    together = encoder.text_vectors(["a cat", "a much longer text about nuclei"])
    torch.testing.assert_close(encoder.text_vectors(["a cat"]), together[:1])


def test_image_vectors_are_those_of_open_clip_at_its_own_size(encoder):
    pixel_values = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(
        encoder.image_vectors(pixel_values), encoder.clip.encode_image(pixel_values)
    )


def attended_by_loops(encoder, pixel_values: Tensor, visible: Tensor) -> Tensor:
    """Return the vector of one image; the class token's logits on patches times 0 or 1."""
    visual = encoder.clip.visual
    tokens = encoder._embed(pixel_values)[0]
    for block in visual.transformer.resblocks:
        attention, normed = block.attn, block.ln_1(tokens)
        rows = (attention.in_proj_weight @ normed.T).T + attention.in_proj_bias
        queries, keys, values = rows.split(attention.embed_dim, dim=1)
        width = attention.head_dim
        parts = []
        for start in range(0, attention.embed_dim, width):
            head = slice(start, start + width)
            logits = queries[:, head] @ keys[:, head].T / math.sqrt(width)
            for patch, seen in enumerate(visible.flatten().tolist()):
                if not seen:
                    logits[0, 1 + patch] = 0.0
            parts.append(torch.softmax(logits, 1) @ values[:, head])
        tokens = tokens + attention.out_proj(torch.cat(parts, 1))
        tokens = tokens + block.mlp(block.ln_2(tokens))
    return visual.ln_post(tokens[0]) @ visual.proj


def test_a_mask_multiplies_the_attention_logits_of_the_class_token(encoder):
    pixel_values = torch.randn(1, 3, 64, 96)
    visible = torch.tensor([[1, 0, 0, 1, 0, 1], [0] * 6, [1] * 6, [0, 1, 0, 0, 0, 0]]).bool()
    mask = visible.repeat_interleave(16, 0).repeat_interleave(16, 1)[None]
    expected = attended_by_loops(encoder, pixel_values, visible)
    actual = encoder.image_vectors(pixel_values, mask)
    torch.testing.assert_close(actual[0], expected, atol=1e-4, rtol=0)
    assert (actual - encoder.image_vectors(pixel_values)).abs().max() > 1e-2


def test_a_mask_of_ones_changes_nothing(encoder):
    pixel_values = torch.randn(2, 3, 64, 64)
    actual = encoder.image_vectors(pixel_values, torch.ones(2, 64, 64))
    torch.testing.assert_close(actual, encoder.image_vectors(pixel_values), atol=1e-4, rtol=0)


def test_each_image_of_a_batch_has_its_own_mask(encoder):
    pixel_values = torch.randn(3, 3, 64, 64)
    masks = torch.rand(3, 64, 64) > 0.5
    together = encoder.image_vectors(pixel_values, masks)
    for index in range(3):
        one = slice(index, index + 1)
        alone = encoder.image_vectors(pixel_values[one], masks[one])
        torch.testing.assert_close(together[one], alone, atol=1e-4, rtol=0)


def test_positions_of_the_own_grid_are_kept():
    embedding = torch.randn(1 + 16, 8)
    assert torch.equal(interpolate_positions(embedding, (4, 4)), embedding)


def test_interpolated_positions_keep_the_class_position_and_the_orientation():
    rows = torch.arange(4.0).repeat_interleave(4)  # grows downwards
    embedding = torch.cat([torch.full((1, 1), 99.0), rows[:, None]])
    positions = interpolate_positions(embedding, (8, 6))
    assert positions.shape == (1 + 8 * 6, 1)
    assert positions[0] == 99
    grid = positions[1:].reshape(8, 6)
    assert torch.all(grid.diff(dim=0) > 0)
    torch.testing.assert_close(grid, grid[:, :1].expand(8, 6))


def test_a_stem_of_convolutions_embeds_one_token_per_patch():
    stem = convolutional_stem((4, 8, 16), width=32, patch=16)
    assert stem(torch.randn(1, 3, 64, 96)).shape == (1, 32, 4, 6)


def test_a_stem_that_does_not_make_the_patch_is_refused():
    with pytest.raises(ValueError, match="do not make patches of 16"):
        convolutional_stem((4, 8), width=32, patch=16)
