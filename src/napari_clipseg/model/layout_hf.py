"""transformers' layout of a CLIPSeg checkpoint: names, transposed projections, config.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from napari_clipseg.errors import WeightsInvalid
from napari_clipseg.model.config import ModelConfig
from napari_clipseg.model.files import Checkpoint, LazyTensors, TensorFile, renamed, stored
from napari_clipseg.model.inferred import inferred_config

Rules = Iterable[tuple[str, str]]

_PREFIXES = (
    ("clip.vision_model.embeddings.patch_embedding.", "encoder.clip.visual.conv1."),
    (
        "clip.vision_model.embeddings.position_embedding.weight",
        "encoder.clip.visual.positional_embedding",
    ),
    ("clip.vision_model.embeddings.", "encoder.clip.visual."),
    ("clip.vision_model.pre_layrnorm.", "encoder.clip.visual.ln_pre."),  # spelt like that
    ("clip.vision_model.post_layernorm.", "encoder.clip.visual.ln_post."),
    ("clip.vision_model.encoder.layers.", "encoder.clip.visual.transformer.resblocks."),
    ("clip.visual_projection.weight", "encoder.clip.visual.proj"),
    ("clip.text_model.embeddings.token_embedding.", "encoder.clip.token_embedding."),
    ("clip.text_model.embeddings.position_embedding.weight", "encoder.clip.positional_embedding"),
    ("clip.text_model.final_layer_norm.", "encoder.clip.ln_final."),
    ("clip.text_model.encoder.layers.", "encoder.clip.transformer.resblocks."),
    ("clip.text_projection.weight", "encoder.clip.text_projection"),
    ("clip.logit_scale", "encoder.clip.logit_scale"),
    ("decoder.layers.", "decoder.blocks."),
    ("decoder.transposed_convolution.", "decoder.trans_conv."),
)
_IN_CLIP_BLOCKS = (
    (".self_attn.", ".attn."),
    (".layer_norm1.", ".ln_1."),
    (".layer_norm2.", ".ln_2."),
    (".mlp.fc1.", ".mlp.c_fc."),
    (".mlp.fc2.", ".mlp.c_proj."),
)
_IN_DECODER_BLOCKS = (
    (".layer_norm1.", ".norm1."),
    (".layer_norm2.", ".norm2."),
    (".mlp.fc1.", ".linear1."),
    (".mlp.fc2.", ".linear2."),
)
_TRANSPOSED = ("encoder.clip.visual.proj", "encoder.clip.text_projection")
_QUERY = re.compile(r"\.q_proj\.(weight|bias)$")

# what transformers leaves out of a config.json because it is the default there
_VISION_DEFAULTS: Mapping[str, Any] = {
    "image_size": 224,
    "patch_size": 32,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
_TEXT_DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 8,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}


def is_hf(file: TensorFile) -> bool:
    """Return whether a file has transformers' names."""
    return any(name.startswith("clip.vision_model.") for name in file.tensors)


def read_hf(file: TensorFile) -> Checkpoint:
    """Return a checkpoint that ``transformers`` saved.

    Parameters
    ----------
    file : TensorFile
        Its configuration is read from ``config.json`` beside it; without one the shapes of the
        tensors tell it.

    Returns
    -------
    Checkpoint

    Raises
    ------
    WeightsInvalid
        If the configuration cannot be read or asks for what CLIPSeg does not have.
    """
    state = in_our_names(file.tensors)
    beside = file.path.with_name("config.json")
    if not beside.is_file():
        return Checkpoint(inferred_config(state), state)
    try:
        fields = json.loads(beside.read_text(encoding="utf-8"))
        return Checkpoint(hf_config(fields), state)
    except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise WeightsInvalid(
            f"{beside} is no configuration of CLIPSeg: {error}. Fetch it again."
        ) from error


