"""The weights of a file, held against the network that asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import torch
from torch import Tensor

from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.precision import Lowered, WeightsDigest, linear_names


class FittedWeights:
    """The weights of a model, taken one by one in the type in which they are stored.

    Parameters
    ----------
    model : CLIPSeg
        Asks for them; only types and shapes are read.
    dtype : torch.dtype
        In which those of linear layers are stored.
    digest : WeightsDigest, optional
        Gets all of them in float32.

    Attributes
    ----------
    values : dict of str to Tensor
        What was taken.
    left : tuple of str
        How the names begin of what is checked and not taken.
    """

    def __init__(self, model: CLIPSeg, dtype: torch.dtype, digest: WeightsDigest | None) -> None:
        self.values: dict[str, Tensor] = {}
        self.left: tuple[str, ...] = ()
        self._wanted: Mapping[str, Tensor] = model.state_dict()
        self._linear: AbstractSet[str] = linear_names(model)
        self._dtype, self._digest = dtype, digest

    def take(self, state: Mapping[str, Tensor]) -> list[str]:
        """Take what fits; return one line for each tensor that is not as the model wants it."""
        missing = [f"missing: {name}" for name in self._wanted if name not in state]
        surplus = [f"surplus: {name}" for name in state if name not in self._wanted]
        names = sorted(name for name in self._wanted if name in state)
        misfits = [line for name in names if (line := self._take(name, state[name]))]
        return missing + surplus + misfits

    def lowered(self) -> Lowered | None:
        """Return how the weights are stored, None if all are kept in float32."""
        return None if self._digest is None else Lowered(self._dtype, self._digest.hexdigest())

    def _take(self, name: str, tensor: Tensor) -> str | None:
        wanted = self._wanted[name]
        if wanted.ndim == 0 and tensor.numel() == 1:  # some files keep a number as a vector
            tensor = tensor.reshape(())
        if _describe(tensor) != _describe(wanted):
            return f"misshapen: {name} is {_describe(tensor)}, not {_describe(wanted)}"
        if self._digest is not None:
            self._digest.add(name, tensor)
        if not name.startswith(self.left):
            self.values[name] = tensor.to(self._dtype) if name in self._linear else tensor
        return None


def _describe(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
