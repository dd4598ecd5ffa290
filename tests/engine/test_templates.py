import pytest

from napari_clipseg.engine.prompts import TextPrompt
from napari_clipseg.engine.templates import TEMPLATES


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_makes_sentences(name):
    sentences = TextPrompt("cell", TEMPLATES[name]).sentences()
    assert len(set(sentences)) == len(sentences) == len(TEMPLATES[name])
    assert all("cell" in each and "{" not in each for each in sentences)


def test_plain_is_the_phrase_itself():
    assert TextPrompt("cell", TEMPLATES["plain"]) == TextPrompt("cell")
