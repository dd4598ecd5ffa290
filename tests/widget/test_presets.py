"""Presets: those of the package, and a person's own file, whatever is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_clipseg.errors import SettingError
from napari_clipseg.widget.presets import (
    Preset,
    bundled_presets,
    own_presets,
    own_presets_path,
    parse_presets,
)

OWN = """
[Botany."Leaf section"]
prompts = ["stomata", "veins"]
negative = ["background"]
template = "a microscope image of {}"
"""


def test_the_package_has_presets_for_each_domain():
    presets = bundled_presets()
    assert {each.domain for each in presets} == {"Microscopy", "Satellite", "Street"}
    assert len({(each.domain, each.name) for each in presets}) == len(presets)


def test_a_file_of_ones_own_adds_presets(tmp_path):
    path = tmp_path / "presets.toml"
    assert own_presets(path) == []
    path.write_text(OWN, encoding="utf-8")
    expected = Preset(
        "Botany",
        "Leaf section",
        ("stomata", "veins"),
        ("background",),
        "a microscope image of {}",
    )
    assert own_presets(path) == [expected]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[Botany", "left out"),
        ("prompts = ['a']", "no table"),
        ("[Botany]\nprompts = ['a']", "no table"),
        ("[Botany.Leaf]", "needs a list of texts"),
        ("[Botany.Leaf]\nprompts = 'a'", "must be a list of texts"),
        ("[Botany.Leaf]\nprompts = ['a', '  ']", "not blank"),
        ("[Botany.Leaf]\nprompts = ['a', 3]", "must be a list of texts"),
        ("[Botany.Leaf]\nprompts = ['a']\npromts = ['b']", "'promts'"),
        ("[Botany.Leaf]\nprompts = ['a']\ntemplate = 'a photo'", "needs {}"),
    ],
)
def test_a_malformed_file_is_one_sentence_with_the_place(tmp_path, text, words):
    path = tmp_path / "presets.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError) as raised:
        own_presets(path)
    assert words in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_file_that_is_no_text_is_one_sentence(tmp_path):
    path = tmp_path / "presets.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match="left out"):
        own_presets(path)


def test_own_presets_lie_in_the_folder_of_the_person_and_not_in_the_package():
    path = own_presets_path()
    assert path.is_absolute()
    assert "site-packages" not in path.parts
    assert Path(path).name == "presets.toml"


def test_the_example_in_the_head_of_the_file_is_of_the_right_form():
    source = Path(bundled_presets.__code__.co_filename).with_name("presets.toml")
    head = source.read_text(encoding="utf-8").split("[Microscopy", 1)[0]
    example = "\n".join(line[1:] for line in head.splitlines() if line.startswith("#     "))
    (preset,) = parse_presets(example)
    assert preset.negative
    assert preset.template
