import json

import numpy as np
import pytest
from PIL import Image

from napari_clipseg.errors import ImageError, SettingError
from napari_clipseg.io.training_set import Painted, TrainingSet, write_data_set
from napari_clipseg.train.config import DataConfig
from napari_clipseg.train.dataset import read_index
from napari_clipseg.train.readers.folder import read_folder

NEW = TrainingSet("wells", {"nucleus": ["nuclei", "cores"], "spot": ["spots"]}, held_out=0.4)
VALUES = {"nucleus": [1, 2], "spot": [7]}


def painted(name, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(100, 4000, (20, 30)).astype(np.uint16)
    labels = rng.choice([0, 1, 2, 7] if seed else [0, 1, 2], (20, 30))
    return Painted.of_labels(name, image, labels, VALUES), labels


@pytest.fixture
def pictures():
    return [painted(name, seed) for seed, name in enumerate("abcde")]


def test_what_is_written_is_what_training_and_evaluation_read(pictures, tmp_path):
    folder = write_data_set(tmp_path, NEW, [picture for picture, _ in pictures])
    sets = read_index(tmp_path, DataConfig(weights={"wells": 1}))
    train, val = (sets["wells"].scenes(split) for split in ("train", "val"))
    assert (len(train), len(val)) == (3, 2)
    held_out = read_folder(folder, "val").pictures
    labels = {picture.name: array for picture, array in pictures}
    for scene, annotated in zip(val, held_out, strict=True):
        expected = np.isin(labels[annotated.file.stem], [1, 2])
        nucleus = next(each for each in scene.concepts if each.name == "nucleus")
        assert nucleus.phrases == ("nuclei", "cores")
        np.testing.assert_array_equal(scene.mask(nucleus), expected)
        np.testing.assert_array_equal(annotated.read().masks["nucleus"], expected)


def test_what_is_not_painted_is_known_to_be_absent(pictures, tmp_path):
    folder = write_data_set(tmp_path, NEW, [picture for picture, _ in pictures])
    [first] = [each for each in read_folder(folder, "train").pictures if each.file.stem == "a"]
    assert first.read().absent == {"spot"}


def test_images_are_seen_through_their_contrast(tmp_path):
    image = np.linspace(0, 1000, 600).reshape(20, 30).astype(np.uint16)
    mask = {"nucleus": image > 500}
    new = TrainingSet("wells", {"nucleus": ["nuclei"]})
    folder = write_data_set(tmp_path, new, [Painted("a", image, mask, (0, 500))])
    stored = np.asarray(Image.open(folder / "images" / "a.png"))[..., 0]
    assert stored[image >= 500].min() == 255
    np.testing.assert_allclose(stored[image < 500], image[image < 500] / 500 * 255, atol=0.51)


def test_other_sets_of_the_folder_stay_and_a_second_time_replaces(pictures, tmp_path):
    other = {"name": "stones", "use": "train", "kind": "masks"}
    (tmp_path / "INDEX.json").write_text(json.dumps([other]))
    chosen = [picture for picture, _ in pictures]
    write_data_set(tmp_path, NEW, chosen)
    write_data_set(tmp_path, NEW, chosen[1:])
    entries = json.loads((tmp_path / "INDEX.json").read_text())
    assert [each["name"] for each in entries] == ["stones", "wells"]
    assert len((tmp_path / "wells" / "train.txt").read_text().split()) == 2


def test_a_single_picture_is_trained_on(pictures, tmp_path):
    folder = write_data_set(tmp_path, NEW, [pictures[1][0]])
    assert (folder / "train.txt").read_text() == "b.png\n"
    assert (folder / "val.txt").read_text() == ""


def test_what_cannot_be_a_data_set_is_refused(pictures, tmp_path):
    one = pictures[1][0]
    small = Painted("z", one.image, {"nucleus": np.ones((3, 3), bool)})
    nothing = Painted("z", one.image, {})
    wrong = [(SettingError, []), (SettingError, [one, one]), (ImageError, [one, small])]
    for error, given in [*wrong, (SettingError, [nothing])]:
        with pytest.raises(error):
            write_data_set(tmp_path / "out", NEW, given)
    assert not (tmp_path / "out").exists()
