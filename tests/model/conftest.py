from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.config import ModelConfig

TINY: dict[str, Any] = {
    "embed_dim": 32,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 11, "width": 128, "patch_size": 16, "mlp_ratio": 2},
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 64,
        "heads": 1,
        "layers": 2,
        "mlp_ratio": 2,
    },
}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def tiny_config() -> Callable[..., ModelConfig]:
    def make(**changes: Any) -> ModelConfig:
        return ModelConfig(**{"clip": TINY, "reduce_dim": 16, "decoder_mlp": 32, **changes})

    return make


@pytest.fixture
def tiny_model(tiny_config, randomise) -> Callable[..., CLIPSeg]:
    def make(**changes: Any) -> CLIPSeg:
        model = CLIPSeg(tiny_config(**changes))
        randomise(model)
        return model.eval().requires_grad_(False)

    return make


@pytest.fixture(scope="session")
def randomise() -> Callable[[nn.Module], None]:
    """Give every parameter values that matter: no zero bias, no norm that does nothing."""

    @torch.no_grad()
    def fill(model: nn.Module) -> None:
        for name, parameter in model.named_parameters():
            if "norm" in name or "ln_" in name or name.endswith("bias"):
                parameter.add_(0.1 * torch.randn_like(parameter))
            elif "embedding" in name or parameter.ndim < 2:
                parameter.copy_(0.5 * torch.randn_like(parameter))
            else:
                fan_in = parameter[0].numel()
                parameter.copy_(torch.randn_like(parameter) / math.sqrt(fan_in))

    return fill
