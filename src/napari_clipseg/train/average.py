"""The moving average of the weights, which is what a run saves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Moving average of weights that are being trained.

    Parameters
    ----------
    parameters : sequence of Parameter
    decay : float
        Share of the average that each step keeps; less in the first steps, in which there is
        little to average.

    Attributes
    ----------
    values : list of Tensor
        The average, in the order of the parameters.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self._parameters = parameters
        self._decay = decay
        self.values = [parameter.detach().clone() for parameter in parameters]

    def update(self, step: int) -> None:
        """Take in the weights after a step."""
        keep = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [p.detach() for p in self._parameters], 1 - keep)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Lend the average to the model in place of its weights."""
        current = [parameter.detach().clone() for parameter in self._parameters]
        assign(self._parameters, self.values)
        try:
            yield
        finally:
            assign(self._parameters, current)


@torch.no_grad()
def assign(targets: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy values into tensors, wherever these are."""
    for target, value in zip(targets, values, strict=True):
        target.copy_(value)
