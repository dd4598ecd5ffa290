import numpy as np
import pytest
import torch

from napari_clipseg import Segmenter
from napari_clipseg.errors import PromptError, WeightsInvalid
from napari_clipseg.model.checkpoint import load_model, read_metadata, save_model
from napari_clipseg.model.learned import Learned
from napari_clipseg.train.dataset import Concept, Scene
from napari_clipseg.train.learned import (
    EVERYDAY,
    LABORATORY,
    add_to_file,
    learned,
    main,
    shown_phrases,
)
from napari_clipseg.train.network import new_model
from napari_clipseg.train.sources import Pictures


def scene(bits, *concepts):
    shape = (4, 4)
    return Scene(np.zeros((*shape, 3), np.uint8), np.full(shape, bits, np.uint8), concepts, "micro")


def test_only_what_some_picture_shows_is_learned():
    scenes = [
        scene(1, Concept("a", ("a one", "a two"), 1), Concept("b", ("b one",), 2)),
        scene(0, Concept("c", ("c one",), 1), Concept("d", ("d one",), 0)),
        scene(2, Concept("b", ("b one", "b two"), 2)),
    ]
    assert shown_phrases(Pictures(scenes).contents) == ("a one", "a two", "b one", "b two")


def test_nine_of_ten_unrelated_words_are_not_learned(tiny_run):
    model = new_model(tiny_run)
    model.learned = learned(model, ["nuclei", "roads", "small red spots"])
    segmenter = Segmenter(model.eval().requires_grad_(False))
    known = [segmenter.knows(word).known for word in (*EVERYDAY, *LABORATORY)]
    assert 0.05 < np.mean(known) < 0.15
    for phrase in ("nuclei", "roads"):
        found = segmenter.knows(phrase)
        assert found.known and found.nearest == phrase
        assert found.similarity == pytest.approx(1, abs=1e-3)


def test_what_was_learned_before_stays_learned(tiny_run):
    model = new_model(tiny_run)
    model.learned = Learned(("sky", "roads"), 0.9)
    assert learned(model, ["roads", "nuclei"]).phrases == ("sky", "roads", "nuclei")


def test_the_answer_is_the_cosine_to_the_nearest_phrase(tiny_run):
    model = new_model(tiny_run).eval().requires_grad_(False)
    phrases = ("nuclei", "roads", "sky")
    vectors = model.text_vectors(["streets", *phrases])
    cosines = torch.cosine_similarity(vectors[:1], vectors[1:])
    for limit, known in ((float(cosines.max()) - 0.01, True), (float(cosines.max()) + 0.01, False)):
        model.learned = Learned(phrases, limit)
        found = Segmenter(model).knows(" streets ")
        assert found.text == "streets"
        assert found.nearest == phrases[int(cosines.argmax())]
        assert found.similarity == pytest.approx(float(cosines.max()), abs=1e-3)
        assert found.known is known
        assert ("has learned" in str(found)) is known


def test_a_model_without_a_list_says_nothing(tiny_model):
    assert Segmenter(tiny_model).knows("nuclei") is None


def test_a_blank_text_is_refused(tiny_run):
    model = new_model(tiny_run)
    model.learned = Learned(("nuclei",), 0.5)
    with pytest.raises(PromptError):
        Segmenter(model).knows("  ")


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_file_gets_its_list_and_keeps_all_else(tiny_run, tmp_path, dtype):
    file = tmp_path / "model.safetensors"
    save_model(new_model(tiny_run), file, {"steps": "8"}, dtype=dtype)
    before, size = load_model(file).state_dict(), file.stat().st_size
    add_to_file(file, ["nuclei", "roads"])
    after = load_model(file)
    assert after.learned.phrases == ("nuclei", "roads")
    assert read_metadata(file)["steps"] == "8"
    assert 0 < file.stat().st_size - size < 1000
    for name, value in after.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_command_adds_the_phrases_of_a_configuration(tiny_run, data_folder, tmp_path, capsys):
    file = tmp_path / "model.safetensors"
    save_model(new_model(tiny_run), file, {})
    (tmp_path / "run.toml").write_text("[model]\n[data.weights]\ncells = 1\n")
    main([str(file), str(tmp_path / "run.toml"), "--data", str(data_folder)])
    assert load_model(file).learned.phrases == ("nuclei", "nucleus")
    assert f"size_bytes={file.stat().st_size}" in capsys.readouterr().out


def test_the_command_says_in_one_line_what_is_wrong(tiny_run, data_folder, tmp_path, capsys):
    model, toml = tmp_path / "model.safetensors", tmp_path / "run.toml"
    toml.write_text("[model]\n[data.weights]\ncells = 1\n")
    data = ["--data", str(data_folder)]
    assert main([str(model), str(toml), *data]) == 2
    assert "model.safetensors" in capsys.readouterr().err
    save_model(new_model(tiny_run), model, {})
    before = model.read_bytes()
    assert main([str(model), str(tmp_path / "gone.toml"), *data]) == 2
    assert "gone.toml cannot be read" in capsys.readouterr().err
    toml.write_text("[model]\n[data.weights]\ncells = -1\n")
    assert main([str(model), str(toml), *data]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {toml}: the share of data.weights.cells is -1")
    assert said.count("\n") == 1
    assert model.read_bytes() == before


def test_trainings_that_show_nothing_teach_nothing(data_folder, tmp_path, capsys):
    (tmp_path / "run.toml").write_text(
        '[model]\n[data.weights]\ncells = 1\n[data.skip]\ncells = ["nucleus"]\n'
        '[data.lacks.cells]\nrbc = ["red blood cells"]\n'
    )
    given = [str(tmp_path / "model.safetensors"), str(tmp_path / "run.toml")]
    assert main([*given, "--data", str(data_folder)]) == 2
    assert "nothing was learned" in capsys.readouterr().err


def test_an_altered_list_is_refused():
    with pytest.raises(WeightsInvalid, match="list of phrases"):
        Learned.from_json('{"phrases": 3}')
