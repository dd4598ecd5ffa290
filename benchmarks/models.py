"""The same random weights, of the real size, in transformers and here."""

from __future__ import annotations

import tempfile
from typing import Any

import torch

from napari_clipseg.model.checkpoint import load_model
from napari_clipseg.model.clipseg import CLIPSeg


def same_weights() -> tuple[Any, CLIPSeg]:
    """Return transformers' CLIPSeg (rd64, ViT-B/16) and ours, read from the file it saved.

    The weights are random, the decoder's scaled up: most probabilities are extreme, which is a
    hard case for reduced precision.
    """
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

    torch.manual_seed(0)
    config = CLIPSegConfig(vision_config={"patch_size": 16}, reduce_dim=64)
    theirs = CLIPSegForImageSegmentation(config).eval().requires_grad_(False)
    for name, value in theirs.decoder.named_parameters():
        if "film" in name or "reduces" in name or "transposed" in name:
            value.mul_(LOGIT_SPREAD)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        return theirs, load_model(folder)


LOGIT_SPREAD = 4.0
"""Factor on the random decoder's weights."""
