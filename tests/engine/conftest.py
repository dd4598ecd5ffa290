from pathlib import Path

import numpy as np
import pytest
import torch

from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.model.checkpoint import save_model
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.config import ModelConfig

TINY = ModelConfig(
    clip={
        "embed_dim": 16,
        "quick_gelu": True,
        "vision_cfg": {
            "image_size": 32,
            "layers": 4,
            "width": 32,
            "head_width": 16,
            "patch_size": 8,
        },
        "text_cfg": {
            "context_length": 16,
            "vocab_size": 49408,
            "width": 16,
            "heads": 2,
            "layers": 1,
        },
    },
    extract_layers=(0, 1, 2),
    reduce_dim=8,
    decoder_heads=2,
    decoder_mlp=16,
    tile=32,
)


@pytest.fixture(scope="session")
def tiny_model() -> CLIPSeg:
    """A random model whose logits depend strongly on pixels and prompts."""
    torch.manual_seed(0)
    model = CLIPSeg(TINY).eval().requires_grad_(False)
    for name, value in model.named_parameters():
        if "ln_" not in name and "norm" not in name and value.ndim > 1:
            value.mul_(1.5)
    return model


@pytest.fixture
def segmenter(tiny_model: CLIPSeg) -> Segmenter:
    return Segmenter(tiny_model, device="cpu")


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4000, (75, 110)).astype(np.uint16)


@pytest.fixture(scope="session")
def tiny_weights(tiny_model: CLIPSeg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This folder's model as a weights file: the fixture of all tests holds another model."""
    path = tmp_path_factory.mktemp("engine") / "tiny.safetensors"
    save_model(tiny_model, path, {})
    return path
