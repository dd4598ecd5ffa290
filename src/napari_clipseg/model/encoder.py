"""CLIP's two towers, read at any grid: activations, text vectors and image vectors.

The towers are open_clip's own modules. What open_clip cannot do is done here: positions
interpolated as CLIPSeg does it, the last needed block, and CLIPSeg's attention mask.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import open_clip
import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from napari_clipseg.model.block import VisionBlock
from napari_clipseg.model.config import ModelConfig


def convolutional_stem(widths: Sequence[int], width: int, patch: int) -> nn.Sequential:
    """Return strided 3x3 convolutions that embed ``patch`` x ``patch`` pixels per token.

    Parameters
    ----------
    widths : sequence of int
        Channels after each convolution but the last.
    width : int
        Channels after the last one.
    patch : int
        Product of all strides: each convolution halves, so ``patch == 2 ** (len(widths) + 1)``.

    References
    ----------
    Xiao et al. 2021, "Early Convolutions Help Transformers See Better", arXiv 2106.14881.
    """
    if patch != 2 ** (len(widths) + 1):
        raise ValueError(f"{len(widths) + 1} halving convolutions do not make patches of {patch}")
    layers: list[nn.Module] = []
    channels = 3
    for out in widths:
        layers += [nn.Conv2d(channels, out, 3, 2, 1, bias=False), nn.GroupNorm(1, out), nn.GELU()]
        channels = out
    return nn.Sequential(*layers, nn.Conv2d(channels, width, 3, 2, 1, bias=False))


class Encoder(nn.Module):
    """CLIP's vision and text towers as CLIPSeg reads them.

    Parameters
    ----------
    config : ModelConfig
        Only ``clip``, ``stem`` and ``extract_layers`` are used.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.patch = config.patch
        self.extract_layers = sorted(config.extract_layers)
        self.context_length = int(config.clip["text_cfg"]["context_length"])
        self.clip = open_clip.CLIP(**config.clip)
        self.clip.attn_mask = causal_mask(self.context_length)
        if isinstance(self.clip.visual, VisionTransformer):
            tower = self.clip.visual.transformer
            tower.resblocks = nn.ModuleList(VisionBlock(block) for block in tower.resblocks)
        if config.stem:
            self.clip.visual.conv1 = convolutional_stem(config.stem, config.width, config.patch)
        self.tokenizer = open_clip.SimpleTokenizer(context_length=self.context_length)

    def activations(self, pixel_values: Tensor) -> list[Tensor]:
        """Return the outputs of the extracted blocks, deepest first; no deeper block is run.

        Parameters
        ----------
        pixel_values : Tensor (B, 3, H, W)
            Normalised pixels. H and W that are no multiple of the patch lose the remainder.

        Returns
        -------
        list of Tensor (B, 1 + N, W)
            Residual streams with the class token first.
        """
        tokens = self._embed(pixel_values)
        kept = []
        for index, block in enumerate(self.clip.visual.transformer.resblocks):
            tokens = block(tokens)
            if index in self.extract_layers:
                kept.append(tokens)
            if index == self.extract_layers[-1]:
                break
        return kept[::-1]

    def image_vectors(self, pixel_values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return CLIP's image vectors, not normalised.

        Parameters
        ----------
        pixel_values : Tensor (B, 3, H, W)
            Normalised pixels.
        mask : Tensor (B, H, W), optional
            Where the class token looks, in every block: its attention logits on the
            patches are multiplied by it (the authors' mask ``('all', 'cls_token')``).

        Returns
        -------
        Tensor (B, E)

        Notes
        -----
        The mask multiplies logits before the softmax: a masked key keeps the weight of a
        logit of zero. Each sample has its own mask, as in the authors' batches of one.
        """
        tokens = self._embed(pixel_values)
        bias = None if mask is None else self._attention_mask(mask, self.grid(pixel_values))
        for block in self.clip.visual.transformer.resblocks:
            tokens = block(tokens, bias)
        pooled, _ = self.clip.visual._pool(tokens)
        vectors: Tensor = pooled @ self.clip.visual.proj
        return vectors

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        """Return CLIP's text vectors (P, E), not normalised; longer texts are cut.

        Notes
        -----
        A text's vector is read at its last token and no token looks at later ones: what pads
        the longest text to the context, most of it, is left out. open_clip computes all of it.
        """
        clip = self.clip
        tokens = self.tokenizer(list(texts)).to(clip.positional_embedding.device)
        last = tokens.argmax(-1)  # of all tokens the end's number is the highest
        length = int(last.max()) + 1
        embedded = clip.token_embedding(tokens[:, :length]) + clip.positional_embedding[:length]
        embedded = embedded.to(clip.transformer.get_cast_dtype())
        mask = clip.attn_mask[:length, :length]
        read = clip.transformer(embedded, attn_mask=mask)[torch.arange(len(last)), last]
        vectors: Tensor = clip.ln_final(read) @ clip.text_projection
        return vectors

    def tokens_beyond(self, text: str) -> int:
        """Return how many tokens of a text are cut; 0 if the text tower reads all of it."""
        start_and_end = 2
        return max(len(self.tokenizer.encode(text)) + start_and_end - self.context_length, 0)

    def grid(self, pixel_values: Tensor) -> tuple[int, int]:
        """Return the number of patches down and across."""
        height, width = pixel_values.shape[-2:]
        return height // self.patch, width // self.patch

    def _embed(self, pixel_values: Tensor) -> Tensor:
        visual = self.clip.visual
        grid = self.grid(pixel_values)
        cut = pixel_values[..., : grid[0] * self.patch, : grid[1] * self.patch]
        patches = visual.conv1(cut).flatten(2).transpose(1, 2)
        first = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        positions = interpolate_positions(visual.positional_embedding, grid)
        tokens: Tensor = visual.ln_pre(torch.cat([first, patches], 1) + positions.to(patches.dtype))
        return tokens

    def _attention_mask(self, mask: Tensor, grid: tuple[int, int]) -> Tensor:
        patches = F.interpolate(mask[:, None].float(), size=grid, mode="nearest").flatten(1)
        batch, count = patches.shape
        full = patches.new_ones(batch, count + 1, count + 1)
        full[:, 0, 1:] = patches
        return full[:, None]


def causal_mask(length: int) -> Tensor:
    """Return what is added to attention logits (length, length): -inf for later tokens, else 0.

    It is open_clip's own mask once more, on the CPU even in a model built on "meta": no file
    holds it, so such a model could not be filled.
    """
    return torch.full((length, length), -math.inf, device="cpu").triu_(1)


def interpolate_positions(embedding: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return position embeddings for any grid.

    Parameters
    ----------
    embedding : Tensor (1 + n * n, W)
        Class position first, then those of a square grid.
    grid : (int, int)
        Patches down and across.

    Returns
    -------
    Tensor (1 + grid[0] * grid[1], W)

    Notes
    -----
    Bicubic, align_corners False, no antialiasing: what the authors and transformers do.
    open_clip's own resize antialiases, which moves CLIPSeg's logits by more than 1.
    """
    side = math.isqrt(len(embedding) - 1)
    if grid == (side, side):
        return embedding
    square = embedding[1:].T.reshape(1, -1, side, side)
    resized = F.interpolate(square, size=grid, mode="bicubic", align_corners=False)
    return torch.cat([embedding[:1], resized[0].flatten(1).T])
