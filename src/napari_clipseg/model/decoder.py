"""CLIPSeg's decoder: reduce, FiLM, transformer blocks, head (Lüddecke & Ecker, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_clipseg.errors import SettingError, UnknownName
from napari_clipseg.model.attention import self_attention
from napari_clipseg.model.config import ModelConfig
from napari_clipseg.model.film import FILMS
from napari_clipseg.model.heads import HEADS
from napari_clipseg.model.linear import linear


class Decoder(nn.Module):
    """From activations and a conditional vector to logits.

    The names of the parts are those of the authors' checkpoints.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.reduce_dim
        self.conditional_layer = config.conditional_layer
        steps = range(len(config.extract_layers))
        if config.conditional_layer not in steps:
            raise SettingError(f"conditional_layer {config.conditional_layer} is not in {steps}")
        if config.film not in FILMS:
            raise UnknownName(f"film {config.film!r} is unknown; there are {', '.join(FILMS)}")
        self.film_mul = FILMS[config.film](config.embed_dim, width)
        self.film_add = FILMS[config.film](config.embed_dim, width)
        self.reduces = nn.ModuleList(nn.Linear(config.width, width) for _ in steps)
        self.blocks = nn.ModuleList(DecoderBlock(config) for _ in steps)
        self.extra_blocks = nn.ModuleList(DecoderBlock(config) for _ in range(config.extra_blocks))
        if config.head not in HEADS:
            raise UnknownName(f"head {config.head!r} is unknown; there are {', '.join(HEADS)}")
        self.trans_conv = HEADS[config.head](width, config.patch)

    def reduce(self, activations: Sequence[Tensor]) -> Tensor:
        """Return activations reduced to the decoder's width, after all steps before FiLM.

        Parameters
        ----------
        activations : sequence of Tensor (B, 1 + N, W)
            Deepest first.

        Returns
        -------
        Tensor (B, F, 1 + N, D)
            What the step with FiLM reads, then what the steps after it add; F is
            ``config.features``.
        """
        reduced = [reduce(each) for reduce, each in zip(self.reduces, activations, strict=True)]
        for step in range(self.conditional_layer):
            reduced[step + 1] = reduced[step + 1] + self.blocks[step](reduced[step])
        return torch.stack(reduced[self.conditional_layer :], 1)

    def forward(self, reduced: Tensor, conditional: Tensor, grid: tuple[int, int]) -> Tensor:
        """Return logits of every image for every prompt.

        Parameters
        ----------
        reduced : Tensor (B, F, 1 + N, D)
            From :meth:`reduce`.
        conditional : Tensor (P, E) or (B, P, E)
            Conditional vectors, the same for all images or each image's own.
        grid : (int, int)
            Patches down and across; their product is N.

        Returns
        -------
        Tensor (B, P, grid[0] * patch, grid[1] * patch)
        """
        batch, prompts = len(reduced), conditional.shape[-2]
        first, *skips = reduced.unbind(1)
        conditioned, *others = self.blocks[self.conditional_layer :]
        tokens: Tensor = conditioned(self._film(first, conditional))
        for block, skip in zip(others, skips, strict=True):
            tokens = block(tokens + skip.repeat_interleave(prompts, 0))
        for block in self.extra_blocks:
            tokens = tokens + block(tokens)
        spatial = tokens[:, 1:].reshape(len(tokens), *grid, -1).permute(0, 3, 1, 2)
        logits: Tensor = self.trans_conv(spatial)
        return logits.view(batch, prompts, *logits.shape[-2:])

    def _film(self, tokens: Tensor, conditional: Tensor) -> Tensor:
        """Modulate by every prompt: (B, T, D) -> (B * P, T, D), prompts fastest."""
        scale = self.film_mul(conditional).unsqueeze(-2)
        shift = self.film_add(conditional).unsqueeze(-2)
        modulated: Tensor = (scale * tokens[:, None] + shift).flatten(0, 1)
        return modulated


class DecoderBlock(nn.TransformerEncoderLayer):
    """torch's post-norm transformer layer with ReLU, run by a path that suits its small width.

    Parameters
    ----------
    config : ModelConfig
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(
            config.reduce_dim, config.decoder_heads, config.decoder_mlp, batch_first=True
        )

    def forward(self, tokens: Tensor) -> Tensor:  # type: ignore[override]
        """Return tokens (B, T, D) after attention and MLP."""
        tokens = self.norm1(tokens + self.dropout1(self_attention(self.self_attn, tokens)))
        updated: Tensor = self.norm2(tokens + self.dropout2(self._mlp(tokens)))
        return updated

    def _mlp(self, tokens: Tensor) -> Tensor:
        first, last = self.linear1, self.linear2
        hidden = self.dropout(linear(tokens, first.weight, first.bias, "relu"))
        return linear(hidden, last.weight, last.bias)
