"""Models from weights files and back: every layout in, this package's own layout out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from napari_clipseg.errors import SettingError, WeightsInvalid, WeightsNotFound
from napari_clipseg.model import files, learned
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.config import ModelConfig
from napari_clipseg.model.files import Checkpoint, LazyTensors, TensorFile
from napari_clipseg.model.fitted import FittedWeights
from napari_clipseg.model.layouts import FORMAT, VERSION, read_layout
from napari_clipseg.model.learned import Learned
from napari_clipseg.model.streamed import prompt_modules, stream
from napari_clipseg.model.weights import locate

BACKBONE = "clip-vit-b16"
"""The CLIP that the authors trained their decoders on."""

_NAMED = 20


def load_model(
    source: str | Path,
    *,
    backbone: str | Path | None = None,
    offline: bool | None = None,
    dtype: torch.dtype = torch.float32,
) -> CLIPSeg:
    """Return a model with weights, ready to be asked, on the CPU.

    Parameters
    ----------
    source : str or Path
        A name of the catalog, a weights file or the folder that holds one, or a hub repository
        (``owner/name``). Nothing is fetched; see :func:`napari_clipseg.model.weights.fetch`.
    backbone : str or Path, optional
        CLIP for the authors' decoder-only files, in the names of OpenAI and open_clip. By
        default the fetched ``clip-vit-b16``.
    offline : bool, optional
        Only shapes the advice when weights are missing.
    dtype : torch.dtype
        In which the weights of linear layers are stored: a model that computes in reduced
        precision is loaded in it, tensor by tensor, and needs little more than half the memory.

    Returns
    -------
    CLIPSeg
        In float32 but for the linear layers, in evaluation mode, no parameter requires a
        gradient.

    Raises
    ------
    WeightsNotFound
        If a file that is needed is not on this machine; the message says how to get it.
    WeightsInvalid
        If a file is damaged, altered or does not hold such a model; all missing, surplus and
        misshapen tensors, and those with values that are not finite, are named.
    UnknownName
        If there is no model of that name.
    SettingError
        If a backbone is given for a file that needs none.

    Examples
    --------
    >>> model = load_model("starter")  # doctest: +SKIP
    """
    return _load(source, backbone, offline, partial(build, dtype=dtype))


def load_streamed(
    source: str | Path,
    *,
    backbone: str | Path | None = None,
    offline: bool | None = None,
    dtype: torch.dtype = torch.float32,
) -> CLIPSeg:
    """Return :func:`load_model`'s model with half of its weights left in the file.

    What only prompts need, see :mod:`napari_clipseg.model.streamed`, is checked now and read
    again for every prompt: right for a run that asks a few prompts of much. The results are the
    same. The file has to stay as it is until the run ends, which is checked; a PyTorch file
    cannot be read in parts, and nothing is left in it.

    Parameters
    ----------
    source, backbone, offline, dtype
        As for :func:`load_model`.

    Raises
    ------
    WeightsNotFound, WeightsInvalid, UnknownName, SettingError
        As for :func:`load_model`; WeightsInvalid for a prompt, too, if the file has changed.
    """
    return _load(source, backbone, offline, partial(build_streamed, dtype=dtype))


def _load(
    source: str | Path,
    backbone: str | Path | None,
    offline: bool | None,
    make: Callable[[Checkpoint, Path], CLIPSeg],
) -> CLIPSeg:
    file = files.read_file(locate(source, offline=offline))
    wanted: list[TensorFile] = []

    def read_backbone() -> TensorFile:
        wanted.append(_read_backbone(backbone, offline))
        return wanted[0]

    model = make(read_layout(file, read_backbone), file.path)
    if backbone is not None and not wanted:
        raise SettingError(f"{file.path} holds its own CLIP: leave the backbone {backbone} out")
    if learned.KEY in file.metadata:
        model.learned = Learned.from_json(file.metadata[learned.KEY])
    return model


def save_model(
    model: CLIPSeg,
    path: str | Path,
    metadata: Mapping[str, str],
    *,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a model, with its configuration, as one safetensors file.

    Parameters
    ----------
    model : CLIPSeg
    path : str or Path
        Written whole or not at all; a file that is there is replaced.
    metadata : mapping of str to str
        Kept in the file beside ``format``, ``version``, ``config`` and ``learned``, which are
        ours.
    dtype : torch.dtype
        ``torch.float32``, or ``torch.float16`` for half the size.

    Raises
    ------
    OutputError
        If the file cannot be written.
    SettingError
        If the weights are stored in reduced precision or were left in their file: what is not
        there cannot be written.
    """
    if model.kept is not None:
        raise SettingError(
            f"the model does not hold all its weights in float32: {model.kept}; load it with "
            "load_model, in float32, to save it"
        )
    own = {"format": FORMAT, "version": str(VERSION), "config": model.config.to_json()}
    if model.learned is not None:
        own[learned.KEY] = model.learned.to_json()
    state = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
    files.write_file(Path(path), state, {**metadata, **own})


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return what :func:`save_model` wrote beside the weights, without reading those.

    Raises
    ------
    WeightsInvalid
        If the file is damaged or no safetensors file.
    """
    return files.read_metadata(Path(path))


def build(checkpoint: Checkpoint, path: Path, dtype: torch.dtype = torch.float32) -> CLIPSeg:
    """Return the model of a checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
        Its tensors become the model's own.
    path : Path
        For the message if the tensors are not those of the configuration.
    dtype : torch.dtype
        As for :func:`load_model`.

    Returns
    -------
    CLIPSeg

    Raises
    ------
    WeightsInvalid
        If tensors are missing, surplus, misshapen, not of floating point or not finite.
    """
    model = _empty(checkpoint.config, path)
    weights = FittedWeights(model, dtype)
    _check(weights.take(checkpoint.state), path)
    return _filled(model, weights)


def build_streamed(
    checkpoint: Checkpoint, path: Path, dtype: torch.dtype = torch.float32
) -> CLIPSeg:
    """Return the model of a checkpoint; what only prompts need stays in the file.

    Parameters
    ----------
    checkpoint, path, dtype
        As for :func:`build`, which does the work where tensors are in memory already.

    Raises
    ------
    WeightsInvalid
        As for :func:`build`.
    """
    state = checkpoint.state
    if not (isinstance(state, LazyTensors) and state.stored):
        return build(checkpoint, path, dtype)
    model = _empty(checkpoint.config, path)
    weights = FittedWeights(model, dtype, prompt_modules(model))
    _check(weights.take(state), path)
    stream(model, state, dtype)
    return _filled(model, weights)


def _filled(model: CLIPSeg, weights: FittedWeights) -> CLIPSeg:
    model.load_state_dict(weights.values, assign=True)
    model.kept = weights.kept()
    return model.eval().requires_grad_(False)


def _check(problems: list[str], path: Path) -> None:
    if not problems:
        return
    named = "\n".join(problems[:_NAMED])
    more = f"\n... and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    raise WeightsInvalid(
        f"{path} does not hold the weights of its configuration, {len(problems)} tensors are "
        f"wrong:\n"
        f"{named}{more}\nThe file is damaged, was altered or belongs to another model: "
        "fetch or copy it again."
    )


def _empty(config: ModelConfig, path: Path) -> CLIPSeg:
    """Return a model without values, which costs neither memory nor random numbers."""
    try:
        with torch.device("meta"):
            return CLIPSeg(config)
    # what open_clip and torch raise for a configuration depends on what is wrong with it
    except Exception as error:
        raise WeightsInvalid(
            f"the configuration of {path} describes no network: {type(error).__name__}: {error}"
        ) from error


def _read_backbone(backbone: str | Path | None, offline: bool | None) -> TensorFile:
    try:
        return files.read_file(locate(backbone or BACKBONE, offline=offline))
    except WeightsNotFound as error:
        raise WeightsNotFound(
            f"the checkpoint is a decoder alone and needs the CLIP it was trained on: {error}"
        ) from error
