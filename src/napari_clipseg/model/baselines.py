"""The paper's two baselines, asked in the same way as CLIPSeg itself.

References
----------
Lüddecke & Ecker 2022, arXiv 2112.10003, section 4.4, and the authors' code: ``CLIPDenseBaseline``
in ``models/clipseg.py`` and ``VITDensePredT`` in ``models/vitseg.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_clipseg.errors import UnknownName, WeightsInvalid
from napari_clipseg.model import files
from napari_clipseg.model.checkpoint import save_model
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.config import VIT_B_16, ModelConfig
from napari_clipseg.model.fitted import is_finite

NETWORK = "network"
"""Key of a weights file's metadata that says which of :data:`BASELINES` it holds."""

DECONV = ModelConfig(extract_layers=(9,), decoder_mlp=64, threshold=0.3)
"""CLIP-Deconv as the paper trained it; ``decoder_mlp`` is the width between its two layers."""

VIT_B_16_384: Mapping[str, Any] = {
    "image_size": 384,
    "layers": 12,
    "width": 768,
    "patch_size": 16,
    "timm_model_name": "vit_base_patch16_384",
    "timm_pool": "token",
    "timm_proj": "linear",
    "timm_proj_bias": True,
}
"""A vision transformer trained on ImageNet, with a linear map to the conditional vector."""

VIT = ModelConfig(clip={**VIT_B_16, "vision_cfg": VIT_B_16_384}, tile=384, threshold=0.2)
"""ViTSeg as the paper trained it, but tiled at the size its tower works at."""


class CLIPDeconv(CLIPSeg):
    """CLIP's activations of one block, modulated by the prompt and deconvolved: no decoder block.

    Parameters
    ----------
    config : ModelConfig
        One entry in ``extract_layers``; ``decoder_mlp`` is the hidden width of the two linear
        layers that stand in the place of the transformer block.
    """

    def __init__(self, config: ModelConfig = DECONV) -> None:
        if len(config.extract_layers) != 1:
            raise ValueError(f"CLIP-Deconv reads one block, not {config.extract_layers}")
        super().__init__(config)
        width, hidden = config.reduce_dim, config.decoder_mlp
        mlp = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.decoder.blocks = nn.ModuleList([mlp])


class ViTSeg(CLIPSeg):
    """CLIPSeg's decoder on a vision transformer that never saw a caption.

    Parameters
    ----------
    config : ModelConfig
        Its ``vision_cfg`` names a vision transformer of timm. The text tower is CLIP's.

    Notes
    -----
    Pixels are brought to the tower's size, and logits back, by nearest neighbours. The image
    vector is a linear map of the class token that is random and never trained: so it is in the
    authors' code, and it is why ViTSeg learns little from visual prompts there.

    Differences from the authors: their tower is that of timm 0.4, here it is that of the timm
    installed (the same function); they left CLIP's text tower trainable and read precomputed
    text vectors, here it is frozen like the rest; they show squares of 352 px enlarged to 384,
    the configuration :data:`VIT` makes tiles of 384 px, which are not resized. Give
    ``tile=352`` for theirs.
    """

    def __init__(self, config: ModelConfig = VIT) -> None:
        super().__init__(config)
        self.tower = int(config.clip["vision_cfg"]["image_size"])
        self.encoder.clip.visual.requires_grad_(False)

    def reduced(self, pixel_values: Tensor) -> Tensor:
        """Return all that the decoder needs of images (B, 3, H, W): (B, F, 1 + N, D)."""
        found = self.encoder.clip.visual.trunk.forward_intermediates(
            self._at_tower(pixel_values),
            indices=self.encoder.extract_layers,
            return_prefix_tokens=True,
            output_fmt="NLC",
            intermediates_only=True,
            stop_early=True,
        )
        return self.decoder.reduce([torch.cat([first, rest], 1) for rest, first in found[::-1]])

    def decode(self, reduced: Tensor, conditional: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return logits (B, P, grid[0] * patch, grid[1] * patch) of reduced activations."""
        patch = self.config.patch
        side = self.tower // patch
        logits = super().decode(reduced, conditional, (side, side))
        return F.interpolate(logits, size=(grid[0] * patch, grid[1] * patch), mode="nearest")

    def image_vectors(self, pixel_values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return conditional vectors (P, E) of prompt images; a mask does not exist here."""
        if mask is not None:
            raise ValueError("ViTSeg has no attention mask: give a prepared prompt image")
        vectors: Tensor = self.encoder.clip.visual(self._at_tower(pixel_values))
        return vectors

    def _at_tower(self, pixel_values: Tensor) -> Tensor:
        return F.interpolate(pixel_values, size=(self.tower, self.tower), mode="nearest")


def save_baseline(model: CLIPSeg, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write a baseline as a safetensors file that :func:`load_baseline` reads.

    Raises
    ------
    UnknownName
        If the model is no baseline.
    OutputError
        If the file cannot be written.
    """
    names = [name for name, kind in BASELINES.items() if type(model) is kind]
    if not names:
        raise UnknownName(f"{type(model).__name__} is none of {', '.join(BASELINES)}")
    save_model(model, path, {**metadata, NETWORK: names[0]})


def load_baseline(path: str | Path) -> CLIPSeg:
    """Return a baseline in evaluation mode, on the CPU.

    Raises
    ------
    WeightsInvalid
        If the file is damaged, holds values that are not finite or was not written by
        :func:`save_baseline`.
    """
    file = files.read_file(Path(path))
    kind = BASELINES.get(file.metadata.get(NETWORK, ""))
    if kind is None:
        raise WeightsInvalid(f"{path} is no file of save_baseline: it names no baseline network")
    config = ModelConfig.from_json(file.metadata.get("config", ""))
    model = kind(config)
    try:
        model.load_state_dict(dict(file.tensors))
    except RuntimeError as error:
        raise WeightsInvalid(f"{path} does not fit its configuration: {error}") from error
    wrong = [name for name, tensor in model.state_dict().items() if not is_finite(tensor)]
    if wrong:
        raise WeightsInvalid(
            f"{path} holds NaN or infinite values, first in {wrong[0]}: copy it again, or train "
            "the baseline anew"
        )
    return model.eval().requires_grad_(False)


BASELINES: dict[str, type[CLIPDeconv] | type[ViTSeg]] = {
    "clip-deconv": CLIPDeconv,
    "vitseg": ViTSeg,
}
"""Name -> network that CLIPSeg is compared with."""
