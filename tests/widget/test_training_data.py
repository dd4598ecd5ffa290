import json

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_clipseg.errors import SettingError
from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.folder import read_folder
from napari_clipseg.train.training_set import TrainingSet
from napari_clipseg.widget.training_data import write_training_data

NEW = TrainingSet("wells", {"nucleus": ["nuclei"], "debris": ["debris"]}, held_out=0)


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    rng = np.random.default_rng(0)
    viewer.add_image(rng.integers(0, 900, (3, 20, 30)).astype(np.uint16), name="stack")
    viewer.add_labels(rng.integers(0, 4, (3, 20, 30)), name="painted")
    return viewer


def test_the_plane_that_is_shown_is_written_with_what_is_painted_on_it(viewer, tmp_path):
    viewer.dims.set_point(0, 1)
    pairs = [(viewer.layers["stack"], viewer.layers["painted"])]
    folder = write_training_data(viewer, tmp_path, NEW, pairs, {"nucleus": [1, 3], "debris": [2]})
    [picture] = read_folder(folder, "train").pictures
    labels = viewer.layers["painted"].data[1]
    truth = picture.read()
    np.testing.assert_array_equal(truth.masks["nucleus"], np.isin(labels, [1, 3]))
    np.testing.assert_array_equal(truth.masks["debris"], labels == 2)
    assert picture.file.name == "stack.png"
    assert json.loads((tmp_path / "INDEX.json").read_text())[0]["name"] == "wells"


def test_labels_of_larger_pixels_are_read_on_the_image(viewer, tmp_path):
    coarse = np.zeros((10, 15), int)
    coarse[2:5, 3:9] = 5
    layer = viewer.add_labels(coarse, scale=(2, 2), translate=(0.5, 0.5))
    new = TrainingSet("wells", {"nucleus": ["nuclei"]}, held_out=0)
    folder = write_training_data(viewer, tmp_path, new, [(viewer.layers["stack"], layer)], {})
    [picture] = read_folder(folder, "train").pictures
    expected = np.kron(coarse, np.ones((2, 2), int)) == 5
    np.testing.assert_array_equal(picture.read().masks["nucleus"], expected)


def test_values_for_what_is_no_concept_are_refused_before_anything_is_written(viewer, tmp_path):
    pairs = [(viewer.layers["stack"], viewer.layers["painted"])]
    values = {"nucleuss": [1], "debris": [2]}
    with pytest.raises(SettingError, match=r"nucleuss: no such concept.* nucleus, debris"):
        write_training_data(viewer, tmp_path / "out", NEW, pairs, values)
    assert not (tmp_path / "out").exists()


def test_a_layer_whose_name_is_a_path_is_refused(viewer, tmp_path):
    viewer.layers["stack"].name = "exp/0"
    pairs = [(viewer.layers["exp/0"], viewer.layers["painted"])]
    with pytest.raises(ConfigError, match="name of a picture is 'exp/0'"):
        write_training_data(viewer, tmp_path / "out", NEW, pairs, {"nucleus": [1], "debris": [2]})
    assert not (tmp_path / "out").exists()


def test_what_nobody_painted_is_refused(viewer, tmp_path):
    pairs = [(viewer.layers["stack"], viewer.layers["painted"])]
    with pytest.raises(SettingError, match="painted in no picture"):
        write_training_data(viewer, tmp_path, NEW, pairs, {"nucleus": [1], "debris": [9]})