def in_our_names(tensors: Mapping[str, Tensor]) -> LazyTensors:
    """Return transformers' tensors in the names, and with the axes, of ``CLIPSeg.state_dict()``.

    Names without a rule are kept, so that whoever compares can report them.
    """
    names = {
        _rename(name): name
        for name in tensors
        if not name.endswith(".position_ids")  # counts 0, 1, 2 ... that old files hold
    }
    joined: dict[str, list[str]] = {}
    for name in [name for name in names if _QUERY.search(name)]:
        parts = _parts(name)
        if _fit_together([tensors[names[part]] for part in parts if part in names]):
            joined[_QUERY.sub(r".in_proj_\1", name)] = [names.pop(part) for part in parts]
    transposed = {name: names.pop(name) for name in _TRANSPOSED if name in names}
    made = {
        **{new: partial(_joined, tensors, old) for new, old in joined.items()},
        **{new: partial(_transposed, tensors, old) for new, old in transposed.items()},
    }
    return renamed(tensors, names) | LazyTensors(made, stored(tensors))


def hf_config(fields: Mapping[str, Any]) -> ModelConfig:
    """Return the configuration of a ``config.json`` that may leave out defaults.

    Raises
    ------
    ValueError
        If the two towers do not share the activation, or are not CLIP's.
    """
    vision = _section(fields, "vision", _VISION_DEFAULTS)
    text = _section(fields, "text", _TEXT_DEFAULTS)
    activation = vision["hidden_act"]
    if activation not in ("quick_gelu", "gelu") or text["hidden_act"] != activation:
        raise ValueError(f"hidden_act {activation!r} and {text['hidden_act']!r} are not CLIP's")
    if {vision["layer_norm_eps"], text["layer_norm_eps"]} != {1e-5}:
        raise ValueError("layer_norm_eps is not 1e-5")
    layers = tuple(fields.get("extract_layers", (3, 6, 9)))
    if sorted(layers) != list(layers):
        raise ValueError(f"extract_layers {layers} are not in ascending order")
    refined = fields.get("use_complex_transposed_convolution", False)
    return ModelConfig(
        clip={
            "embed_dim": fields.get("projection_dim", 512),
            "quick_gelu": activation == "quick_gelu",
            "vision_cfg": _vision_cfg(vision),
            "text_cfg": _text_cfg(text),
        },
        extract_layers=layers,
        reduce_dim=fields.get("reduce_dim", 64),
        decoder_heads=fields.get("decoder_num_attention_heads", 4),
        decoder_mlp=fields.get("decoder_intermediate_size", 2048),
        conditional_layer=fields.get("conditional_layer", 0),
        head="refined" if refined else "simple",
    )


def _section(
    fields: Mapping[str, Any], tower: str, defaults: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return a tower's fields; the older ``*_config_dict`` goes first where both are given."""
    given = fields.get(f"{tower}_config_dict")
    if given is None:
        given = fields.get(f"{tower}_config") or {}
    return {**defaults, **given}


def _vision_cfg(vision: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "image_size": vision["image_size"],
        "layers": vision["num_hidden_layers"],
        "width": vision["hidden_size"],
        "head_width": vision["hidden_size"] // vision["num_attention_heads"],
        "mlp_ratio": vision["intermediate_size"] / vision["hidden_size"],
        "patch_size": vision["patch_size"],
    }


def _text_cfg(text: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "context_length": text["max_position_embeddings"],
        "vocab_size": text["vocab_size"],
        "width": text["hidden_size"],
        "heads": text["num_attention_heads"],
        "layers": text["num_hidden_layers"],
        "mlp_ratio": text["intermediate_size"] / text["hidden_size"],
    }


def _rename(name: str) -> str:
    for theirs, ours in _PREFIXES:
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
            break
    rules: Rules = _IN_DECODER_BLOCKS if name.startswith("decoder.") else _IN_CLIP_BLOCKS
    for theirs, ours in rules:
        name = name.replace(theirs, ours)
    return name


def _parts(query: str) -> list[str]:
    """Return the names of query, key and value of the attention that a query belongs to."""
    return [query.replace(".q_proj.", f".{part}_proj.") for part in "qkv"]


def _fit_together(parts: Sequence[Tensor]) -> bool:
    """Return whether parts are query, key and value of one attention.

    Those that are not stay as they are and are reported as surplus.
    """
    return len(parts) == 3 and len({part.shape for part in parts}) == 1


def _joined(tensors: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    """Return query, key and value in the one tensor that torch keeps them in."""
    return torch.cat([tensors[name] for name in names])


def _transposed(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """Return a projection as CLIP multiplies with it; as it is if it is no matrix."""
    tensor = tensors[name]
    return tensor.T.contiguous() if tensor.ndim == 2 else tensor
