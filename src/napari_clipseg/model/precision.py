"""Weights stored in the type that they are multiplied in, and the name that all weights have.

Autocast would convert the matrices of linear layers anew for every batch, which costs more than
reduced precision gains. The rest (embeddings, norms, convolutions) stays in float32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_clipseg.model.config import ModelConfig


@dataclass(frozen=True, slots=True)
class Kept:
    """How a model keeps its weights that does not hold all of them in float32.

    Parameters
    ----------
    dtype : torch.dtype
        Of the weights of its linear layers.
    weights_hash : str
        Of all weights in float32: it names them, not how they are kept.
    left : tuple of str
        Names of the modules whose weights were left in their file.
    """

    dtype: torch.dtype
    weights_hash: str
    left: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return what is not held in float32, for a sentence about the model."""
        lowered = self.dtype != torch.float32
        parts = [f"its linear layers are stored in {type_name(self.dtype)}"] if lowered else []
        if self.left:
            parts.append(f"the weights of {len(self.left)} of its modules were left in their file")
        return " and ".join(parts)


def type_name(dtype: torch.dtype) -> str:
    """Return what a person calls a type: "float32"."""
    return str(dtype).removeprefix("torch.")


def weights_hash(config: ModelConfig, weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over a configuration and the names and values of all weights."""
    digest = WeightsDigest(config)
    for name in sorted(weights):
        digest.add(name, weights[name])
    return digest.hexdigest()


class WeightsDigest:
    """The hash of :func:`weights_hash`, of weights that come one by one.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        self._digest = hashlib.sha256(config.to_json().encode())

    def add(self, name: str, value: Tensor) -> None:
        """Take in a tensor (any shape, float32); they come sorted by name."""
        self._digest.update(name.encode())
        self._digest.update(value.detach().cpu().reshape(-1).contiguous().numpy().data)

    def hexdigest(self) -> str:
        """Return 64 hexadecimal digits."""
        return self._digest.hexdigest()


def linear_names(model: nn.Module) -> frozenset[str]:
    """Return the names, as in the state dict, of the parameters of linear layers."""
    return frozenset(
        f"{path}.{name}" if path else name
        for path, module in _linear_modules(model)
        for name, _ in module.named_parameters(recurse=False)
    )


def lower(model: nn.Module, config: ModelConfig, dtype: torch.dtype) -> Kept:
    """Store the linear layers of a model in another type, one tensor after the other.

    Parameters
    ----------
    model : Module
        In float32; changed in place.
    config : ModelConfig
        For the hash.
    dtype : torch.dtype

    Returns
    -------
    Kept
        What the model is to carry from now on.
    """
    kept = Kept(dtype, weights_hash(config, model.state_dict()))
    store_linear(model, dtype)
    return kept


def store_linear(model: nn.Module, dtype: torch.dtype) -> None:
    """Store the linear layers of a model in another type, in place and one by one."""
    for _, module in _linear_modules(model):
        for parameter in module.parameters(recurse=False):
            parameter.data = parameter.data.to(dtype)


def _linear_modules(model: nn.Module) -> Iterable[tuple[str, nn.Module]]:
    kinds = (nn.Linear, nn.MultiheadAttention)
    return [(path, each) for path, each in model.named_modules() if isinstance(each, kinds)]
