"""Linear layers by the library that multiplies fastest, with what follows them fused in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda values: values,
    "relu": F.relu,
    "gelu": F.gelu,
    "swish": F.silu,
}
"""What may follow a linear layer, by the names that oneDNN has for them."""

TRIAL_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 0.05}
"""How far oneDNN's results may lie from torch's when it is tried, absolute and relative."""


def linear(
    values: Tensor, weight: Tensor, bias: Tensor | None = None, activation: str = "none"
) -> Tensor:
    """Return ``activation(values @ weight.T + bias)`` in the type of the weight.

    Parameters
    ----------
    values : Tensor (..., I)
        Converted to the weight's type.
    weight : Tensor (O, I)
    bias : Tensor (O,), optional
    activation : str
        A name in :data:`ACTIVATIONS`.

    Returns
    -------
    Tensor (..., O)

    Notes
    -----
    On an x86 CPU torch multiplies float32 with MKL, which leaves the AVX-512 units of AMD's
    processors unused; oneDNN, which comes with torch as well, was 2.2 times as fast on a Zen 5
    and applies the activation before the result leaves the cache. It keeps no gradients, so
    that training takes the other way. What torch offers of it is private: it is tried before
    the first use, and where the trial fails ``F.linear`` does the work.
    """
    values = values.to(weight.dtype)
    if takes_onednn(values):
        bias = None if bias is None else bias.to(weight.dtype)
        return _fused(values, weight, bias, activation)
    return ACTIVATIONS[activation](F.linear(values, weight, bias))


def takes_onednn(values: Tensor) -> bool:
    """Return whether products of values of this type can be, and are better, done by oneDNN."""
    return (
        values.device.type == "cpu"
        and not torch.is_grad_enabled()
        and values.dtype in _onednn_types()
    )


@functools.cache
def _onednn_types() -> tuple[torch.dtype, ...]:
    """Return the types for which oneDNN takes the place of MKL, tried once for each.

    None where there is no MKL. The operators are torch's own and private: where a release has
    them no longer, has changed them, or they fail or give other values than torch's public
    product, torch multiplies.
    """
    backends: Any = torch.backends
    if not (backends.mkl.is_available() and backends.mkldnn.is_available()):
        return ()
    return tuple(each for each in (torch.float32, torch.bfloat16) if _onednn_works(each))


def _onednn_works(dtype: torch.dtype) -> bool:
    """Return whether oneDNN multiplies, with every activation, as torch does."""
    values = torch.linspace(-1, 1, 64).view(4, 16).to(dtype)
    weight, bias = values.flip(0)[:3].contiguous(), values[0, :3].contiguous()
    try:
        with torch.inference_mode():
            if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
                return False
            return all(
                torch.allclose(
                    _fused(values, weight, bias, name).float(),
                    activation(F.linear(values.float(), weight.float(), bias.float())),
                    atol=TRIAL_TOLERANCE[dtype],
                    rtol=TRIAL_TOLERANCE[dtype],
                )
                for name, activation in ACTIVATIONS.items()
            )
    # a missing operator, other arguments, or a type that this processor cannot do
    except (AttributeError, TypeError, RuntimeError):
        return False


def _fused(values: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
    """Return ``activation(values @ weight.T + bias)`` by oneDNN."""
    form = "none" if activation == "gelu" else ""
    fused: Tensor = torch.ops.mkldnn._linear_pointwise(values, weight, bias, activation, [], form)
    return fused
