"""Weights that stay in their file: read for the call that needs them, given back after it.

A run over a large image asks a few prompts and then computes tiles for minutes. What only
prompts need, the text tower and the blocks of the vision tower that no tile goes through, is
half of CLIPSeg's weights: reading them costs a fraction of a second and leaves their memory free.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.files import LazyTensors
from napari_clipseg.model.precision import linear_names, store_linear

Reader = Callable[[str], Tensor]
"""Gives the weight of a name within a module."""


class Streamed(nn.Module):
    """A module that holds no weights between two calls.

    Parameters
    ----------
    module : Module
        Its weights, of which only names and types count, may lie on "meta".
    read : callable
        Gives the weight of each name as it is to be used.

    Notes
    -----
    No weight is registered: the state is without them and moving the model moves none.
    """

    def __init__(self, module: nn.Module, read: Reader) -> None:
        super().__init__()
        self._held = (module, read)  # a tuple, since torch would register a module

    def __getattr__(self, name: str) -> Any:
        """Return what open_clip asks of a block, such as the type of its weights."""
        if name == "_held":  # asked before there is a module, as by copy.deepcopy
            raise AttributeError(name)
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self._held[0], name)

    def forward(self, tokens: Tensor, *arguments: Any, **options: Any) -> Tensor:
        """Return what the module makes of tokens (B, T, W) and whatever else it takes."""
        module, read = self._held
        weights = {name: read(name).to(tokens.device) for name, _ in module.named_parameters()}
        result: Tensor = functional_call(module, weights, (tokens, *arguments), options)
        return result


class StreamedEmbedding(nn.Module):
    """A table of vectors of which only those that are asked for are read.

    Parameters
    ----------
    rows : callable
        Gives the rows (N, W) of numbers (N,).
    """

    def __init__(self, rows: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._rows = rows

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the vectors (..., W) of numbers (...)."""
        rows = self._rows(numbers.flatten().cpu()).to(numbers.device)
        return rows.view(*numbers.shape, -1)


def prompt_modules(model: CLIPSeg) -> dict[str, nn.Module]:
    """Return, by name, the parts of a model that no tile goes through."""
    encoder = model.encoder
    deepest, vision = encoder.extract_layers[-1], "encoder.clip.visual.transformer.resblocks"
    text = ("encoder.clip.token_embedding", "encoder.clip.transformer.resblocks")
    blocks = [f"{text[1]}.{n}" for n in range(len(encoder.clip.transformer.resblocks))]
    count = len(encoder.clip.visual.transformer.resblocks)
    beyond = [f"{vision}.{number}" for number in range(deepest + 1, count)]
    return {name: model.get_submodule(name) for name in (text[0], *blocks, *beyond)}


def stream(model: CLIPSeg, state: LazyTensors, dtype: torch.dtype) -> None:
    """Leave the weights that only prompts need in their file.

    Parameters
    ----------
    model : CLIPSeg
        On "meta"; changed in place.
    state : LazyTensors
        All its weights in float32, by the names of its state.
    dtype : torch.dtype
        In which linear layers multiply.
    """
    for name, module in prompt_modules(model).items():
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, _streamed(name, module, state, dtype))


def _streamed(name: str, module: nn.Module, state: LazyTensors, dtype: torch.dtype) -> nn.Module:
    if isinstance(module, nn.Embedding):
        return StreamedEmbedding(partial(state.rows, f"{name}.weight"))
    linear = linear_names(module)
    store_linear(module, dtype)

    def read(weight: str) -> Tensor:
        tensor = state[f"{name}.{weight}"]
        return tensor.to(dtype) if weight in linear else tensor

    return Streamed(module.eval(), read)
