"""Whether a model has learned what a text means, before anybody trusts its answer.

A model answers every text, also one for which it never saw a mask. What its weights file says
it was trained with is compared with the text by the angle between text vectors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_clipseg.engine.network import Network
from napari_clipseg.engine.prompts import TextPrompt, quoted
from napari_clipseg.model.learned import Learned

_AT_ONCE = 256
"""Phrases whose text vectors are computed together."""


@dataclasses.dataclass(frozen=True, slots=True)
class Knowledge:
    """What a model knows about one text.

    Parameters
    ----------
    text : str
    nearest : str
        The learned phrase whose text vector is nearest.
    similarity : float
        Cosine similarity of the two, in [-1, 1].
    known : bool
        Whether that is near enough to expect a mask for it.
    """

    text: str
    nearest: str
    similarity: float
    known: bool

    def __str__(self) -> str:
        text = quoted(self.text)
        if self.known:
            return f"This model has learned {text!r} (nearest: {self.nearest!r})."
        return (
            f"This model has not learned {text!r} (nearest: {self.nearest!r}): "
            "try rd64-refined, or paint an example."
        )


class Lexicon:
    """The phrases that a network learned, with their text vectors.

    Parameters
    ----------
    network : Network
        Its text tower places the phrases and every text that is looked up.
    learned : Learned

    Notes
    -----
    The vectors of the phrases are computed when the first text is looked up.
    """

    def __init__(self, network: Network, learned: Learned) -> None:
        self._network = network
        self._learned = learned
        self._units: Tensor | None = None

    def look_up(self, text: str) -> Knowledge:
        """Return what the network knows about a text.

        Raises
        ------
        PromptError
            If the text is blank.
        EngineError, OutOfMemory
            If the text tower fails.
        """
        name = TextPrompt(text).name
        if self._units is None:
            phrases = self._learned.phrases
            starts = range(0, len(phrases), _AT_ONCE)
            parts = [self._embed(phrases[start : start + _AT_ONCE]) for start in starts]
            self._units = torch.cat(parts)
        cosines = self._units @ self._embed([name])[0]
        best = int(cosines.argmax())
        similarity = round(float(cosines[best]), 4)
        known = similarity >= self._learned.similarity
        return Knowledge(name, self._learned.phrases[best], similarity, known)

    def _embed(self, texts: Sequence[str]) -> Tensor:
        return F.normalize(self._network.text_vectors(texts), dim=-1)
