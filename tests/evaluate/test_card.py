import dataclasses
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import napari_clipseg.train
from napari_clipseg.engine.knowledge import Knowledge
from napari_clipseg.errors import OutputError
from napari_clipseg.evaluate.card import BEGIN, END, STARTER, _insert, main, make_card
from napari_clipseg.evaluate.card_page import page
from napari_clipseg.evaluate.card_words import Words
from napari_clipseg.evaluate.gallery import Gallery
from napari_clipseg.evaluate.survey import EXAMPLE, PHRASE, SYNONYM, Source, Survey, examples_of
from napari_clipseg.model.checkpoint import load_model
from napari_clipseg.train.config import ConfigError, DataConfig
from napari_clipseg.train.config_file import read_config
from napari_clipseg.train.dataset import UNLABELLED, Concept, Scene, read_index

LEFT = np.zeros((12, 16), bool)
LEFT[:, :8] = True


class HalfModel:
    """A stand-in for a segmenter: finds the left half for "water", its upper part for other words.

    An example finds all, what is absent is found on the first row.
    """

    model_name = "half"
    weights_hash = "0" * 64
    threshold = 0.5

    def probability(self, image, prompts):
        rows = {"water": 12, "pond": 6}
        found = np.zeros((len(prompts), *image.shape[:2]), np.float32)
        for answer, prompt in zip(found, prompts, strict=True):
            if isinstance(prompt, str):
                height = rows.get(prompt, 1)
                answer[:height, : image.shape[1] // (2 if prompt in rows else 1)] = 0.9
            else:
                answer[:] = 0.9
        return found

    def knows(self, text):
        return Knowledge(text, "water", 0.5, len(text) > 6)


def scene():
    concepts = (Concept("lake", ("water", "lake"), 1), Concept("road", ("road",), 0))
    image = np.where(LEFT[..., None], 200, 20).astype(np.uint8).repeat(3, axis=2)
    return Scene(image, LEFT.astype(np.uint8), concepts, "outdoor")


def test_every_way_of_asking_is_counted_by_itself():
    source = Source("lakes", [scene()], examples_of([scene()]), {"lake": ["pond"]})
    absent = {"outdoor": {"taught": ["DNA"]}, "micro": {"taught": ["giraffe"]}}
    survey = Survey(HalfModel(), source, absent, Gallery())
    survey.take(scene(), "first")
    answers = {each.way: each for each in survey.answers()}
    area = LEFT.sum()
    assert answers[PHRASE].iou == pytest.approx(area / (1 + area))
    assert answers[SYNONYM].iou == pytest.approx((area / 2) / (1 + area))
    assert answers[EXAMPLE].iou == pytest.approx(area / (1 + LEFT.size))
    assert answers[PHRASE].classical.iou == pytest.approx(area / (1 + area))
    assert (answers[PHRASE].prompt, answers[EXAMPLE].prompt) == ("water", "")
    assert survey.areas == {"taught": [1 / 12]}


@pytest.fixture
def data(tmp_path):
    """A data folder with one set to train on and one to measure on."""
    entries = []
    for name, use, lists in (
        ("lakes", "train", ["train", "val"]),
        ("seas", "evaluate only", ["eval"]),
    ):
        for part in ("images", "masks/lake"):
            (tmp_path / name / part).mkdir(parents=True)
        Image.fromarray(scene().image).save(tmp_path / name / "images" / "a.png")
        mask = Image.fromarray(LEFT.astype(np.uint8) * 255)
        mask.save(tmp_path / name / "masks" / "lake" / "a.png")
        for each in lists:
            (tmp_path / name / f"{each}.txt").write_text("a.png\n")
        entry = {"name": name, "use": use, "kind": "masks", "domain": "aerial"}
        concepts = {"concepts": {"lake": ["water"]}, "absent_mask_means_empty": True}
        entries.append({**entry, **concepts})
    (tmp_path / "INDEX.json").write_text(json.dumps(entries))
    return tmp_path


def test_a_card_has_a_table_for_each_question(data):
    config = DataConfig(weights={"lakes": 1}, absent={"outdoor": ["DNA"]})
    card, _ = make_card(HalfModel(), config, data, None)
    text = page(card)
    assert "| lakes | lake | 1 | 0.99 | 0.50 |" in text
    assert "| seas | lake | 1 | 0.99 | 0.99 | 0.02 |" in text
    assert "words of absent things, taught: 8.33%" in text
    assert "words of absent things, never named: 8.33%" in text
    assert set(card.areas) == {"taught", "never named"}
    assert 0 < card.recognised["unknown"] < 1


def test_a_card_of_an_own_model_says_only_what_was_asked(data):
    card, _ = make_card(HalfModel(), DataConfig(weights={"lakes": 1}), data, None)
    assert card.areas == {"taught": pytest.approx(1 / 12), "never named": pytest.approx(1 / 12)}
    assert set(card.recognised) == {"unknown"}
    text = page(card)
    assert "synonyms below" not in text
    assert "of the words of unknown things learned." in text


def test_words_that_a_training_named_do_not_count_as_new(data):
    class Learned(HalfModel):
        def knows(self, text):
            nearest = "Candle" if text == "candle" else "water"
            return Knowledge(text, nearest, 0.5, False)

    config = DataConfig(
        weights={"lakes": 1},
        also={"lakes": {"lake": ["Helmet"]}},
        background={"lakes": ["castle"]},
        lacks={"lakes": {"boat": ["rocket"]}},
        absent={"outdoor": ["octopus"]},
    )
    words = Words.read().never_used(Learned(), config, read_index(data, config))
    named = {"Helmet", "castle", "rocket", "octopus", "candle"}
    assert set(Words.read().unknown) - set(words.unknown) == {each.lower() for each in named}
    assert words.synonyms == {}


def test_a_training_without_validation_masks_gives_one_error(data):
    (data / "lakes" / "val.txt").write_text("b.png\n")
    Image.fromarray(scene().image).save(data / "lakes" / "images" / "b.png")
    with pytest.raises(ConfigError, match="no validation picture of lakes has a mask"):
        make_card(HalfModel(), DataConfig(weights={"lakes": 1}), data, None)


def test_a_picture_of_which_no_pixel_counts_is_not_asked_about():
    void = dataclasses.replace(scene(), bits=np.full_like(scene().bits, UNLABELLED))
    survey = Survey(
        HalfModel(), Source("lakes", [void]), {"outdoor": {"taught": ["DNA"]}}, Gallery()
    )
    survey.take(void, "first")
    assert survey.answers() == []
    assert not survey.areas


def test_the_command_writes_page_json_and_pictures(data, tiny_weights, tmp_path, capsys):
    (data / "run.toml").write_text("[model]\n[data.weights]\nlakes = 1\n")
    output = tmp_path / "card"
    given = [tiny_weights, "--data", data, "--output", output, "--config", data / "run.toml"]
    assert main([str(each) for each in given]) == 0
    assert "| lakes | lake | 1 |" in capsys.readouterr().out
    assert {each.name for each in output.iterdir()} == {"card.md", "card.json", "pictures.png"}
    written = json.loads((output / "card.json").read_text())
    assert {each["way"] for each in written["known"]} == {PHRASE, EXAMPLE}


def test_figures_are_put_between_the_marks_of_a_card(tmp_path):
    file = tmp_path / "CARD.md"
    file.write_text(f"# Card\n\n{BEGIN}\nold\n{END}\n\n## Limits\n")
    _insert(file, "new")
    assert file.read_text() == f"# Card\n\n{BEGIN}\nnew\n{END}\n\n## Limits\n"
    file.write_text("# Card\n")
    with pytest.raises(OutputError, match="has no lines"):
        _insert(file, "new")
    assert file.read_text() == "# Card\n"


def test_a_wrong_data_folder_gives_one_clear_error(tiny_weights, tmp_path, capsys):
    given = [str(tiny_weights), "--data", str(tmp_path), "--output", str(tmp_path / "card")]
    assert main(given) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_words_of_the_card_were_never_used_in_training():
    words = Words.read()
    synonyms = [word for of in words.synonyms.values() for each in of.values() for word in each]
    assert len(synonyms) == len(set(synonyms)) == 20
    learned = load_model("starter").learned.phrases
    config = read_config(STARTER).data
    named = [*learned, *(word for words in config.absent.values() for word in words)]
    for source in (config.also, config.lacks):
        named += [word for of in source.values() for each in of.values() for word in each]
    named += [word for words in config.background.values() for word in words]
    lowered = {word.lower() for word in named}
    assert not lowered & {word.lower() for word in (*synonyms, *words.unknown)}
    assert set(words.synonyms) <= set(config.weights)


def test_the_lists_that_are_compared_ship_with_the_package():
    folder = Path(napari_clipseg.train.__file__).parent
    assert folder / "starter-ninth.toml" == STARTER
    assert tomllib.loads((folder / "starter.toml").read_text())["data"]["weights"]
