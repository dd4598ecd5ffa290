"""What a model learned to find: the phrases it was trained with, kept beside its weights."""

from __future__ import annotations

import dataclasses
import json

from napari_clipseg.errors import WeightsInvalid

KEY = "learned"
"""Under which a weights file's metadata keep it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Learned:
    """The phrases that training showed with at least one mask.

    Parameters
    ----------
    phrases : tuple of str
        Each once. Words that were only ever asked for in vain are not among them.
    similarity : float
        Cosine similarity to the nearest of them from which a text counts as learned, in [-1, 1].
        It depends on the text tower: those of CLIP place all texts close together.
    """

    phrases: tuple[str, ...]
    similarity: float

    def to_json(self) -> str:
        """Return both as one line of JSON."""
        return json.dumps({"similarity": self.similarity, "phrases": list(self.phrases)})

    @classmethod
    def from_json(cls, text: str) -> Learned:
        """Return what :meth:`to_json` wrote.

        Raises
        ------
        WeightsInvalid
            If the text says something else.
        """
        try:
            fields = json.loads(text)
            phrases = tuple(str(phrase) for phrase in fields["phrases"])
            return cls(phrases, float(fields["similarity"]))
        except (ValueError, TypeError, KeyError) as error:
            raise WeightsInvalid(
                f"the list of phrases in the weights file cannot be read: {error!r}. "
                "The file was altered: fetch or copy it again."
            ) from error
