"""The folder layout of this package: its index, its lists of pictures, and which names they allow.

A data folder holds ``INDEX.json``, a list of data sets. A set of kind ``masks`` has
``images/*``, ``masks/<concept>/<stem>.png`` and lists of image file names (``train.txt``,
``val.txt``, ``eval.txt``); one of kind ``tiles`` has ``<concept>/*``, small pictures wholly of
one concept.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_clipseg.train.config import ConfigError

INDEX = "INDEX.json"
"""Name of the list of data sets in a data folder."""

IMAGES, MASKS = "images", "masks"
"""Folders of a data set's pictures and of its concepts' masks; ``MASKS`` is a kind of set too."""

TILES = "tiles"
"""Kind of the sets of small pictures wholly of one concept."""

TRAIN, VAL = "train", "val"
"""Lists of the pictures that are learned from and that are held out."""

DOMAINS: Mapping[str, str] = {
    "microscopy": "micro",
    "materials": "micro",
    "medical": "outdoor",
    "aerial": "outdoor",
    "satellite": "outdoor",
    "street": "outdoor",
    "photograph": "outdoor",
    "texture/material": "outdoor",
}
"""What pictures are of -> their realm, which decides on the words for absent things."""

_MEANINGS = {
    "use": '"train", or what else the set is for',
    "kind": f'"{MASKS}" or "{TILES}"',
    "domain": "what its pictures are of",
    "concepts": "an object with the phrases of every concept",
    "absent_mask_means_empty": "true where a missing mask says that the concept is not there",
}

_NAMED_AT_MOST = 5
"""Names that an error lists before it only counts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one data set.

    Parameters
    ----------
    name : str
        Also of its folder.
    concepts : mapping of str to tuple of str
        Concept -> what people call it, the most natural first.
    complete : bool
        Whether a missing mask says that the concept is not in the picture; else it says nothing.
    """

    name: str
    concepts: Mapping[str, tuple[str, ...]]
    complete: bool


def read_entries(data: Path) -> list[dict[str, Any]]:
    """Return the entries of a data folder's index as they stand there.

    Raises
    ------
    ConfigError
        If there is no index, it is no list of named data sets, or a name comes twice.
    """
    file = data / INDEX
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{data} is no data folder: {error}") from error
    if not isinstance(entries, list) or not all(_is_named(each) for each in entries):
        raise ConfigError(f'{file} must be a list of objects, each with a "name"')
    twice = _repeated(each["name"] for each in entries)
    if twice:
        raise ConfigError(f"{file} has two entries named {twice[0]!r}; remove one of them")
    return entries


def entry_of(raw: Mapping[str, Any], where: str, kind: str) -> Entry:
    """Return an entry of the index once it was checked.

    Parameters
    ----------
    raw : mapping
        As it stands in the index.
    where : str
        Says in errors which entry is meant.
    kind : str
        ``MASKS`` or ``TILES``: which the set has to be.

    Raises
    ------
    ConfigError
        If it is of another kind, or something is missing or of the wrong type.
    """
    found = given(raw, "kind", where)
    if found != kind:
        raise ConfigError(f"{where} holds {found!r}, where {kind!r} are needed")
    check_name(raw["name"], f"the name of {where}")
    complete = kind == MASKS and given(raw, "absent_mask_means_empty", where)
    if not isinstance(complete, bool):
        raise ConfigError(
            f'"absent_mask_means_empty" of {where} must be true or false, not {complete!r}'
        )
    return Entry(raw["name"], _concepts(given(raw, "concepts", where), where), complete)


def realm_of(raw: Mapping[str, Any], where: str) -> str:
    """Return the realm of an entry's domain.

    Raises
    ------
    ConfigError
        If it has none of :data:`DOMAINS`.
    """
    domain = given(raw, "domain", where)
    if not isinstance(domain, str) or domain not in DOMAINS:
        known = ", ".join(DOMAINS)
        raise ConfigError(f"{where} has the unknown domain {domain!r}; there are {known}")
    return DOMAINS[domain]


def given(raw: Mapping[str, Any], key: str, where: str) -> Any:
    """Return a value of an entry.

    Raises
    ------
    ConfigError
        If it is missing.
    """
    if key not in raw:
        raise ConfigError(f'{where} has no "{key}": {_MEANINGS[key]}')
    return raw[key]


def read_list(folder: Path, split: str) -> list[str]:
    """Return the file names of the pictures in a data set's list ``<split>.txt``.

    Raises
    ------
    ConfigError
        If there is no such list, or it names a picture twice or one that is not there.
    """
    file = folder / f"{split}.txt"
    if not file.is_file():
        lists = ", ".join(sorted(each.stem for each in folder.glob("*.txt"))) or "none"
        raise ConfigError(f"{folder} has no list {split}.txt of images; it has {lists}")
    names = [line for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
    for name in names:
        check_name(name, f"a line of {file}")
    twice = _repeated(Path(name).stem for name in names)
    if twice:
        raise ConfigError(
            f"{file} lists pictures more than once: {listing(twice)}; names must differ even "
            "without their endings, since masks are found by them"
        )
    missing = [name for name in names if not (folder / IMAGES / name).is_file()]
    if missing:
        raise ConfigError(f"{file} lists pictures that are not in {IMAGES}: {listing(missing)}")
    return names


def mask_file(folder: Path, concept: str, picture: str) -> Path:
    """Return where the mask of a concept in a picture, given by its file name, has its place."""
    return folder / MASKS / concept / f"{Path(picture).stem}.png"


def check_name(name: Any, what: str) -> None:
    """Refuse what cannot be the name of one file or folder on every system.

    Raises
    ------
    ConfigError
        If it is no text, is empty, leads to another folder, or holds control characters.
    """
    possible = isinstance(name, str) and name not in ("", ".", "..") and name == name.strip()
    if not possible or any(each in "/\\" or each < " " for each in name):
        raise ConfigError(
            f"{what} is {name!r}, which cannot name a file: it must not be empty, hold a slash, "
            "a backslash or a line break, or begin or end with a space"
        )


def listing(names: Iterable[str]) -> str:
    """Return names in one line, the first few of many."""
    every = list(names)
    more = len(every) - _NAMED_AT_MOST
    return ", ".join(every[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def _is_named(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str)


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _concepts(given_concepts: Any, where: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(given_concepts, Mapping) or not given_concepts:
        raise ConfigError(
            f'"concepts" of {where} must give each concept its phrases, such as '
            f'{{"nucleus": ["nuclei"]}}, not {given_concepts!r}'
        )
    for concept, phrases in given_concepts.items():
        check_name(concept, f"a concept of {where}")
        several = isinstance(phrases, list | tuple) and len(phrases) > 0
        if not several or not all(isinstance(each, str) and each.strip() for each in phrases):
            raise ConfigError(
                f"the concept {concept!r} of {where} needs a list of what people call it, "
                f'such as ["nuclei"], not {phrases!r}'
            )
    return {concept: tuple(phrases) for concept, phrases in given_concepts.items()}
