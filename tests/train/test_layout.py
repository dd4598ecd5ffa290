import json

import pytest

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.layout import (
    DOMAINS,
    MASKS,
    TILES,
    Entry,
    check_name,
    entry_of,
    listing,
    mask_file,
    read_entries,
    read_list,
    realm_of,
)

RAW = {
    "name": "wells",
    "kind": "masks",
    "concepts": {"nucleus": ["nuclei", "cores"]},
    "absent_mask_means_empty": True,
}


def test_an_entry_is_read_with_its_phrases():
    assert entry_of(RAW, "x", MASKS) == Entry("wells", {"nucleus": ("nuclei", "cores")}, True)
    tiles = {**RAW, "kind": "tiles", "absent_mask_means_empty": None}
    assert entry_of(tiles, "x", TILES).complete is False


@pytest.mark.parametrize(
    ("concepts", "said"),
    [
        ({"blob": "red blobs"}, "'blob' of x needs a list .* not 'red blobs'"),
        ({"blob": []}, "'blob' of x needs a list"),
        ({"blob": ["blob", " "]}, "'blob' of x needs a list"),
        ({"blob": ["blob", 3]}, "'blob' of x needs a list"),
        (["blob", "bar"], "must give each concept its phrases"),
        ({}, "must give each concept its phrases"),
        ({"a/b": ["blob"]}, "a concept of x is 'a/b', which cannot name a file"),
    ],
)
def test_concepts_without_a_list_of_phrases_are_refused(concepts, said):
    with pytest.raises(ConfigError, match=said):
        entry_of({**RAW, "concepts": concepts}, "x", MASKS)


def test_whether_a_missing_mask_means_absent_is_true_or_false():
    with pytest.raises(ConfigError, match="of x must be true or false, not 'no'"):
        entry_of({**RAW, "absent_mask_means_empty": "no"}, "x", MASKS)


@pytest.mark.parametrize("domain", ["Microscopy", "", None, ["microscopy"]])
def test_unknown_domains_are_refused(domain):
    with pytest.raises(ConfigError, match="x has the unknown domain"):
        realm_of({"domain": domain}, "x")


def test_every_domain_is_of_a_realm_that_has_words_for_absent_things():
    assert {realm_of({"domain": each}, "x") for each in DOMAINS} == {"micro", "outdoor"}


@pytest.mark.parametrize("text", ['{"name": "wells"}', "[3]", '[{"use": "train"}]', "[{}]"])
def test_an_index_that_is_no_list_of_named_sets_is_refused(tmp_path, text):
    (tmp_path / "INDEX.json").write_text(text)
    with pytest.raises(ConfigError, match=r"INDEX\.json must be a list of objects"):
        read_entries(tmp_path)


def test_an_index_with_two_sets_of_one_name_is_refused(tmp_path):
    (tmp_path / "INDEX.json").write_text(json.dumps([RAW, {**RAW, "use": "evaluate only"}]))
    with pytest.raises(ConfigError, match="two entries named 'wells'"):
        read_entries(tmp_path)


def test_a_list_names_pictures_in_its_order_however_its_lines_end(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("b.png", "a c.jpg"):
        (tmp_path / "images" / name).touch()
    (tmp_path / "val.txt").write_bytes(b"b.png\r\n\r\na c.jpg\r\n")
    assert read_list(tmp_path, "val") == ["b.png", "a c.jpg"]
    with pytest.raises(ConfigError, match=r"no list train\.txt of images; it has val"):
        read_list(tmp_path, "train")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.png\nb.png\nc.png\n", "not in images: b.png, c.png"),
        ("a.png\na.png\n", "more than once: a;"),
        ("a.png\na.jpg\n", "more than once: a;"),
        ("../a.png\n", "which cannot name a file"),
        ("exp/a.png\n", "which cannot name a file"),
    ],
)
def test_lists_that_do_not_name_pictures_once_are_refused(tmp_path, text, said):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").touch()
    (tmp_path / "val.txt").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_list(tmp_path, "val")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "../e", "a\nb", "a\0", " a", 3])
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(ConfigError, match=r"the set is .* which cannot name a file"):
        check_name(name, "the set")


def test_a_mask_is_called_like_its_picture_up_to_the_last_dot(tmp_path):
    check_name("plate 1.b [0]", "the set")
    assert mask_file(tmp_path, "nucleus", "plate 1.b [0].tif") == (
        tmp_path / "masks" / "nucleus" / "plate 1.b [0].png"
    )


def test_many_names_are_listed_in_part():
    assert listing("abcde") == "a, b, c, d, e"
    assert listing("abcdefg") == "a, b, c, d, e and 2 more"
