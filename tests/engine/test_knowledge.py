import pytest

from napari_clipseg.engine.knowledge import Knowledge, Lexicon
from napari_clipseg.engine.network import Network
from napari_clipseg.model.checkpoint import load_model, save_model
from napari_clipseg.model.learned import Learned


def test_phrases_are_embedded_when_the_first_text_is_looked_up_and_only_then(
    tiny_model, monkeypatch
):
    network, asked = Network(tiny_model, "cpu"), []
    embed = network.text_vectors
    monkeypatch.setattr(
        network, "text_vectors", lambda texts: asked.append(len(texts)) or embed(texts)
    )
    lexicon = Lexicon(network, Learned(tuple(f"thing {n}" for n in range(300)), 0.5))
    assert asked == []
    assert lexicon.look_up("thing 7").nearest == "thing 7"
    assert lexicon.look_up("thing 299").nearest == "thing 299"
    assert sum(asked) == 302


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (True, "This model has learned 'streets' (nearest: 'roads')."),
        (
            False,
            "This model has not learned 'streets' (nearest: 'roads'): "
            "try rd64-refined, or paint an example.",
        ),
    ],
)
def test_a_person_is_told_in_one_sentence(known, expected):
    assert str(Knowledge("streets", "roads", 0.7, known)) == expected


def test_a_model_keeps_its_list_through_a_file(tiny_model, tmp_path):
    learned = Learned(("nuclei", "white-water", "Größe"), 0.625)
    tiny_model.learned = learned
    try:
        save_model(tiny_model, tmp_path / "tiny.safetensors", {})
    finally:
        tiny_model.learned = None
    assert load_model(tmp_path / "tiny.safetensors").learned == learned
