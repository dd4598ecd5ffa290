import numpy as np

from napari_clipseg.model.checkpoint import save_model
from napari_clipseg.train.dataset import Concept, Scene
from napari_clipseg.train.network import new_model
from napari_clipseg.train.report import as_layer, examples_of, main


def scene(colour):
    image = np.full((8, 10, 3), 50, np.uint8)
    image[0, 0] = colour
    bits = np.zeros((8, 10), np.uint8)
    bits[:, :4] = 1
    concepts = (Concept("water", ("water", "lake"), 1), Concept("road", ("road",), 0))
    return Scene(image, bits, concepts, "outdoor")


def test_grey_pictures_are_opened_as_grey():
    assert as_layer(scene((9, 9, 9))).shape == (8, 10)
    assert as_layer(scene((9, 9, 8))).shape == (8, 10, 3)


def test_examples_show_each_concept_that_a_picture_shows():
    examples = examples_of([scene((1, 2, 3)), scene((4, 5, 6))])
    assert set(examples) == {"water"}
    assert examples["water"].mask[:, :4].all()
    assert examples["water"].image[0, 0].tolist() == [1, 2, 3]


CONFIG = """
[model]
tile = 32
[data.weights]
cells = 1
[data.absent]
micro = ["giraffe"]
"""


def test_the_report_has_a_row_for_each_concept(tiny_run, data_folder, tmp_path, capsys):
    weights = tmp_path / "model.safetensors"
    save_model(new_model(tiny_run), weights, {})
    (tmp_path / "run.toml").write_text(CONFIG)
    main([str(weights), str(tmp_path / "run.toml"), "--data", str(data_folder)])
    printed = capsys.readouterr().out
    assert "| cells | nucleus | 1 |" in printed
    assert "words of absent things" in printed
