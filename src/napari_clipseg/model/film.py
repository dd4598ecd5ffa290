"""FiLM's two networks: from a conditional vector to what multiplies and what is added to tokens.

A new kind is an entry of :data:`FILMS` at the bottom.

References
----------
Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer", arXiv 1709.07871.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def linear_film(embed_dim: int, width: int) -> nn.Module:
    """Return one linear layer, as in the paper."""
    return nn.Linear(embed_dim, width)


def mlp_film(embed_dim: int, width: int) -> nn.Module:
    """Return two linear layers with a ReLU between them."""
    return nn.Sequential(nn.Linear(embed_dim, width), nn.ReLU(), nn.Linear(width, width))


FILMS: dict[str, Callable[[int, int], nn.Module]] = {"linear": linear_film, "mlp": mlp_film}
"""Name -> function of the conditional vector's length and the decoder's width."""
