"""A small CLIP text tower: untrained, started from word vectors, and run over many texts.

References
----------
Radford et al. (2021), arXiv 2103.00020.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_clipseg.train.teacher import Teacher, Vectors

Tokenize = Callable[[list[str]], Tensor]
"""Texts -> token ids (N, context_length), int64, zeros after the end-of-text token."""
EMBED_DIM = 384
TEXT_CFG: dict[str, Any] = {
    "context_length": 16,
    "vocab_size": 49408,
    "width": 128,
    "heads": 4,
    "layers": 3,
}


def new_text_tower(embed_dim: int, text_cfg: dict[str, Any], seed: int) -> nn.Module:
    """Return an untrained text tower with the state-dict keys of ``open_clip.CLIP``'s text side."""
    from open_clip.transformer import TextTransformer

    torch.manual_seed(seed)
    tower: nn.Module = TextTransformer(**text_cfg, output_dim=embed_dim)
    return tower


def clip_tokenizer(context_length: int) -> Any:
    """Return CLIP's byte-pair tokenizer; a longer text is cut and keeps its end-of-text token."""
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(context_length=context_length)


def token_texts(tokenizer: Any) -> dict[int, str]:
    """Return id -> own string of each plain ASCII token, without the mark of a word's end."""
    texts = {row: token.removesuffix("</w>") for token, row in tokenizer.encoder.items()}
    return {row: text for row, text in texts.items() if text.isascii() and text.isalnum()}


def whole_words(tokenizer: Any) -> list[str]:
    """Return words of three or more letters that are one token: the commonest there are."""
    words = (token.removesuffix("</w>") for token in tokenizer.encoder if token.endswith("</w>"))
    return [word for word in words if len(word) > 2 and word.isascii() and word.isalpha()]


@torch.no_grad()
def warm_start(tower: Any, texts: dict[int, str], teacher: Teacher, spread: float = 0.1) -> None:
    """Start each token at its teacher vector, in the teacher's own principal directions.

    Token embeddings become the leading coordinates of the teacher's vectors and the projection
    turns these coordinates back, so pooling is all that is left to learn.

    Parameters
    ----------
    tower : module
        As from ``new_text_tower``.
    texts : dict
        Token id -> its string; other tokens keep their random start.
    spread : float
        Standard deviation of the token embeddings.
    """
    vectors = torch.from_numpy(teacher(list(texts.values())))
    width, embed_dim = tower.text_projection.shape
    # Not centred: the projection has no bias, so the mean direction must be among the basis.
    basis = torch.linalg.eigh(vectors.T @ vectors).eigenvectors.flip(-1)[:, :width]
    coordinates = functional.normalize(vectors @ basis, dim=-1) * math.sqrt(width)
    tower.token_embedding.weight[list(texts)] = spread * coordinates
    tower.text_projection.zero_()
    tower.text_projection[: basis.shape[1]] = basis.T * math.sqrt(embed_dim / width)


def encode_tokens(tower: Any, tokens: Tensor, chunk: int = 256) -> Tensor:
    """Return what ``encode_text`` gives for tokens (N, L), several times faster: (N, E), in order.

    Texts of like length go together, cut after the longest: attention is causal and the vector is
    read at the end-of-text token, so what comes after it cannot matter.
    """
    lengths = tokens.argmax(dim=1) + 1  # the end-of-text id is the highest; 0 is also "!"
    order = lengths.argsort(stable=True)
    parts = [
        _encode_cut(tower, tokens[rows, : int(lengths[rows].max())])
        for rows in torch.split(order, chunk)
    ]
    return torch.cat(parts)[order.argsort()]


def _encode_cut(tower: Any, tokens: Tensor) -> Tensor:
    length = tokens.shape[1]
    states = tower.token_embedding(tokens) + tower.positional_embedding[:length]
    states = tower.transformer(states, attn_mask=tower.attn_mask[:length, :length])
    last: Tensor = states[torch.arange(len(tokens)), tokens.argmax(dim=1)]
    vectors: Tensor = tower.ln_final(last) @ tower.text_projection
    return vectors


def text_encoder(tower: nn.Module, tokenize: Tokenize) -> Teacher:
    """Return the trained tower as a callable: texts -> vectors (N, E), not normalised."""

    @torch.inference_mode()
    def encode(texts: Sequence[str]) -> Vectors:
        vectors: Vectors = encode_tokens(tower, tokenize(list(texts))).numpy()
        return vectors

    return encode
