from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_clipseg.model.heads import HEADS, Upsampling


@pytest.mark.parametrize(("channels", "out", "factor"), [(6, 1, 16), (6, 3, 4), (1, 2, 1)])
@pytest.mark.parametrize("gradients", [False, True])
def test_upsampling_is_the_transposed_convolution(gradients, channels, out, factor):
    torch.manual_seed(0)
    layer = Upsampling(channels, out, factor)
    grid = torch.randn(2, channels, 5, 7)
    expected = F.conv_transpose2d(grid, layer.weight, layer.bias, stride=factor)
    with torch.set_grad_enabled(gradients):
        torch.testing.assert_close(layer(grid), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("patch", [2, 8, 32])
@pytest.mark.parametrize("gradients", [False, True])
def test_the_refined_head_is_its_layers_one_after_the_other(gradients, patch):
    torch.manual_seed(0)
    head, grid = HEADS["refined"](6, patch), torch.randn(2, 6, 5, 7)
    first, relu, coarse, _, fine = head
    up = [dict(stride=each.stride, bias=each.bias, weight=each.weight) for each in (coarse, fine)]
    with torch.set_grad_enabled(gradients):
        expected = F.conv_transpose2d(relu(first(grid)), **up[0])
        expected = F.conv_transpose2d(relu(expected), **up[1])
        torch.testing.assert_close(head(grid), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_heads_are_made_of_layers_whose_names_files_have(head):
    layers = [each for each in HEADS[head](8, 16).modules() if isinstance(each, nn.ConvTranspose2d)]
    assert all(set(each.state_dict()) == {"weight", "bias"} for each in layers)
