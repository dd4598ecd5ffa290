"""What one step makes smaller, and how far it goes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.train.config import TrainConfig
from napari_clipseg.train.losses import align_loss, contrast_loss, mask_loss
from napari_clipseg.train.sampling import Batch


def batch_losses(model: CLIPSeg, batch: Batch, config: TrainConfig) -> dict[str, Tensor]:
    """Return the weighted losses of a batch by name: mask, align, contrast."""
    conditional = torch.from_numpy(batch.vectors)
    aligned = {"align": torch.zeros(()), "contrast": torch.zeros(())}
    if len(batch.places):
        seen = model.image_vectors(_pixel_values(model, batch.supports))
        meanings = torch.from_numpy(batch.meanings)
        weight = torch.from_numpy(batch.mix)[:, None]
        places = tuple(torch.from_numpy(batch.places).T)
        mixed = weight * meanings + (1 - weight) * seen
        aligned["align"] = config.optim.align * align_loss(seen, meanings)
        others = conditional.flatten(0, 1)
        aligned["contrast"] = config.optim.contrast * contrast_loss(seen, meanings, others)
        conditional = conditional.index_put(places, mixed)
    pixel_values = _pixel_values(model, batch.images)
    logits = model.logits(pixel_values, conditional)
    masks, valid = (torch.from_numpy(each).float() for each in (batch.masks, batch.valid))
    return {"mask": mask_loss(logits, masks, valid, config.optim.dice), **aligned}


def _pixel_values(model: CLIPSeg, images: NDArray[np.float32]) -> Tensor:
    return model.normalise(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return AdamW's learning rate at a step: a linear rise, then half cosines.

    References
    ----------
    Loshchilov & Hutter 2017, SGDR, arXiv 1608.03983: the restarts.
    """
    optim = config.optim
    if step < optim.warmup:
        return optim.rate * (step + 1) / optim.warmup
    cycles = list(itertools.pairwise((optim.warmup, *optim.restarts, optim.steps)))
    first, last = next((cycle for cycle in cycles if step < cycle[1]), cycles[-1])
    done = (step - first) / (last - first)
    share = 0.5 * (1 + math.cos(math.pi * done))
    return optim.final_rate + (optim.rate - optim.final_rate) * share


def rates(step: int, config: TrainConfig) -> dict[str, float]:
    """Return the learning rate of each part of the network at a step."""
    optim = config.optim
    first, last = optim.tower_rise
    risen = min(1.0, max(0.0, (step - first) / max(1, last - first)))
    tower = optim.tower + (optim.tower_late - optim.tower) * risen
    rate = learning_rate(step, config)
    return {"decoder": rate, "film": rate * optim.film, "tower": rate * tower}


def new_optimizer(model: CLIPSeg, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW over what is trained; biases, norms and lone vectors do not decay.

    Each group's ``part`` says which of :func:`rates` it gets.
    """
    groups: dict[tuple[str, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            matrix = parameter.ndim >= 2
            part = "tower" if name.startswith("encoder.") else "decoder"
            part = "film" if matrix and ".film_" in name else part
            decay = config.optim.weight_decay if matrix else 0.0
            groups.setdefault((part, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "part": part, "weight_decay": decay}
            for (part, decay), parameters in groups.items()
        ],
        config.optim.rate,
        fused=True,
    )
