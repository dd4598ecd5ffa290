"""A data folder and a training run so small that a test can afford them."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_clipseg.model.config import ModelConfig
from napari_clipseg.train.config import DataConfig, OptimConfig, SamplingConfig, TrainConfig

TINY = ModelConfig(
    clip={
        "embed_dim": 16,
        "quick_gelu": False,
        "vision_cfg": {
            "image_size": 32,
            "layers": 2,
            "width": 32,
            "head_width": 16,
            "patch_size": 8,
        },
        "text_cfg": {
            "context_length": 8,
            "vocab_size": 49408,
            "width": 16,
            "heads": 2,
            "layers": 1,
        },
    },
    stem=(8, 16),
    extract_layers=(0, 1),
    reduce_dim=16,
    decoder_mlp=32,
    head="refined",
    tile=32,
    threshold=0.5,
)

ENTRIES = [
    {
        "name": "cells",
        "use": "train",
        "kind": "masks",
        "domain": "microscopy",
        "concepts": {"nucleus": ["nuclei", "nucleus"]},
        "absent_mask_means_empty": True,
    },
    {
        "name": "streets",
        "use": "train",
        "kind": "masks",
        "domain": "street",
        "concepts": {"sky": ["sky"], "road": ["road"]},
        "absent_mask_means_empty": False,
    },
    {
        "name": "stones",
        "use": "train",
        "kind": "tiles",
        "domain": "texture/material",
        "concepts": {"moss": ["moss"], "brick": ["bricks", "brick wall"]},
        "absent_mask_means_empty": None,
    },
    {"name": "secret", "use": "evaluate only", "kind": "masks", "domain": "street"},
]


@pytest.fixture
def tiny_config() -> ModelConfig:
    return TINY


@pytest.fixture
def tiny_run(tiny_config) -> TrainConfig:
    """Eight steps on generated pictures."""
    return TrainConfig(
        model=tiny_config,
        data=DataConfig(weights={}, synthetic={"objects": 1, "fluorescence": 1}, pool=12),
        sampling=SamplingConfig(batch=3, prompts=2, supports=2),
        optim=OptimConfig(steps=8, warmup=2),
        seed=3,
        checkpoint_every=5,
        validate_every=100,
    )


@pytest.fixture
def data_folder(tmp_path):
    """A data folder with two mask sets and a tile set, each of a few pixels."""
    root = tmp_path / "data"
    _mask_set(root / "cells", {"nucleus": "a"})
    _mask_set(root / "streets", {"sky": "a", "road": "b"})
    for concept, colour in (("moss", 60), ("brick", 190)):
        folder = root / "stones" / concept
        folder.mkdir(parents=True)
        Image.fromarray(np.full((20, 24, 3), colour, np.uint8)).save(folder / "one.png")
    (root / "INDEX.json").write_text(json.dumps(ENTRIES))
    return root


def _mask_set(folder, masks):
    """Two pictures, with the left half masked of those that are named for a concept."""
    (folder / "images").mkdir(parents=True)
    half = np.zeros((48, 40), np.uint8)
    half[:, :20] = 255
    ramp = np.tile(np.arange(40, dtype=np.uint8) * 2 + 10, (48, 1))
    for stem in ("a", "b"):
        Image.fromarray(ramp).save(folder / "images" / f"{stem}.png")
    for concept, stem in masks.items():
        (folder / "masks" / concept).mkdir(parents=True)
        Image.fromarray(half).save(folder / "masks" / concept / f"{stem}.png")
    (folder / "train.txt").write_text("a.png\nb.png\n")
    (folder / "val.txt").write_text("a.png\n")
