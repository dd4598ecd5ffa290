"""Any CLIP of open_clip with a vision transformer as the backbone: its shape and its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
from torch import nn

from napari_clipseg.errors import WeightsInvalid
from napari_clipseg.model.files import read_file
from napari_clipseg.model.fitted import is_finite
from napari_clipseg.model.weights import locate
from napari_clipseg.train.config import ConfigError

LOCAL = "local-dir:"
"""How open_clip writes that a model is in a folder."""

_NOT_TENSORS = ("input_resolution", "context_length", "vocab_size")
_READ = {
    "": {"embed_dim", "vision_cfg", "text_cfg", "quick_gelu"},
    "vision_cfg": {"image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio"},
    "text_cfg": {"context_length", "vocab_size", "width", "heads", "layers"},
}
"""Settings of open_clip that the encoder follows; a model with others is built differently."""


def architecture(name: str) -> dict[str, Any]:
    """Return the configuration of a CLIP, as ``ModelConfig.clip`` holds it.

    Parameters
    ----------
    name : str
        An architecture of open_clip, such as "ViT-L-14" or "ViT-B-16-quickgelu", or
        "local-dir:" and a folder with ``open_clip_config.json``, which every hub repository of
        an open_clip model has.

    Raises
    ------
    ConfigError
        If it is unknown, or no CLIP with a vision transformer and CLIP's own text tower.
    """
    found = _in_folder(name.removeprefix(LOCAL)) if name.startswith(LOCAL) else _by_name(name)
    parts = {"": found, **{part: found.get(part, {}) for part in ("vision_cfg", "text_cfg")}}
    other = sorted(key for part, table in parts.items() for key in set(table) - _READ[part])
    if other or not parts["vision_cfg"].get("patch_size"):
        raise ConfigError(
            f"{name} is no CLIP with a plain vision transformer and CLIP's own text tower, which "
            "is what CLIPSeg reads; ViT-B-16 and ViT-L-14 are such models"
            f"{f' (it also has {other[0]})' if other else ''}"
        )
    return dict(found)


def load_clip(clip: nn.Module, source: str) -> None:
    """Fill a CLIP with the weights of a file.

    Parameters
    ----------
    clip : Module
        As ``CLIPSeg.encoder.clip``.
    source : str
        A weights file in the names of OpenAI and open_clip, its folder, a name of the catalog or
        a hub id; nothing is fetched.

    Raises
    ------
    WeightsNotFound, WeightsInvalid
        If there is no such file, it is damaged or holds values that are not finite.
    ConfigError
        If it holds another network.
    """
    file = read_file(locate(source))
    tensors = {name: file.tensors[name] for name in file.tensors if name not in _NOT_TENSORS}
    wanted = {name: value.shape for name, value in clip.state_dict().items()}
    if "logit_scale" in tensors:  # some files keep this number as a vector
        tensors["logit_scale"] = tensors["logit_scale"].reshape(())
    wrong = [name for name in wanted if name not in tensors or tensors[name].shape != wanted[name]]
    wrong += [name for name in tensors if name not in wanted]
    if wrong:
        raise ConfigError(
            f"{file.path} does not hold the CLIP that [model] describes: {len(wrong)} tensors are "
            f"missing, surplus or of another shape, the first are {', '.join(wrong[:3])}"
        )
    diverged = [name for name, value in tensors.items() if not is_finite(value)]
    if diverged:
        raise WeightsInvalid(
            f"{file.path} holds NaN or infinite values, first in {diverged[0]}: fetch or copy it "
            "again"
        )
    clip.load_state_dict(tensors)


def _by_name(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] | None = open_clip.get_model_config(name)
    if found is None:
        near = [each for each in open_clip.list_models() if each.startswith("ViT-")]
        raise ConfigError(
            f"model.clip {name!r} is no architecture of open_clip; there are {', '.join(near)}"
        )
    return found


def _in_folder(folder: str) -> Mapping[str, Any]:
    file = Path(folder) / "open_clip_config.json"
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))["model_cfg"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} cannot be read as a model of open_clip: {error!r}") from error
