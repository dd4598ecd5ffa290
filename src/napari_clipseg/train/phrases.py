"""The phrases from which the starter model's text tower learns what words mean.

Every phrase names the texts that carry its meaning, so that a template or a plural can be taught
to land where the bare phrase does. The same lists and seed give the same phrases in the same order.
"""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

BARE_WEIGHT = 6.0
TEMPLATE_WEIGHT = 0.8
PAIR_WEIGHT = 0.8
LOOKS = ("size", "brightness", "shape", "texture", "color")
LONGEST_LEMMA = 4  # words; longer entries of WordNet are mostly names of acts and treaties


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text to be encoded and where it should land.

    Attributes
    ----------
    text : str
        What a user might type.
    meaning : tuple of str
        Texts whose mean teacher vector is the target.
    weight : float
        How often the phrase is drawn, relative to a general word (1.0).
    """

    text: str
    meaning: tuple[str, ...]
    weight: float = 1.0


@cache
def word_lists() -> dict[str, Any]:
    """Return the word lists that ship beside this module."""
    return tomllib.loads(files(__package__).joinpath("phrases.toml").read_text(encoding="utf-8"))


def plural(noun: str) -> str:
    """Return the plural of an English noun phrase, formed at its last word, or before "of".

    Examples
    --------
    >>> plural("cell nucleus"), plural("body"), plural("loaf of bread")
    ('cell nuclei', 'bodies', 'loaves of bread')
    """
    head, of, tail = noun.partition(" of ")
    *before, last = head.split(" ")
    return " ".join([*before, _plural_word(last)]) + of + tail


def _plural_word(word: str) -> str:
    irregular: dict[str, str] = word_lists()["irregular_plurals"]
    if word in irregular:
        return irregular[word]
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def with_templates(
    text: str, meaning: tuple[str, ...], weight: float = BARE_WEIGHT
) -> Iterator[Phrase]:
    """Yield the bare phrase, then each template around it, all with one meaning.

    A template must not move a vector.
    """
    yield Phrase(text, meaning, weight)
    for template in word_lists()["templates"]:
        yield Phrase(template.format(text), meaning, TEMPLATE_WEIGHT)


def domain_terms() -> list[tuple[str, tuple[str, ...]]]:
    """Return domain terms in each number with their meaning, one for singular and plural."""
    lists = word_lists()
    terms: dict[str, tuple[str, ...]] = {}
    for noun in (noun for group in lists["countable"].values() for noun in group):
        forms = (noun, plural(noun))
        terms.update((form, forms) for form in forms)
    for noun in (noun for group in lists["uncountable"].values() for noun in group):
        terms.setdefault(noun, (noun,))
    return list(terms.items())


def concept_texts(index: Path) -> list[str]:
    """Return names and phrases of the concepts in a data index, in order, each once.

    Parameters
    ----------
    index : Path
        JSON list of data sets, each with ``concepts``: name -> list of phrases.
    """
    datasets = json.loads(index.read_text(encoding="utf-8"))
    texts: dict[str, None] = {}
    for dataset in datasets:
        for name, phrases in dataset.get("concepts", {}).items():
            texts.update(dict.fromkeys([name.replace("_", " "), *phrases]))
    return list(texts)


def appearance_texts(count: int, seed: int) -> list[tuple[str, tuple[str, ...]]]:
    """Return descriptions by look alone ('bright round spots') with their meaning.

    Every single adjective with every noun, and ``count`` draws of two adjectives with a noun,
    reproducible by ``seed``; each in the singular and the plural, which share a meaning.
    Adjectives follow the English order: size, brightness, shape or texture, colour.
    """
    words = word_lists()
    kinds = words["modifiers"]
    shapes = kinds["shape"] + kinds["texture"]
    nouns = words["countable"]["appearance"]
    looks = [word for kind in LOOKS for word in kinds[kind]]
    double = [
        *product(kinds["size"], kinds["brightness"], nouns),
        *product(kinds["brightness"], shapes, nouns),
        *product(kinds["size"], kinds["color"], nouns),
        *product(shapes, kinds["color"], nouns),
    ]
    texts: dict[str, tuple[str, ...]] = {}
    for words_in_order in [
        *product(looks, nouns),
        *random.Random(seed).sample(double, min(count, len(double))),
    ]:
        one = " ".join(words_in_order)
        texts[one] = texts[plural(one)] = (one, plural(one))
    return list(texts.items())


def modified_texts(nouns: Sequence[str], count: int, seed: int) -> list[str]:
    """Return ``count`` draws of 'modifier noun', each once, reproducible by ``seed``."""
    rng = random.Random(seed)
    modifiers = [word for kind in word_lists()["modifiers"].values() for word in kind]
    drawn = (f"{rng.choice(modifiers)} {rng.choice(nouns)}" for _ in range(count))
    return list(dict.fromkeys(drawn))


def wordnet_nouns(folder: Path) -> list[str]:
    """Return the common nouns of WordNet, in the order of its file; proper names are left out.

    Parameters
    ----------
    folder : Path
        Holds ``data.noun`` of WordNet 3.x.

    References
    ----------
    Miller, G. A. (1995). WordNet: a lexical database for English. doi:10.1145/219717.219748
    """
    lemmas: dict[str, None] = {}
    with (folder / "data.noun").open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith(" "):  # the licence at the head of the file
                continue
            fields = line.split()
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            lemmas.update(
                dict.fromkeys(word.replace("_", " ") for word in words if _is_common(word))
            )
    return list(lemmas)


def _is_common(lemma: str) -> bool:
    return lemma[0].islower() and lemma.count("_") < LONGEST_LEMMA


def frequent_nouns(folder: Path, limit: int) -> list[str]:
    """Return the ``limit`` single nouns that WordNet's tagged texts use most, in that order."""
    nouns: dict[str, None] = {}
    with (folder / "cntlist.rev").open(encoding="utf-8") as lines:
        counted = [(int(line.split()[2]), line.split("%")[0]) for line in lines if "%1:" in line]
    for _, lemma in sorted(counted, key=lambda pair: (-pair[0], pair[1])):
        if "_" not in lemma and lemma.isalpha():
            nouns[lemma] = None
    return list(nouns)[:limit]


