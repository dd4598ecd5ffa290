"""The same random weights, of the real size, in transformers and here."""

from __future__ import annotations

import tempfile
from typing import Any

import torch

from napari_clipseg.model.checkpoint import load_model
from napari_clipseg.model.clipseg import CLIPSeg

LOGIT_SPREAD = 1.5
"""Standard deviation of the logits: most probabilities lie between 0.05 and 0.95, where reduced
precision shows. Random weights as they come give logits of one sign, all but constant."""


def same_weights(rgb: torch.Tensor, prompt: str) -> tuple[Any, CLIPSeg]:
    """Return transformers' CLIPSeg (rd64, ViT-B/16) and ours, read from the file it saved.

    Parameters
    ----------
    rgb : Tensor (B, 3, 352, 352)
        In [0, 1]: on these tiles the prompt's logits have mean 0 and the spread
        :data:`LOGIT_SPREAD`.
    prompt : str
    """
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

    torch.manual_seed(0)
    config = CLIPSegConfig(vision_config={"patch_size": 16}, reduce_dim=64)
    theirs = CLIPSegForImageSegmentation(config).eval().requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        logits = _logits(load_model(folder), rgb, prompt)
        head = theirs.decoder.transposed_convolution
        scale = LOGIT_SPREAD / logits.std()
        head.weight.mul_(scale)
        head.bias.copy_(scale * (head.bias - logits.mean()))
        theirs.save_pretrained(folder)
        return theirs, load_model(folder)


@torch.inference_mode()
def _logits(model: CLIPSeg, rgb: torch.Tensor, prompt: str) -> torch.Tensor:
    return model.logits(model.normalise(rgb), model.text_vectors([prompt])).clone()
