from __future__ import annotations

import pytest
import torch
from open_clip.transformer import QuickGELU, ResidualAttentionBlock
from torch import nn

from napari_clipseg.model.block import VisionBlock


@pytest.fixture(params=[QuickGELU, nn.GELU], ids=["QuickGELU", "GELU"])
def theirs(request, randomise) -> nn.Module:
    torch.manual_seed(0)
    block = ResidualAttentionBlock(128, 2, act_layer=request.param).eval()
    randomise(block)
    return block


@pytest.mark.parametrize("gradients", [False, True])
def test_a_block_is_that_of_open_clip(gradients, theirs):
    tokens = torch.randn(3, 37, 128)
    with torch.set_grad_enabled(gradients):
        torch.testing.assert_close(VisionBlock(theirs)(tokens), theirs(tokens), atol=2e-5, rtol=0)


def test_weights_keep_the_names_of_open_clip(theirs):
    assert list(VisionBlock(theirs).state_dict()) == list(theirs.state_dict())


def test_layer_scale_is_applied():
    torch.manual_seed(0)
    theirs = ResidualAttentionBlock(64, 2, ls_init_value=0.3, act_layer=QuickGELU).eval()
    tokens = torch.randn(2, 9, 64)
    with torch.inference_mode():
        torch.testing.assert_close(VisionBlock(theirs)(tokens), theirs(tokens), atol=2e-5, rtol=0)


def test_the_input_is_not_changed(theirs):
    tokens = torch.randn(1, 5, 128)
    before = tokens.clone()
    with torch.inference_mode():
        VisionBlock(theirs)(tokens)
    assert torch.equal(tokens, before)


def test_training_reaches_all_weights(theirs):
    block = VisionBlock(theirs).train()
    block(torch.randn(2, 5, 128)).square().sum().backward()
    assert all(each.grad is not None for each in block.parameters())
