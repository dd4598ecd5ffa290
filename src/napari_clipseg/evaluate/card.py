"""All figures of a model card, from one command.

``python -m napari_clipseg.evaluate.card MODEL --data DIR --output FOLDER`` writes ``card.md``,
``card.json`` and ``pictures.png``, the best and the worst answers. ``--into FILE`` puts the tables
into a card, between two marks.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import numpy as np

from napari_clipseg.atomic import atomic_path, writable_folder
from napari_clipseg.engine.segmenter import Segmenter
from napari_clipseg.errors import ClipSegError, OutputError
from napari_clipseg.evaluate.card_page import page
from napari_clipseg.evaluate.card_words import AbsentWords, Words
from napari_clipseg.evaluate.gallery import Gallery
from napari_clipseg.evaluate.survey import Answer, Source, Survey, examples_of
from napari_clipseg.io.overlay import write_png
from napari_clipseg.train.config import ConfigError, DataConfig
from napari_clipseg.train.config_file import read_config
from napari_clipseg.train.dataset import DataSet, read_index
from napari_clipseg.train.layout import INDEX, read_entries, realm_of
from napari_clipseg.train.readers.folder import read_folder
from napari_clipseg.train.validation import spread

STARTER = Path(str(files("napari_clipseg.train"))) / "starter-ninth.toml"
"""Training whose data sets are asked unless another is named."""

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
"""Marks in a card between which its figures stand."""

_UNSEEN_PICTURES = 12
"""Pictures of a data set for evaluation only, spread over its list: they are large."""


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """All figures of a card.

    Parameters
    ----------
    model, weights : str
        What was asked, and the hash of its weights.
    threshold : float
        The model's own.
    known, unseen : tuple of Answer
        On validation pictures of the training's data sets, and on data sets it never saw.
    areas : mapping of str to float
        Kind of absent words -> mean share of pixels found for them.
    recognised : mapping of str to float
        "synonyms" and "unknown": share of these words that ``Segmenter.knows`` calls learned;
        without "synonyms" where there are none for the data sets, empty where the model carries
        no list.
    """

    model: str
    weights: str
    threshold: float
    known: tuple[Answer, ...]
    unseen: tuple[Answer, ...]
    areas: Mapping[str, float]
    recognised: Mapping[str, float]

    def to_json(self) -> str:
        """Return the figures as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2)


def make_card(
    segmenter: Segmenter, config: DataConfig, data: Path, limit: int | None
) -> tuple[Card, Gallery]:
    """Ask a model all that a card tells.

    Parameters
    ----------
    segmenter : Segmenter
    config : DataConfig
        Data sets of the training, with their phrases and words for absent things.
    data : Path
        Data folder. Its entries for "evaluate only" are the sets that training never saw.
    limit : int or None
        Pictures of each data set at most; None for all of the validation pictures.

    Raises
    ------
    ConfigError
        If the data folder does not have what the configuration names, or no validation picture
        has a mask.
    EngineError, OutOfMemory
        If the model fails.
    """
    entries = read_index(data, config)
    sets = {name: entries[name] for name in config.weights}
    gallery, words = Gallery(), Words.read().never_used(segmenter, config, sets)
    absent = words.absent(config)
    known = [_asked(segmenter, each, absent, gallery) for each in _taught(sets, words, limit)]
    if not any(survey.answers() for survey in known):
        raise ConfigError(
            f"no validation picture of {', '.join(sets) or 'the configuration'} has a mask, so "
            "that there is nothing to measure: name pictures with masks in each set's val.txt"
        )
    unseen = [_asked(segmenter, each, {}, Gallery()) for each in _unseen(data, limit)]
    kinds = dict.fromkeys(kind for survey in known for kind in survey.areas)
    card = Card(
        model=segmenter.model_name,
        weights=segmenter.weights_hash,
        threshold=segmenter.threshold,
        known=tuple(answer for survey in known for answer in survey.answers()),
        unseen=tuple(answer for survey in unseen for answer in survey.answers()),
        areas={
            kind: float(np.mean([area for survey in known for area in survey.areas[kind]]))
            for kind in kinds
        },
        recognised=_recognised(segmenter, words),
    )
    return card, gallery


def _taught(sets: Mapping[str, DataSet], words: Words, limit: int | None) -> Iterator[Source]:
    """Yield the validation pictures of every data set of the training."""
    for name, each in sets.items():
        scenes = spread(each.scenes("val"), limit)
        examples = examples_of(each.scenes("train"))
        yield Source(name, scenes, examples, words.synonyms.get(name, {}))


def _unseen(data: Path, limit: int | None) -> Iterator[Source]:
    """Yield pictures of every data set that is there to measure on."""
    for entry in read_entries(data):
        if entry.get("use") == "evaluate only" and entry.get("kind") == "masks":
            found = read_folder(data / entry["name"], "eval")
            chosen = spread(found.pictures, min(limit or _UNSEEN_PICTURES, _UNSEEN_PICTURES))
            realm = realm_of(entry, f"data set {entry['name']!r} in {data / INDEX}")
            scenes = dataclasses.replace(found, pictures=chosen).scenes(realm)
            yield Source(entry["name"], [scenes[number] for number in range(len(scenes))])


def _asked(
    segmenter: Segmenter,
    source: Source,
    absent: AbsentWords,
    gallery: Gallery,
) -> Survey:
    survey = Survey(segmenter, source, absent, gallery)
    for number, scene in enumerate(source.scenes):
        survey.take(scene, f"no. {number}")
    print(f"{source.name}: {len(source.scenes)} pictures", file=sys.stderr)
    return survey


def _recognised(segmenter: Segmenter, words: Words) -> dict[str, float]:
    shares = {}
    for kind, texts in {"synonyms": words.all_synonyms, "unknown": words.unknown}.items():
        found = [segmenter.knows(text) for text in texts]
        known = [each.known for each in found if each is not None]
        if known:
            shares[kind] = float(np.mean(known))
    return shares


def main(arguments: list[str] | None = None) -> int:
    """Write the card of a model from the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        config = read_config(options.config).data
        writable_folder(options.output)
        card, gallery = make_card(Segmenter(options.model), config, options.data, options.limit)
        _write(options.output, card, gallery)
        if options.into is not None:
            _insert(options.into, page(card))
    except (ClipSegError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(page(card))
    return 0


def _write(folder: Path, card: Card, gallery: Gallery) -> None:
    texts = {"card.md": page(card), "card.json": card.to_json()}
    for name, text in texts.items():
        with atomic_path(folder / name) as unfinished:
            unfinished.write_text(text + "\n", encoding="utf-8")
    write_png(folder / "pictures.png", gallery.sheet())


def _insert(file: Path, text: str) -> None:
    """Put the figures into a card, in the place of earlier ones."""
    before, begin, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise OutputError(f"{file} has no lines {BEGIN} and {END} for the figures")
    with atomic_path(file) as unfinished:
        figures = f"{before}{BEGIN}\n{text}\n{END}{after}"
        unfinished.write_text(figures, encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m napari_clipseg.evaluate.card", description="Write the card of a model."
    )
    parser.add_argument("model", help="weights file, or a name of the catalog")
    parser.add_argument("--data", type=Path, required=True, help="data folder with INDEX.json")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--config", type=Path, default=STARTER, help="TOML file of the training")
    parser.add_argument("--limit", type=int, help="pictures of each data set at most")
    parser.add_argument("--into", type=Path, help="card whose figures are replaced")
    return parser


if __name__ == "__main__":
    sys.exit(main())
