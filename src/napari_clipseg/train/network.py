"""The network that is trained: how it starts, and how it is asked while training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_clipseg.model.checkpoint import load_model
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.train.backbone import load_clip
from napari_clipseg.train.config import ConfigError, TrainConfig
from napari_clipseg.train.dataset import Scene

_USUAL_LOGIT = -1.4
"""Of the share of pixels, about a fifth, that a prompt shows: nothing has to be unlearned."""


def new_model(config: TrainConfig) -> CLIPSeg:
    """Return the network at the start, with gradients for what is trained.

    Raises
    ------
    ConfigError
        If the weights to start from are of another network, or nothing would be trained.
    """
    torch.manual_seed(config.seed)
    model = _started(config) if config.start else _random(config)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(config.trained))
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(f"no weights begin with any of {list(config.trained)}")
    _set_dropout(model.decoder, config.optim.dropout)
    return model


def _set_dropout(decoder: nn.Module, share: float) -> None:
    """Let the decoder drop a share of its values while its :attr:`training` is set."""
    for module in decoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = share
    decoder.train(share > 0)


def _started(config: TrainConfig) -> CLIPSeg:
    """Return the network to go on from, random where its weights are not taken."""
    before = load_model(config.start)
    if config.taken == ("",):
        network = dataclasses.replace(before.config, threshold=config.model.threshold)
        if network != config.model:
            raise ConfigError(f"{config.start} holds another network than [model] describes")
        before.config = network
        return before
    taken = {k: v for k, v in before.state_dict().items() if k.startswith(config.taken)}
    model = _random(config)
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    misfits = [name for name in taken if shapes.get(name) != taken[name].shape]
    if misfits or not taken:
        raise ConfigError(
            f"of {config.start} what begins with {list(config.taken)} does not fit the network "
            f"that [model] describes: {misfits[:3] or 'there is nothing of that name'}"
        )
    model.load_state_dict(taken, strict=False)
    return model


def _random(config: TrainConfig) -> CLIPSeg:
    """Return a network of random weights but for what files of towers hold."""
    model = CLIPSeg(config.model).eval()
    if config.clip:
        load_clip(model.encoder.clip, config.clip)
    if config.text_tower:
        _load_text_tower(model.encoder.clip, Path(config.text_tower))
    heads = [each for each in model.decoder.modules() if isinstance(each, nn.ConvTranspose2d)]
    nn.init.constant_(heads[-1].bias, _USUAL_LOGIT)  # type: ignore[arg-type]
    return model


def _load_text_tower(clip: nn.Module, file: Path) -> None:
    try:
        tower = load_file(file)
        found = clip.load_state_dict(tower, strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ConfigError(f"the text tower {file} cannot be read: {error}") from error
    missing = [key for key in found.missing_keys if not key.startswith(("visual.", "logit_scale"))]
    if missing or found.unexpected_keys:
        raise ConfigError(f"{file} is no text tower: {[*missing, *found.unexpected_keys][:3]}")


@contextmanager
def _whole(decoder: nn.Module) -> Iterator[None]:
    """Let the decoder drop nothing meanwhile."""
    learning = decoder.training
    decoder.eval()
    try:
        yield
    finally:
        decoder.train(learning)


@torch.no_grad()
def embed(model: CLIPSeg, phrases: Sequence[str]) -> NDArray[np.float32]:
    """Return the text vectors (N, E) of phrases."""
    chunks = [phrases[start : start + 256] for start in range(0, len(phrases), 256)]
    return np.concatenate([model.text_vectors(chunk).cpu().numpy() for chunk in chunks])


class ModelOnSquares:
    """Predicts pictures no larger than the network's square, without tiling.

    Parameters
    ----------
    model : CLIPSeg
    """

    def __init__(self, model: CLIPSeg) -> None:
        self.model = model
        self._known: dict[str, Tensor] = {}

    @torch.inference_mode()
    def __call__(self, scene: Scene, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Return the probability (P, H, W) of each phrase."""
        low, high = scene.window
        rgb = ((scene.image.astype(np.float32) - low) / (high - low)).clip(0, 1)
        pixels = torch.from_numpy(rgb).permute(2, 0, 1)[None].to(self.model.mean.device)
        pixel_values = self.model.normalise(pixels)
        for phrase in phrases:
            if phrase not in self._known:
                self._known[phrase] = self.model.text_vectors([phrase])[0]
        vectors = torch.stack([self._known[phrase] for phrase in phrases])
        with _whole(self.model.decoder):
            logits = self.model.logits(pixel_values, vectors)[0]
        probability: NDArray[np.float32] = logits.sigmoid().cpu().numpy()
        return probability
