"""Behaviour of the phrase list: meanings, templates, plurals, order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_clipseg.train import phrases

NOUN_FILE = """\
  1 This stands for the licence text.
00001740 03 n 01 entity 0 000 | that which is
00002000 17 n 02 body_of_water 0 Lake_Erie 0 000 | water
00003000 20 n 01 oak 1 000 | a tree
"""


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    (tmp_path / "data.noun").write_text(NOUN_FILE)
    (tmp_path / "cntlist.rev").write_text(
        "oak%1:20:00:: 1 9\nrun%2:38:00:: 1 50\nlake%1:17:00:: 1 12\n"
    )
    return tmp_path


@pytest.fixture
def index(tmp_path: Path) -> Path:
    file = tmp_path / "INDEX.json"
    file.write_text(
        json.dumps([{"concepts": {"frost_bloom": ["frost blooms"]}}, {"concepts": {}}, {}])
    )
    return file


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("nucleus", "nuclei"),
        ("cell nucleus", "cell nuclei"),
        ("body", "bodies"),
        ("bay", "bays"),
        ("patch", "patches"),
        ("loaf of bread", "loaves of bread"),
        ("road", "roads"),
    ],
)
def test_plural_follows_english(one: str, many: str) -> None:
    assert phrases.plural(one) == many


def test_every_countable_term_has_a_plural_of_its_own() -> None:
    same = {"sheep", "fish", "zebrafish", "aircraft"}
    nouns = [noun for group in phrases.word_lists()["countable"].values() for noun in group]
    assert {noun for noun in nouns if phrases.plural(noun) == noun} <= same


def test_singular_and_plural_share_one_meaning() -> None:
    terms = dict(phrases.domain_terms())
    assert terms["nuclei"] == terms["nucleus"] == ("nucleus", "nuclei")


def test_template_carries_the_meaning_of_the_bare_phrase() -> None:
    bare, *templated = phrases.with_templates("road", ("road", "roads"))
    assert bare.text == "road"
    assert "a photo of a road." in [phrase.text for phrase in templated]
    assert {phrase.meaning for phrase in templated} == {bare.meaning}


def test_appearance_puts_size_before_brightness_before_colour() -> None:
    texts = dict(phrases.appearance_texts(100_000, seed=0))
    assert {
        "bright round spots",
        "dark thin lines",
        "large green blobs",
        "striped area",
    } <= texts.keys()
    assert texts["large green blobs"] == ("large green blob", "large green blobs")


def test_wordnet_gives_common_nouns_only(wordnet: Path) -> None:
    assert phrases.wordnet_nouns(wordnet) == ["entity", "body of water", "oak"]


def test_frequent_nouns_come_most_frequent_first_without_verbs(wordnet: Path) -> None:
    assert phrases.frequent_nouns(wordnet, 5) == ["lake", "oak"]


def test_concepts_of_the_index_join_with_templates(index: Path) -> None:
    texts = {phrase.text: phrase for phrase in phrases.domain_phrases(index)}
    assert texts["frost bloom"].meaning == ("frost bloom",)
    assert texts["an aerial image of frost blooms"].meaning == ("frost blooms",)


def test_whole_list_is_unique_and_repeats_by_seed(wordnet: Path, index: Path) -> None:
    first = phrases.starter_phrases(index, wordnet, ["zeppelin"], seed=1)
    texts = [phrase.text for phrase in first]
    assert len(texts) == len(set(texts))
    assert {"zeppelin", "oak", "frost blooms", "nuclei"} <= set(texts)
    assert first == phrases.starter_phrases(index, wordnet, ["zeppelin"], seed=1)
    assert first != phrases.starter_phrases(index, wordnet, ["zeppelin"], seed=2)
