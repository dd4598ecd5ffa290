"""The words by which a card says how far a model's words reach: none was used in its training."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files

from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.train.config import DataConfig
from napari_clipseg.train.dataset import DataSet
from napari_clipseg.train.learned import USUALLY_ABSENT
from napari_clipseg.train.validation import ABSENT_ASKED

AbsentWords = Mapping[str, Mapping[str, Sequence[str]]]
"""Realm -> kind, "taught" or "never named" -> words for things that its pictures never show."""


@dataclasses.dataclass(frozen=True, slots=True)
class Words:
    """What ``words.toml`` holds, or a part of it.

    Parameters
    ----------
    unknown : tuple of str
        Things that no picture shows and that training never named.
    synonyms : mapping of str to mapping
        Data set -> concept -> other words. The file has those of the starter's data sets.
    """

    unknown: tuple[str, ...]
    synonyms: Mapping[str, Mapping[str, Sequence[str]]]

    @classmethod
    def read(cls) -> Words:
        """Return the words that lie beside this module."""
        text = files("napari_clipseg.evaluate").joinpath("words.toml").read_text(encoding="utf-8")
        table = tomllib.loads(text)
        return cls(tuple(table["unknown"]), table["synonyms"])

    def never_used(
        self, segmenter: Segmenter, config: DataConfig, sets: Mapping[str, DataSet]
    ) -> Words:
        """Return the words that a model's training never used, for the data sets that it used.

        Parameters
        ----------
        segmenter : Segmenter
            Its list of learned phrases counts too, if its file has one.
        config : DataConfig
        sets : mapping of str to DataSet
            Data sets of the training.
        """
        named = {phrase.casefold() for phrase in _named(config, sets)}

        def new(words: Sequence[str]) -> list[str]:
            return [
                word
                for word in words
                if word.casefold() not in named and not _has_learned(segmenter, word)
            ]

        synonyms = {
            name: {concept: new(of[concept]) for concept in of if concept in sets[name].phrases}
            for name, of in self.synonyms.items()
            if name in sets
        }
        return Words(tuple(new(self.unknown)), synonyms)

    @property
    def all_synonyms(self) -> list[str]:
        """The other words of all concepts of all data sets."""
        return [word for of in self.synonyms.values() for each in of.values() for word in each]

    def absent(self, config: DataConfig) -> AbsentWords:
        """Return the words for absent things that every validation picture is asked for.

        Those that training named are the configuration's, or those that training takes where
        the configuration names none.
        """
        return {
            realm: {"taught": named[:ABSENT_ASKED], "never named": self.unknown[:ABSENT_ASKED]}
            for realm, named in (config.absent or USUALLY_ABSENT).items()
        }


def _named(config: DataConfig, sets: Mapping[str, DataSet]) -> Iterator[str]:
    """Yield all phrases that a training was given, for what is there and for what is not."""
    for each in sets.values():
        for phrases in each.phrases.values():
            yield from phrases
    for lacking in config.lacks.values():
        for missing in lacking.values():
            yield from missing
    for names in config.background.values():
        yield from names
    for words in (config.absent or USUALLY_ABSENT).values():
        yield from words


def _has_learned(segmenter: Segmenter, word: str) -> bool:
    """Return whether a word is itself one of the phrases that a model carries."""
    found = segmenter.knows(word)
    return found is not None and found.nearest.casefold() == word.casefold()