def unique(phrases: Iterable[Phrase]) -> list[Phrase]:
    """Return each text once; the first phrase wins, so the most specific come first."""
    seen: dict[str, Phrase] = {}
    for phrase in phrases:
        seen.setdefault(phrase.text, phrase)
    return list(seen.values())


def domain_phrases(index: Path | None) -> list[Phrase]:
    """Return concepts of the data index and domain terms, each bare and within every template."""
    terms = dict(domain_terms())
    concepts = concept_texts(index) if index is not None else []
    asked = {text: terms.get(text, (text,)) for text in concepts} | terms
    return unique(
        phrase for text, meaning in asked.items() for phrase in with_templates(text, meaning)
    )


def starter_phrases(
    index: Path | None, wordnet: Path, vocabulary: Iterable[str], seed: int
) -> list[Phrase]:
    """Return the whole list for the starter model.

    Parameters
    ----------
    index : Path or None
        Data index with the concepts of the training images, see ``concept_texts``.
    wordnet : Path
        Folder of WordNet's files.
    vocabulary : iterable of str
        Whole words that the tokenizer knows as one token.
    seed : int
        Of the random modifier-noun pairs.
    """
    terms = [text for text, _ in domain_terms()]
    pairs = modified_texts(terms, 25_000, seed) + modified_texts(
        frequent_nouns(wordnet, 4000), 30_000, seed + 1
    )
    return unique(
        [
            *domain_phrases(index),
            *(
                Phrase(text, meaning, PAIR_WEIGHT)
                for text, meaning in appearance_texts(10_000, seed)
            ),
            *(Phrase(text, (text,), PAIR_WEIGHT) for text in pairs),
            *(Phrase(word, (word,)) for word in vocabulary),
            *(Phrase(noun, (noun,)) for noun in wordnet_nouns(wordnet)),
        ]
    )
