"""Where and how precisely to compute, and what to do when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from napari_clipseg.errors import ClipSegError, EngineError, OutOfMemory, SettingError, UnknownName

DEVICES = ("auto", "cpu", "cuda", "mps")
"""Device names; "auto" is the first of cuda, mps and cpu that this machine has."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Precision of the network's multiplications; all but float32 through autocast."""


def choose_device(name: str) -> torch.device:
    """Return the torch device of a name such as "auto", "cpu" or "cuda:1".

    Raises
    ------
    UnknownName
        If the name is none of :data:`DEVICES` with an optional number.
    SettingError
        If this machine has no such device.
    """
    name = str(name)
    kind = name.partition(":")[0]
    if kind not in DEVICES:
        raise UnknownName(f"device {name!r} is unknown; there are {', '.join(DEVICES)}")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next((each for each in ("cuda", "mps") if present[each]), "cpu"))
    if not present.get(kind, True):
        raise SettingError(f"this machine has no {kind} device that torch can use; try 'auto'")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise UnknownName(
            f"device {name!r} is unknown: a number goes behind it, as in cuda:1"
        ) from error


def choose_precision(name: str) -> torch.dtype:
    """Return the torch type of a precision's name, or raise :class:`UnknownName`."""
    if name not in PRECISIONS:
        raise UnknownName(f"precision {name!r} is unknown; there are {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn torch's errors into ours: none that leaves is a RuntimeError."""
    try:
        yield
    except ClipSegError:
        raise
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise OutOfMemory(
                "a single tile does not fit into memory; close other programs, "
                'use a smaller tile, fewer prompts at once or device="cpu"'
            ) from error
        raise EngineError(f"the model failed: {error}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch or numpy says that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "not enough memory" in text or "can't allocate memory" in text
    )


def halving(compute: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Return ``compute(batch)``, in halves along the first axis where memory runs out."""
    try:
        return compute(batch)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or len(batch) == 1:
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(batch) // 2
    return torch.cat([halving(compute, batch[:middle]), halving(compute, batch[middle:])])
