"""The configuration that fixes a CLIPSeg network, readable without torch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from napari_clipseg.errors import WeightsInvalid

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Per-channel mean CLIPSeg was trained with (not CLIP's own), of RGB in [0, 1]."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Per-channel standard deviation CLIPSeg was trained with, of RGB in [0, 1]."""

VIT_B_16: Mapping[str, Any] = {
    "embed_dim": 512,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "patch_size": 16},
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 512,
        "heads": 8,
        "layers": 12,
    },
}
"""open_clip's ``ViT-B-16-quickgelu``: the CLIP of Radford et al. 2021 (arXiv 2103.00020)."""


@dataclasses.dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything that fixes the shape of a CLIPSeg network.

    Parameters
    ----------
    clip : mapping
        open_clip model configuration: ``embed_dim``, ``quick_gelu``, ``vision_cfg``, ``text_cfg``.
    stem : tuple of int
        Output widths of the strided 3x3 convolutions that replace the patch embedding,
        without the last one, which is the width of the tower (Xiao et al. 2021,
        arXiv 2106.14881). Empty: CLIP's own patch embedding.
    extract_layers : tuple of int
        0-based indices of the blocks whose outputs the decoder reads, ascending.
        The released CLIPSeg models use (3, 6, 9), the paper says (3, 7, 9).
    reduce_dim : int
        Width D of the decoder.
    decoder_heads, decoder_mlp : int
        Attention heads and hidden width of each decoder block.
    conditional_layer : int
        Decoder step, deepest activations first, at which FiLM is applied. The steps before it
        know nothing of the prompt: they are a part of encoding.
    film : {"linear", "mlp"}
        How FiLM's factors and summands are made of the conditional vector.
    extra_blocks : int
        Residual transformer blocks after the last decoder step.
    head : {"simple", "refined"}
        One transposed convolution, or convolution and two transposed convolutions.
    tile : int
        Side in pixels of the square the network was trained on.
    threshold : float
        Probability above which a pixel is taken to belong to the prompt.
    """

    clip: Mapping[str, Any] = dataclasses.field(default_factory=lambda: dict(VIT_B_16))
    stem: tuple[int, ...] = ()
    extract_layers: tuple[int, ...] = (3, 6, 9)
    reduce_dim: int = 64
    decoder_heads: int = 4
    decoder_mlp: int = 2048
    conditional_layer: int = 0
    film: str = "linear"
    extra_blocks: int = 0
    head: str = "simple"
    tile: int = 352
    threshold: float = 0.3

    @property
    def patch(self) -> int:
        """Side in pixels of the square that one token stands for."""
        return int(self.clip["vision_cfg"]["patch_size"])

    @property
    def features(self) -> int:
        """Number F of the tensors (1 + N, D) that are kept of an encoded tile."""
        return len(self.extract_layers) - self.conditional_layer

    @property
    def embed_dim(self) -> int:
        """Length E of the conditional vector."""
        return int(self.clip["embed_dim"])

    @property
    def width(self) -> int:
        """Width of the vision tower."""
        return int(self.clip["vision_cfg"]["width"])

    def to_json(self) -> str:
        """Return the configuration as one line of JSON."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Return the configuration that :meth:`to_json` wrote.

        Raises
        ------
        WeightsInvalid
            If the text is no JSON object or holds a field this version does not know.
        """
        try:
            fields = json.loads(text)
            lists = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
            return cls(**{**fields, **lists})
        except (ValueError, TypeError, AttributeError) as error:
            raise WeightsInvalid(
                f"the model configuration cannot be read: {error}. "
                "The file may come from a newer version of napari-clipseg."
            ) from error
