"""The configuration of a checkpoint that does not state it, told by the shapes of its tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from napari_clipseg.errors import WeightsInvalid
from napari_clipseg.model.config import ModelConfig

_HEAD_WIDTH = 64


def inferred_config(state: Mapping[str, Tensor]) -> ModelConfig:
    """Return the configuration that the shapes of a checkpoint tell.

    Parameters
    ----------
    state : mapping of str to Tensor
        In the names of ``CLIPSeg.state_dict()``.

    Returns
    -------
    ModelConfig

    Raises
    ------
    WeightsInvalid
        If a tensor that has to be measured is missing or has too few axes, or if the decoder
        does not read three blocks.

    Notes
    -----
    Shapes do not tell the number of heads: CLIP's are 64 wide, as in all of OpenAI's models, the
    decoder has 4. Nor do they tell which blocks are read: three mean (3, 6, 9), as released.
    """
    try:
        config = ModelConfig(
            clip=_inferred_clip(state),
            reduce_dim=len(state["decoder.film_mul.weight"]),
            decoder_mlp=len(state["decoder.blocks.0.linear1.weight"]),
            extra_blocks=_count("decoder.extra_blocks.", state),
            head="refined" if "decoder.trans_conv.0.weight" in state else "simple",
        )
    except (KeyError, IndexError, TypeError) as error:
        raise WeightsInvalid(
            f"the checkpoint does not tell the shape of the network, {error.args[0]} is missing "
            "or has the wrong shape: copy it again, or give one with a config.json beside it"
        ) from error
    skips = _count("decoder.reduces.", state)
    if skips != len(config.extract_layers):
        raise WeightsInvalid(
            f"the decoder reads {skips} blocks of CLIP and the file does not say which ones: "
            f"only {len(config.extract_layers)} can be guessed"
        )
    return config


def _inferred_clip(state: Mapping[str, Tensor]) -> dict[str, Any]:
    clip = "encoder.clip."
    width, _, _, patch = _shape(state, f"{clip}visual.conv1.weight", 4)
    positions, _ = _shape(state, f"{clip}visual.positional_embedding", 2)
    hidden, _ = _shape(state, f"{clip}visual.transformer.resblocks.0.mlp.c_fc.weight", 2)
    vocabulary, text_width = _shape(state, f"{clip}token_embedding.weight", 2)
    text_hidden, _ = _shape(state, f"{clip}transformer.resblocks.0.mlp.c_fc.weight", 2)
    vision_cfg = {
        "image_size": math.isqrt(positions - 1) * patch,
        "layers": _count(f"{clip}visual.transformer.resblocks.", state),
        "width": width,
        "head_width": _HEAD_WIDTH,
        "mlp_ratio": hidden / width,
        "patch_size": patch,
    }
    text_cfg = {
        "context_length": _shape(state, f"{clip}positional_embedding", 2)[0],
        "vocab_size": vocabulary,
        "width": text_width,
        "heads": text_width // _HEAD_WIDTH,
        "layers": _count(f"{clip}transformer.resblocks.", state),
        "mlp_ratio": text_hidden / text_width,
    }
    return {
        "embed_dim": _shape(state, f"{clip}text_projection", 2)[1],
        "quick_gelu": True,
        "vision_cfg": vision_cfg,
        "text_cfg": text_cfg,
    }


def _shape(state: Mapping[str, Tensor], name: str, axes: int) -> tuple[int, ...]:
    """Return the shape of a tensor that has to have so many axes, none of them empty."""
    shape = tuple(state[name].shape)
    if len(shape) != axes or 0 in shape:
        raise KeyError(name)
    return shape


def _count(prefix: str, state: Mapping[str, Tensor]) -> int:
    """Return how many numbered parts follow a prefix."""
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.")
    return len({found[1] for name in state if (found := pattern.match(name))})
