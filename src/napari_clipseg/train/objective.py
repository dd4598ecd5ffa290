"""What one step makes smaller, and how far it goes."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.train.config import OptimConfig, TrainConfig
from napari_clipseg.train.losses import MaskTotals, align_loss, contrast_loss, mask_loss
from napari_clipseg.train.sampling import Batch


@dataclasses.dataclass(frozen=True, slots=True)
class Whole:
    """What the losses of a part of a batch have to know of all of it.

    Parameters
    ----------
    totals : MaskTotals
    supports : int
        Prompt images of the batch.
    vectors : Tensor (B * P, E)
        Text vectors of all prompts, which the meaning of a prompt image is held against.
    """

    totals: MaskTotals
    supports: int
    vectors: Tensor

    @classmethod
    def of(cls, batch: Batch, device: torch.device) -> Whole:
        """Return what there is to know of a batch."""
        masks, valid = (_on(device, each).float() for each in (batch.masks, batch.valid))
        vectors = _on(device, batch.vectors).flatten(0, 1)
        return cls(MaskTotals.of(masks, valid), len(batch.places), vectors)


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What the vision tower says of a batch.

    Parameters
    ----------
    activations : sequence of Tensor (B, 1 + N, W)
        Of the images, deepest block first.
    vectors : Tensor (V, E)
        Image vectors of the prompt images.
    """

    activations: Sequence[Tensor]
    vectors: Tensor

    @classmethod
    def of(cls, model: CLIPSeg, batch: Batch) -> Seen:
        """Return what a model's tower says of a batch or of a part of one."""
        images, supports = _pixel_values(model, batch.images), _pixel_values(model, batch.supports)
        activations = model.encoder.activations(images)
        if not len(supports):
            return cls(activations, images.new_zeros(0, model.config.embed_dim))
        return cls(activations, model.image_vectors(supports))

    def to(self, device: torch.device | str) -> Seen:
        """Return the same on a device."""
        return Seen([each.to(device) for each in self.activations], self.vectors.to(device))


def part_losses(
    model: CLIPSeg, part: Batch, seen: Seen, whole: Whole, optim: OptimConfig
) -> dict[str, Tensor]:
    """Return the weighted losses of a part of a batch by name: mask, align, contrast.

    Those of all parts add up to those of the batch.
    """
    device = model.mean.device
    conditional = _on(device, part.vectors)
    aligned = {"align": torch.zeros((), device=device), "contrast": torch.zeros((), device=device)}
    if len(part.places):
        pointed = seen.vectors.float()
        meanings, weight = _on(device, part.meanings), _on(device, part.mix)[:, None]
        share = len(part.places) / whole.supports
        aligned["align"] = share * optim.align * align_loss(pointed, meanings)
        contrast = contrast_loss(pointed, meanings, whole.vectors)
        aligned["contrast"] = share * optim.contrast * contrast
        mixed = weight * meanings + (1 - weight) * pointed
        conditional = conditional.index_put(tuple(_on(device, part.places).T), mixed)
    down, across = (side // model.encoder.patch for side in part.images.shape[1:3])
    logits = model.decode(model.decoder.reduce(seen.activations), conditional, (down, across))
    masks, valid = (_on(device, each).float() for each in (part.masks, part.valid))
    return {"mask": mask_loss(logits.float(), masks, valid, optim.dice, whole.totals), **aligned}


def _on(device: torch.device, array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(array).to(device)


def _pixel_values(model: CLIPSeg, images: NDArray[np.float32]) -> Tensor:
    rgb = _on(model.mean.device, images)
    return model.normalise(rgb.permute(0, 3, 1, 2).contiguous())


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
        fused=next(model.parameters()).device.type != "mps",
    )
