"""Models from weights files and back: every layout in, this package's own layout out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from napari_clipseg.errors import SettingError, WeightsInvalid, WeightsNotFound
from napari_clipseg.model import files, learned
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.config import ModelConfig
from napari_clipseg.model.files import Checkpoint, TensorFile
from napari_clipseg.model.layouts import FORMAT, VERSION, read_layout
from napari_clipseg.model.learned import Learned
from napari_clipseg.model.weights import locate

BACKBONE = "clip-vit-b16"
"""The CLIP that the authors trained their decoders on."""

_NAMED = 20


def load_model(
    source: str | Path,
    *,
    backbone: str | Path | None = None,
    offline: bool | None = None,
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

    Returns
    -------
    CLIPSeg
        In float32, in evaluation mode, no parameter requires a gradient.

    Raises
    ------
    WeightsNotFound
        If a file that is needed is not on this machine; the message says how to get it.
    WeightsInvalid
        If a file is damaged, altered or does not hold such a model; all missing, surplus and
        misshapen tensors are named.
    UnknownName
        If there is no model of that name.
    SettingError
        If a backbone is given for a file that needs none.

    Examples
    --------
    >>> model = load_model("starter")  # doctest: +SKIP
    """
    file = files.read_file(locate(source, offline=offline))
    wanted: list[TensorFile] = []

    def read_backbone() -> TensorFile:
        wanted.append(_read_backbone(backbone, offline))
        return wanted[0]

    model = build(read_layout(file, read_backbone), file.path)
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
    """
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


def build(checkpoint: Checkpoint, path: Path) -> CLIPSeg:
    """Return the model of a checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
        Its tensors become the model's own.
    path : Path
        For the message if the tensors are not those of the configuration.

    Returns
    -------
    CLIPSeg

    Raises
    ------
    WeightsInvalid
        If tensors are missing, surplus, misshapen or not of floating point.
    """
    model = _empty(checkpoint.config, path)
    state = dict(checkpoint.state)
    scale = state.get("encoder.clip.logit_scale")
    if scale is not None and scale.numel() == 1:  # some files keep this number as a vector
        state["encoder.clip.logit_scale"] = scale.reshape(())
    problems = _problems(model.state_dict(), state)
    if problems:
        named = "\n".join(problems[:_NAMED])
        more = f"\n... and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise WeightsInvalid(
            f"{path} does not fit its configuration, {len(problems)} tensors are wrong:\n"
            f"{named}{more}\nThe file is damaged, was altered or belongs to another model: "
            "fetch or copy it again."
        )
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


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


def _problems(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Return one line for each tensor that is not as the model wants it."""
    missing = [f"missing: {name}" for name in wanted if name not in state]
    surplus = [f"surplus: {name}" for name in state if name not in wanted]
    misfits = [
        f"misshapen: {name} is {_describe(state[name])}, not {_describe(tensor)}"
        for name, tensor in wanted.items()
        if name in state and _describe(state[name]) != _describe(tensor)
    ]
    return missing + surplus + misfits


def _describe(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _read_backbone(backbone: str | Path | None, offline: bool | None) -> TensorFile:
    try:
        return files.read_file(locate(backbone or BACKBONE, offline=offline))
    except WeightsNotFound as error:
        raise WeightsNotFound(
            f"the checkpoint is a decoder alone and needs the CLIP it was trained on: {error}"
        ) from error
