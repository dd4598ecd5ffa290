"""Tensors in files: read without running anything the file holds, written whole or not at all."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from napari_clipseg.atomic import atomic_path
from napari_clipseg.errors import OutputError, WeightsInvalid
from napari_clipseg.model.config import ModelConfig


class LazyTensors(Mapping[str, Tensor]):
    """Tensors that are made when they are asked for, anew each time: none is kept here.

    So a model takes its weights from a file one by one, in the type it stores them in, and
    never lies in memory twice.

    Parameters
    ----------
    makers : mapping of str to callable
        What gives the tensor of a name.
    stored : bool
        Whether all come from files, so that those not asked for take no memory.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Tensor]], stored: bool) -> None:
        self._makers, self.stored = makers, stored

    def __getitem__(self, name: str) -> Tensor:
        return self._makers[name]()

    def __contains__(self, name: object) -> bool:
        return name in self._makers  # Mapping's own way would read the tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def maker(self, name: str) -> Callable[[], Tensor]:
        """Return what makes the tensor of a name."""
        return self._makers[name]

    def rows(self, name: str, numbers: Tensor) -> Tensor:
        """Return some rows of a tensor; where the file stores it as it is, only they are read."""
        maker = self._makers[name]
        return maker.rows(numbers) if isinstance(maker, StoredTensor) else maker()[numbers]

    def __or__(self, other: LazyTensors) -> LazyTensors:
        """Return the tensors of both."""
        stored = self.stored and other.stored
        return LazyTensors({**self._makers, **other._makers}, stored)


def renamed(tensors: Mapping[str, Tensor], names: Mapping[str, str]) -> LazyTensors:
    """Return some tensors under other names, not read yet.

    Parameters
    ----------
    tensors : mapping of str to Tensor
    names : mapping of str to str
        New name -> name in ``tensors``.
    """
    return LazyTensors({new: _maker(tensors, old) for new, old in names.items()}, stored(tensors))


def stored(tensors: Mapping[str, Tensor]) -> bool:
    """Return whether tensors are in files and take no memory."""
    return isinstance(tensors, LazyTensors) and tensors.stored


def _maker(tensors: Mapping[str, Tensor], name: str) -> Callable[[], Tensor]:
    if isinstance(tensors, LazyTensors):
        return tensors.maker(name)
    return partial(tensors.__getitem__, name)


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a safetensors file, in float32 if it is of floating point.

    Parameters
    ----------
    path : Path
    name : str
    changed : int
        When the file changed last, in ns, at the time it was opened.

    Notes
    -----
    What is given is a copy: what is only mapped would break when the file is changed. The file
    is opened for each anew, since pages of a map that stays open count as memory of the
    process: reading all at once took twice the size of the file.
    """

    path: Path
    name: str
    changed: int

    def __call__(self) -> Tensor:
        """Return the tensor.

        Raises
        ------
        WeightsInvalid
            If the file is damaged or is no longer the one that was opened.
        """
        return self._read(torch.clone)

    def rows(self, numbers: Tensor) -> Tensor:
        """Return the rows of some numbers (N,), without reading others."""
        return self._read(lambda tensor: tensor[numbers])

    def _read(self, part: Callable[[Tensor], Tensor]) -> Tensor:
        try:
            with safe_open(self.path, framework="pt") as file:
                tensor = _float32(part(file.get_tensor(self.name)))
            if self.path.stat().st_mtime_ns == self.changed:
                return tensor
        except (SafetensorError, OSError) as error:
            raise _damaged(self.path, error) from error
        raise WeightsInvalid(
            f"{self.path} was replaced while its weights were in use: start again to use the new "
            "ones, or put the old file back."
        )


@dataclass(frozen=True, slots=True)
class TensorFile:
    """What a weights file holds.

    Parameters
    ----------
    path : Path
    tensors : mapping of str to Tensor
        Floating point tensors in float32, whatever the file stores. Those of a safetensors
        file are read when they are asked for.
    metadata : mapping of str to str
        Of a safetensors file; empty for other files.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a weights file holds, in the names of ``CLIPSeg.state_dict()``.

    Parameters
    ----------
    config : ModelConfig
    state : mapping of str to Tensor
        Read when asked for, if the file is; not yet compared with what the configuration asks for.
    """

    config: ModelConfig
    state: Mapping[str, Tensor]


def read_file(path: Path) -> TensorFile:
    """Return the content of a safetensors file or of a PyTorch file with a flat state dict.

    Raises
    ------
    WeightsInvalid
        If the file is damaged, not of these kinds, or would have to run code to be read.
    """
    if path.suffix == ".safetensors":
        return _open_safetensors(path)
    tensors = {name: _float32(tensor) for name, tensor in _read_pickle(path).items()}
    return TensorFile(path, tensors, {})


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file without reading its tensors.

    Raises
    ------
    WeightsInvalid
        If the file is damaged or no safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def write_file(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file that takes the place of an older one only when complete.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with atomic_path(path) as unfinished:
            # not save_file, whose files only their owner can read
            unfinished.write_bytes(save(own, dict(metadata)))
    except SafetensorError as error:
        raise OutputError(f"{path} cannot be written: {error}") from error


def _open_safetensors(path: Path) -> TensorFile:
    try:
        with safe_open(path, framework="pt") as file:
            names, metadata = list(file.keys()), dict(file.metadata() or {})
        changed = path.stat().st_mtime_ns
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    tensors = {name: StoredTensor(path, name, changed) for name in names}
    return TensorFile(path, LazyTensors(tensors, stored=True), metadata)


def _read_pickle(path: Path) -> dict[str, Tensor]:
    if _is_torchscript(path):
        raise WeightsInvalid(
            f"{path} is a TorchScript archive, which holds a program. It is not loaded, since "
            "that could run anything. If you trust it, open it with torch.jit.load, save its "
            "state_dict() with torch.save and give that file."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    # what torch raises for a damaged file depends on where the damage is
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise WeightsInvalid(
            f"{path} holds no flat state dict (names and tensors) but {type(content).__name__}: "
            "save the state_dict() of the model alone"
        )
    return content


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(Path(name).name == "constants.pkl" for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _damaged(path: Path, error: Exception) -> WeightsInvalid:
    # not torch's own words: for some files it advises to load them unsafely
    return WeightsInvalid(
        f"{path} cannot be read as a weights file ({type(error).__name__}). "
        "It is damaged, was altered or is of another kind: fetch or copy it again."
    )
