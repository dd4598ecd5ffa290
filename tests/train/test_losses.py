import numpy as np
import pytest
import torch

from napari_clipseg.train.losses import MaskTotals, align_loss, contrast_loss
from napari_clipseg.train.losses import mask_loss as loss_of_a_part


def mask_loss(logits, masks, valid, dice):
    return loss_of_a_part(logits, masks, valid, dice, MaskTotals.of(masks, valid))


def example():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 8, 8, generator=generator)
    masks = (torch.rand(2, 3, 8, 8, generator=generator) > 0.6).float()
    return logits, masks, torch.ones(2, 8, 8)


def test_without_dice_the_mask_loss_is_the_binary_cross_entropy():
    logits, masks, valid = example()
    p = 1 / (1 + np.exp(-logits.double().numpy()))
    y = masks.double().numpy()
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    assert mask_loss(logits, masks, valid, 0.0).item() == pytest.approx(expected, rel=1e-5)


def test_pixels_of_which_nothing_is_known_do_not_count():
    logits, masks, valid = example()
    valid[:, :4] = 0
    changed = masks.clone()
    changed[:, :, :4] = 1 - changed[:, :, :4]
    first, second = (mask_loss(logits, each, valid, 0.3) for each in (masks, changed))
    assert first.item() == pytest.approx(second.item(), rel=1e-6)


def test_a_perfect_answer_costs_next_to_nothing():
    _, masks, valid = example()
    assert mask_loss(40 * (masks - 0.5), masks, valid, 0.3).item() < 1e-3


def test_prompts_that_show_nothing_have_no_dice():
    logits, masks, valid = example()
    empty = torch.zeros_like(masks)
    assert mask_loss(logits, empty, valid, 0.0) == mask_loss(logits, empty, valid, 1.0)


def test_vectors_that_agree_in_angle_and_length_are_aligned():
    vectors = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    assert align_loss(vectors, vectors).item() == pytest.approx(0, abs=1e-6)
    assert align_loss(2 * vectors, vectors).item() == pytest.approx(1)
    assert align_loss(-vectors, vectors).item() == pytest.approx(2)


def test_contrast_prefers_the_own_meaning_and_ignores_its_synonyms():
    meanings = torch.eye(4)[:2]
    others = torch.eye(4)
    right = contrast_loss(meanings, meanings, others)
    swapped = contrast_loss(meanings.flip(0), meanings, others)
    assert right < 0.01 < swapped
    assert contrast_loss(meanings, meanings, meanings[:1].repeat(5, 1)) < 0.01


def test_losses_of_the_parts_of_a_batch_add_up_to_that_of_the_batch():
    logits, masks, valid = example()
    valid[1, :5] = 0
    masks[1, 0] = 0
    totals = MaskTotals.of(masks, valid)
    parts = [
        loss_of_a_part(logits[rows], masks[rows], valid[rows], 0.3, totals)
        for rows in (slice(0, 1), slice(1, 2))
    ]
    assert sum(parts).item() == pytest.approx(mask_loss(logits, masks, valid, 0.3).item())
