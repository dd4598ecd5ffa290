"""The layouts of CLIPSeg checkpoints, each turned into this package's names and configuration.

A new layout is an entry of :data:`LAYOUTS` at the bottom. The names on our side are those of
``CLIPSeg.state_dict()``: ``encoder.clip.*`` as in open_clip, ``decoder.*`` as the authors have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from napari_clipseg.errors import WeightsInvalid
from napari_clipseg.model.config import ModelConfig
from napari_clipseg.model.files import Checkpoint, TensorFile, renamed
from napari_clipseg.model.inferred import inferred_config
from napari_clipseg.model.layout_hf import is_hf, read_hf

FORMAT = "napari-clipseg"
VERSION = 1
"""Marker and version that our own files carry in their metadata."""

Backbone = Callable[[], TensorFile]
"""Gives a CLIP in the names of open_clip, for checkpoints that hold none."""

_NOT_TENSORS = ("input_resolution", "context_length", "vocab_size")
_MERGED = "clip_model."


@dataclass(frozen=True, slots=True)
class Layout:
    """How one kind of file is recognised and read.

    Parameters
    ----------
    matches : callable
        Whether a file has this layout.
    read : callable
        Turns such a file into a :class:`Checkpoint`.
    """

    matches: Callable[[TensorFile], bool]
    read: Callable[[TensorFile, Backbone], Checkpoint]


def read_layout(file: TensorFile, backbone: Backbone) -> Checkpoint:
    """Return what a weights file holds, in the names of this package.

    Parameters
    ----------
    file : TensorFile
    backbone : callable
        Only called for a file without CLIP.

    Returns
    -------
    Checkpoint

    Raises
    ------
    WeightsInvalid
        If the file has none of the known layouts or does not say what network it is for.
    """
    for layout in LAYOUTS.values():
        if layout.matches(file):
            return layout.read(file, backbone)
    names = ", ".join(sorted(file.tensors)[:5]) or "nothing"
    raise WeightsInvalid(
        f"{file.path} has none of the layouts that can be read: {'; '.join(LAYOUTS)}. "
        f"It holds {len(file.tensors)} tensors, the first are {names}."
    )


def _is_own(file: TensorFile) -> bool:
    return file.metadata.get("format") == FORMAT


def _read_own(file: TensorFile, _: Backbone) -> Checkpoint:
    version = file.metadata.get("version", "")
    if version != str(VERSION):
        raise WeightsInvalid(
            f"{file.path} has version {version!r} of the layout, this napari-clipseg reads "
            f"{VERSION}: update napari-clipseg"
        )
    return Checkpoint(ModelConfig.from_json(file.metadata.get("config", "")), file.tensors)


def _is_merged(file: TensorFile) -> bool:
    return any(name.startswith(f"{_MERGED}visual.") for name in file.tensors)


def _read_merged(file: TensorFile, _: Backbone) -> Checkpoint:
    """Read CLIP and decoder in one file, where ``model.*`` repeats CLIP's vision tower."""
    clip = {name.removeprefix(_MERGED): name for name in file.tensors if name.startswith(_MERGED)}
    rest = {name: name for name in file.tensors if not name.startswith((_MERGED, "model."))}
    return _joined(renamed(file.tensors, clip), renamed(file.tensors, rest))


def _is_decoder(file: TensorFile) -> bool:
    return "film_mul.weight" in file.tensors and not _is_merged(file)


def _read_decoder(file: TensorFile, backbone: Backbone) -> Checkpoint:
    clip = backbone()
    if "visual.conv1.weight" not in clip.tensors:
        raise WeightsInvalid(
            f"the backbone {clip.path} is no CLIP with a vision transformer in the names of "
            "OpenAI and open_clip: it has no visual.conv1.weight"
        )
    return _joined(clip.tensors, file.tensors)


def _joined(clip: Mapping[str, Tensor], decoder: Mapping[str, Tensor]) -> Checkpoint:
    towers = {f"encoder.clip.{name}": name for name in clip if name not in _NOT_TENSORS}
    # the authors' base class makes a layer `reduce` that no released model uses
    rest = {f"decoder.{name}": name for name in decoder if _is_used(name)}
    state = renamed(clip, towers) | renamed(decoder, rest)
    return Checkpoint(inferred_config(state), state)


def _is_used(name: str) -> bool:
    return not name.startswith("reduce.")


LAYOUTS: dict[str, Layout] = {
    "napari-clipseg (.safetensors)": Layout(_is_own, _read_own),
    "transformers (CIDAS/clipseg-*)": Layout(is_hf, lambda file, _: read_hf(file)),
    "the authors' file merged with CLIP": Layout(_is_merged, _read_merged),
    "the authors' decoder (.pth)": Layout(_is_decoder, _read_decoder),
}
"""What a layout is called -> how it is recognised and read; the first that matches is taken."""
