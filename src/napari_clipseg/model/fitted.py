"""The weights of a file, held against the network that asks for them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

import torch
from torch import Tensor

from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.precision import Kept, WeightsDigest, linear_names, type_name


class FittedWeights:
    """The weights of a model, taken one by one in the type in which they are stored.

    Parameters
    ----------
    model : CLIPSeg
        Asks for them; only types and shapes are read.
    dtype : torch.dtype
        In which those of linear layers are stored.
    left : iterable of str
        Names of modules whose weights are checked and not taken.

    Attributes
    ----------
    values : dict of str to Tensor
        What was taken.
    """

    def __init__(self, model: CLIPSeg, dtype: torch.dtype, left: Iterable[str] = ()) -> None:
        self.values: dict[str, Tensor] = {}
        self._wanted: Mapping[str, Tensor] = model.state_dict()
        self._linear: AbstractSet[str] = linear_names(model)
        self._dtype, self._left = dtype, tuple(left)
        whole = dtype == torch.float32 and not self._left
        self._digest = None if whole else WeightsDigest(model.config)

    def take(self, state: Mapping[str, Tensor]) -> list[str]:
        """Take what fits; return one line for each tensor that is not as the model wants it."""
        missing = [f"missing: {name}" for name in self._wanted if name not in state]
        surplus = [f"surplus: {name}" for name in state if name not in self._wanted]
        names = sorted(name for name in self._wanted if name in state)
        misfits = [line for name in names if (line := self._take(name, state[name]))]
        return missing + surplus + misfits

    def kept(self) -> Kept | None:
        """Return how the weights are kept, None if all of them are taken in float32."""
        if self._digest is None:
            return None
        return Kept(self._dtype, self._digest.hexdigest(), self._left)

    def _take(self, name: str, tensor: Tensor) -> str | None:
        wanted = self._wanted[name]
        if wanted.ndim == 0 and tensor.numel() == 1:  # some files keep a number as a vector
            tensor = tensor.reshape(())
        if _describe(tensor) != _describe(wanted):
            return f"misshapen: {name} is {_describe(tensor)}, not {_describe(wanted)}"
        if not is_finite(tensor):
            return f"not finite: {name}"
        dtype = self._dtype if name in self._linear else tensor.dtype
        if not is_finite(tensor, dtype):
            return f"too large for {type_name(dtype)}: {name}"
        if self._digest is not None:
            self._digest.add(name, tensor)
        if name.startswith(tuple(f"{module}." for module in self._left)):
            return None
        self.values[name] = tensor.to(dtype)
        return None


def is_finite(tensor: Tensor, dtype: torch.dtype | None = None) -> bool:
    """Return whether no value is NaN or infinite, nor would be in a type, without much memory."""
    # NaN is passed on to both ends; isfinite on all values takes 15 times as long
    largest = sys.float_info.max if dtype is None else torch.finfo(dtype).max
    return not tensor.numel() or all(abs(float(end)) <= largest for end in torch.aminmax(tensor))


def _describe(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {type_name(tensor.dtype)}"
