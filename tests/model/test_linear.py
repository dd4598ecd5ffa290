from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from napari_clipseg.model import linear as module
from napari_clipseg.model.linear import ACTIVATIONS, linear, takes_onednn


@pytest.fixture
def layer() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(3, 50, 32), torch.randn(40, 32), torch.randn(40)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_both_ways_give_the_same(activation, layer):
    expected = ACTIVATIONS[activation](F.linear(*layer))
    with torch.inference_mode():
        torch.testing.assert_close(linear(*layer, activation), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(linear(*layer, activation), expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_layer_without_bias_and_values_that_are_no_block_are_right(activation, layer):
    values, weight, _ = layer
    across = values.transpose(0, 1)
    expected = ACTIVATIONS[activation](F.linear(across.contiguous(), weight))
    with torch.inference_mode():
        found = linear(across, weight, activation=activation)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_result_has_the_type_of_the_weight(layer):
    values, weight, bias = layer
    with torch.inference_mode():
        found = linear(values, weight.bfloat16(), bias)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), F.linear(*layer), atol=0.2, rtol=0.02)


def test_gradients_are_kept(layer):
    values, weight, bias = layer
    weight.requires_grad_()
    assert not takes_onednn(values)
    linear(values, weight, bias, "relu").sum().backward()
    assert weight.grad is not None


def test_without_onednn_torch_multiplies(monkeypatch, layer):
    monkeypatch.setattr(module, "_onednn_types", lambda: ())
    with torch.inference_mode():
        assert not takes_onednn(layer[0])
        torch.testing.assert_close(linear(*layer), F.linear(*layer), rtol=0, atol=0)


@pytest.fixture
def tried_anew():
    """Let oneDNN be tried again, before and after a test."""
    module._onednn_types.cache_clear()
    yield
    module._onednn_types.cache_clear()


def raising(error: Exception):
    def call(*args: object) -> torch.Tensor:
        raise error

    return call


def doubled(values, weight, bias, activation):
    return 2 * ACTIVATIONS[activation](F.linear(values, weight, bias))


@pytest.mark.parametrize(
    "operator",
    [
        raising(AttributeError("'_OpNamespace' 'mkldnn' has no attribute '_linear_pointwise'")),
        raising(TypeError("unexpected argument")),
        raising(RuntimeError("could not create a primitive")),
        doubled,
    ],
    ids=["missing", "changed", "failing", "wrong"],
)
def test_torch_multiplies_where_the_private_operator_does_not_serve(
    operator, monkeypatch, tried_anew, layer
):
    monkeypatch.setattr(module, "_fused", operator)
    with torch.inference_mode():
        assert not takes_onednn(layer[0])
        torch.testing.assert_close(linear(*layer), F.linear(*layer), rtol=0, atol=0)


def test_onednn_is_tried_once(monkeypatch, tried_anew, layer):
    calls = []
    works = module._onednn_works
    monkeypatch.setattr(module, "_onednn_works", lambda dtype: calls.append(dtype) or works(dtype))
    with torch.inference_mode():
        for _ in range(3):
            linear(*layer)
    assert len(calls) == len(set(calls)) <= 2
