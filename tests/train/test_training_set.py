import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from napari_clipseg.errors import ImageError, SettingError
from napari_clipseg.train.config import ConfigError, DataConfig
from napari_clipseg.train.dataset import MOST_CONCEPTS, read_index
from napari_clipseg.train.readers.folder import read_folder
from napari_clipseg.train.training_set import Painted, TrainingSet, write_data_set

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


@pytest.fixture
def refused(tmp_path):
    """Assert that a set cannot be written, and that nothing is."""

    def check(error, said, new, given):
        with pytest.raises(error, match=said):
            write_data_set(tmp_path / "out", new, given)
        assert not list(tmp_path.iterdir())

    return check


def test_pictures_that_make_no_data_set_are_refused(pictures, refused):
    one = pictures[1][0]
    small = Painted("z", one.image, {"nucleus": np.ones((3, 3), bool)})
    refused(SettingError, "no picture", NEW, [])
    refused(SettingError, "two pictures are called 'b'", NEW, [one, one])
    refused(ImageError, r"'z' has the shape \(3, 3\)", NEW, [one, small])
    refused(SettingError, "'nucleus' is painted in no", NEW, [Painted("z", one.image, {})])


@pytest.mark.parametrize("name", ["exp/0", "../../e0", "a\nb", "", ".."])
def test_names_that_are_no_file_names_are_refused(pictures, refused, name):
    one = pictures[1][0]
    renamed = dataclasses.replace(one, name=name)
    refused(ConfigError, "name of a picture is .* which cannot name a file", NEW, [one, renamed])
    refused(ConfigError, "cannot name a file", dataclasses.replace(NEW, name=name), [one])
    concepts = {"nucleus": ["nuclei"], name: ["spots"]}
    refused(ConfigError, "cannot name a file", dataclasses.replace(NEW, concepts=concepts), [one])


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"domain": "Microscopy"}, ConfigError, "unknown domain 'Microscopy'; there are micro"),
        ({"concepts": {"nucleus": "nuclei"}}, ConfigError, "'nucleus' .* not 'nuclei'"),
        ({"concepts": {}}, ConfigError, "must give each concept its phrases"),
        ({"held_out": 1}, SettingError, r"share in \[0, 1\), not 1"),
        ({"held_out": float("nan")}, SettingError, "not nan"),
    ],
)
def test_sets_that_the_index_cannot_hold_are_refused(pictures, refused, change, error, said):
    refused(error, said, dataclasses.replace(NEW, **change), [pictures[1][0]])


def test_more_concepts_than_training_keeps_are_refused(refused):
    image = np.arange(600).reshape(20, 30)
    masks = {f"c{k}": image % 9 == k for k in range(MOST_CONCEPTS + 1)}
    new = TrainingSet("wells", {name: [name] for name in masks})
    refused(SettingError, f"at most {MOST_CONCEPTS} concepts", new, [Painted("a", image, masks)])


def test_masks_of_what_is_no_concept_are_refused(pictures, refused):
    one = pictures[1][0]
    wrong = dataclasses.replace(one, masks={**one.masks, "nucleuss": one.masks["nucleus"]})
    refused(SettingError, "nucleuss: no such concept .* has nucleus, spot", NEW, [wrong])


def test_a_concept_that_would_only_be_held_out_is_refused(refused):
    image = np.arange(600).reshape(20, 30)
    everywhere, once = image % 2 == 0, image % 3 == 0
    pictures = [Painted(name, image, {"nucleus": everywhere}) for name in "abcde"]
    held_out = dataclasses.replace(pictures[2], masks={"nucleus": everywhere, "spot": once})
    pictures[2] = held_out
    new = dataclasses.replace(NEW, held_out=0.2)
    refused(SettingError, r"'spot' is painted only .* held out \(c\)", new, pictures)


def test_an_index_that_cannot_be_read_stops_before_anything_is_written(pictures, tmp_path):
    (tmp_path / "INDEX.json").write_text("{")
    with pytest.raises(ConfigError, match="no data folder"):
        write_data_set(tmp_path, NEW, [picture for picture, _ in pictures])
    assert [each.name for each in tmp_path.iterdir()] == ["INDEX.json"]
