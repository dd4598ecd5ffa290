"""A CLIPSeg model at work: on its device, in its precision, within its memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from napari_clipseg.engine.devices import (
    choose_device,
    choose_precision,
    halving,
    translated_errors,
)
from napari_clipseg.engine.prompts import MaskPrompt, Prompt, as_prompts, conditional_vector
from napari_clipseg.engine.visual_prompt import prompt_image, separate_objects
from napari_clipseg.errors import SettingError
from napari_clipseg.model.clipseg import CLIPSeg
from napari_clipseg.model.learned import Learned
from napari_clipseg.model.precision import lower, type_name, weights_hash

CPU_CACHE_BYTES = 8 << 20
"""The decoder's widest tensor should stay in the cache of a CPU: 1.5 times as fast."""

CPU_ENCODED_TOKENS = 1 << 10
"""Tokens that a CPU encodes together: two of CLIPSeg's tiles are as fast as four, in half the
memory, and one is slower."""

KEPT_TEXTS = 256
"""Requests for text vectors that are kept: a prompt that is asked again costs nothing."""

GPU_DECODED_TOKENS = 1 << 17
"""Tokens decoded together elsewhere: enough to keep a GPU busy, 1 GB for CLIPSeg."""


class Network:
    """A model with its device and precision; what goes in and comes out lies on the CPU.

    Parameters
    ----------
    model : CLIPSeg
        Taken over: moved to the device, its large weights stored in the precision, unless it
        was loaded like that.
    device : str
        A name in :data:`napari_clipseg.engine.devices.DEVICES`.
    precision : str
        A name in :data:`napari_clipseg.engine.devices.PRECISIONS`.

    Notes
    -----
    Running out of memory halves the batch and goes on. Every other error of torch leaves
    as :class:`~napari_clipseg.errors.EngineError`.

    Raises
    ------
    SettingError
        If the model is stored in another reduced precision.
    """

    def __init__(self, model: CLIPSeg, device: str = "auto", precision: str = "float32") -> None:
        self.device = choose_device(device)
        self.precision = choose_precision(precision)
        self.config = model.config
        with translated_errors():
            self._model = model.to(self.device).eval()
        self._store_lowered()
        self._mask_vectors: WeakKeyDictionary[MaskPrompt, Tensor] = WeakKeyDictionary()
        self._text_vectors: dict[tuple[str, ...], Tensor] = {}

    @property
    def learned(self) -> Learned | None:
        """The phrases that the model was trained with; None where its file does not say."""
        return self._model.learned

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 over the configuration and the names and values of all weights."""
        kept = self._model.kept
        if kept is not None:
            return kept.weights_hash
        return weights_hash(self.config, self._model.state_dict())

    def staged(self, rgb: Tensor) -> Tensor:
        """Return a batch for :meth:`encode` in memory that a CUDA device copies from by itself.

        Meant for a thread that reads ahead: the copy then costs the computing thread nothing.
        """
        return rgb.pin_memory() if self.device.type == "cuda" else rgb

    def encode(self, rgb: Tensor) -> Tensor:
        """Return reduced activations (B, F, 1 + N, D) of RGB (B, 3, S, S) in [0, 1]."""
        with self._computing():
            parts = torch.split(rgb, self._encoded_at_once(rgb))
            return torch.cat([halving(self._encode, part) for part in parts])

    def decode(self, reduced: Tensor, conditional: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return logits (B, P, H, W) float32 of reduced activations for vectors (P, E)."""
        vectors = conditional.to(self.device)

        def decode(tiles: Tensor) -> Tensor:
            logits = self._model.decode(tiles.to(self.device, torch.float32), vectors, grid)
            return logits.float().cpu()

        with self._computing():
            parts = torch.split(reduced, self._tiles_at_once(len(vectors), reduced.shape[2]))
            return torch.cat([halving(decode, part) for part in parts])

    def conditional(self, prompts: Prompt | Sequence[Prompt]) -> Tensor:
        """Return the conditional vectors (P, E) of prompts."""
        return torch.stack([conditional_vector(each, self) for each in as_prompts(prompts)])

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        """Return the conditional vectors (P, E) of texts; the last few requests are kept.

        Texts that are asked for together stay together, so that a vector never depends, by the
        rounding of a batch, on what was asked before.
        """
        known = self._text_vectors
        key = tuple(texts)
        if key not in known:
            with self._computing():
                vectors = self._model.text_vectors(texts).float().cpu()
            while len(known) >= KEPT_TEXTS:
                known.pop(next(iter(known)), None)
            known[key] = vectors
        return known[key]

    def tokens_beyond(self, text: str) -> int:
        """Return how many tokens of a text are cut; 0 if the model reads all of it."""
        return self._model.encoder.tokens_beyond(text)

    def mask_vector(self, prompt: MaskPrompt) -> Tensor:
        """Return the conditional vector (E,) of a painted example; computed once.

        It is the mean over the painted objects.
        """
        if prompt not in self._mask_vectors:
            pixels, side = prompt.pixels(), self.config.tile
            images = [
                prompt_image(pixels, each, side=side) for each in separate_objects(prompt.mask)
            ]
            rgb = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
            with self._computing():
                self._mask_vectors[prompt] = halving(self._image_vectors, rgb).mean(0)
        return self._mask_vectors[prompt]

    def _image_vectors(self, rgb: Tensor) -> Tensor:
        pixel_values = self._model.normalise(rgb.to(self.device))
        return self._model.image_vectors(pixel_values).float().cpu()

    def _encoded_at_once(self, rgb: Tensor) -> int:
        """Return how many tiles of a batch (B, 3, S, S) to encode together."""
        if self.device.type != "cpu":
            return len(rgb)
        return CPU_ENCODED_TOKENS // (rgb.shape[-1] // self.config.patch) ** 2 or 1

    def _tiles_at_once(self, prompts: int, tokens: int) -> int:
        """Return how many tiles to decode together."""
        if self.device.type != "cpu":
            return GPU_DECODED_TOKENS // (prompts * tokens) or 1
        return CPU_CACHE_BYTES // (prompts * tokens * self.config.decoder_mlp * 4) or 1

    def _store_lowered(self) -> None:
        """Store the weights of linear layers in the precision, if they are not already."""
        kept = self._model.kept
        if kept is None and self.precision != torch.float32:
            self._model.kept = lower(self._model, self.config, self.precision)
        elif kept is not None and kept.dtype != self.precision:
            stored, wanted = type_name(kept.dtype), type_name(self.precision)
            raise SettingError(
                f"the model is stored in {stored} and cannot compute in {wanted}; load it in "
                f"{wanted}"
            )

    def _encode(self, rgb: Tensor) -> Tensor:
        pixel_values = self._model.normalise(rgb.to(self.device, non_blocking=True))
        return self._model.reduced(pixel_values).cpu()

    @contextmanager
    def _computing(self) -> Iterator[None]:
        reduced = self.precision != torch.float32
        with (
            translated_errors(),
            torch.inference_mode(),
            torch.autocast(self.device.type, self.precision, enabled=reduced),
        ):
            yield
