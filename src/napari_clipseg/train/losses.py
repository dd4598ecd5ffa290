"""What training makes small: wrong pixels, and image vectors far from the words for them."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional as F

_TEMPERATURE = 0.07
"""Of the contrast between concepts, as CLIP starts with (arXiv 2103.00020, section 2.5)."""

_SAME = 0.6
"""Cosine similarity from which two text vectors are not contrasted."""


@dataclasses.dataclass(frozen=True, slots=True)
class MaskTotals:
    """What the mask loss of a batch is a mean over.

    Parameters
    ----------
    known : Tensor ()
        Pixels of all prompts of which the truth is known.
    shown : Tensor ()
        Prompts that show something.
    """

    known: Tensor
    shown: Tensor

    @classmethod
    def of(cls, masks: Tensor, valid: Tensor) -> MaskTotals:
        """Return the totals of masks (B, P, H, W) and known pixels (B, H, W)."""
        shown = (masks * valid[:, None]).sum((-2, -1)) > 0
        return cls(valid.sum() * masks.shape[1], shown.sum())


def mask_loss(
    logits: Tensor, masks: Tensor, valid: Tensor, dice: float, totals: MaskTotals
) -> Tensor:
    """Return binary cross entropy plus ``dice`` times the Dice loss.

    Parameters
    ----------
    logits, masks : Tensor (B, P, H, W)
        Masks are 0 or 1.
    valid : Tensor (B, H, W)
        1 where the masks are known, else 0: such pixels teach nothing.
    dice : float
        Weight of the Dice loss, which counts prompts that show something only.
    totals : MaskTotals
        Of the whole batch, of which these may be a part: the losses of the parts add up to that
        of the batch.

    References
    ----------
    Milletari et al. 2016, V-Net, arXiv 1606.04797, equation of section 3.
    """
    known = valid[:, None].expand_as(masks)
    entropy = F.binary_cross_entropy_with_logits(logits, masks, known, reduction="sum")
    probability, target = logits.sigmoid() * known, masks * known
    shared = (probability * target).sum((-2, -1))
    total = (probability.square() + target).sum((-2, -1))
    overlap = (1 - (2 * shared + 1) / (total + 1)) * (target.sum((-2, -1)) > 0)
    return entropy / totals.known.clamp(min=1) + dice * overlap.sum() / totals.shown.clamp(min=1)


def align_loss(images: Tensor, meanings: Tensor) -> Tensor:
    """Return how far image vectors (V, E) are from text vectors (V, E), in angle and length."""
    angle = 1 - F.cosine_similarity(images, meanings)
    length = images.norm(dim=-1) / meanings.norm(dim=-1) - 1
    apart: Tensor = (angle + length.square()).mean()
    return apart


def contrast_loss(images: Tensor, meanings: Tensor, others: Tensor) -> Tensor:
    """Return the cross entropy of picking each image's meaning among other vectors.

    Parameters
    ----------
    images, meanings : Tensor (V, E)
    others : Tensor (N, E)
        Text vectors; those that are close to a meaning are not held against it.
    """
    own, rest, seen = (F.normalize(each, dim=-1) for each in (meanings, others, images))
    alike = (own @ rest.T) > _SAME
    wrong = (seen @ rest.T / _TEMPERATURE).masked_fill(alike, -torch.inf)
    right = (seen * own).sum(-1, keepdim=True) / _TEMPERATURE
    target = torch.zeros(len(images), dtype=torch.long, device=images.device)
    return F.cross_entropy(torch.cat([right, wrong], 1), target)
