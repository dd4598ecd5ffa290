import json

import numpy as np
import pytest

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.phrasecut import OF_ANOTHER_SIZE, drawn_mask, read_phrasecut

SHAPE = (6, 8)
BLOCK = np.zeros(SHAPE, bool)
BLOCK[1:4, 2:6] = True
BLOCK_OUTLINE = [[2, 1], [5.9, 1.5], [5.2, 3], [2, 3.9]]
CORNER_OUTLINE = [[0, 0], [1, 0], [1, 1], [0, 1]]


def task(phrase, *outlines, image_id=7):
    return {"image_id": image_id, "phrase": phrase, "Polygons": [[each] for each in outlines]}


@pytest.fixture
def read(tmp_path, save):
    """Read tasks as the list of a folder in which picture 7 is there."""
    save("images/7.jpg")

    def from_tasks(tasks):
        (tmp_path / "refer_test.json").write_text(json.dumps(tasks))
        return read_phrasecut(tmp_path, "test")

    return from_tasks


def test_every_phrase_is_a_concept(read):
    data = read([task("red car", BLOCK_OUTLINE), task("corner", CORNER_OUTLINE)])
    assert data.concepts == {"red car": ("red car",), "corner": ("corner",)}
    truth = data.pictures[0].read()
    np.testing.assert_array_equal(truth.masks["red car"], BLOCK)
    assert truth.masks["corner"].sum() == 4
    assert truth.absent == frozenset()
    assert truth.known.all()


def test_a_phrase_that_is_there_twice_has_one_mask(read):
    data = read([task("ball", BLOCK_OUTLINE), task("ball", CORNER_OUTLINE)])
    assert len(data.pictures) == 1
    mask = data.pictures[0].read().masks["ball"]
    assert mask[BLOCK].all()
    assert mask.sum() == BLOCK.sum() + 4


def test_nothing_is_known_of_a_phrase_without_a_pixel(read):
    truth = read([task("ball", BLOCK_OUTLINE), task("dot", [[3, 3]])]).pictures[0].read()
    assert truth.masks.keys() == {"ball"}
    assert truth.absent == frozenset()


def test_outlines_are_drawn_with_their_border_at_whole_pixels():
    np.testing.assert_array_equal(drawn_mask([BLOCK_OUTLINE], SHAPE), BLOCK)
    line = drawn_mask([[[2, 1], [5, 1]], [[0, 5]]], SHAPE)
    assert line[1, 2:6].all()
    assert line.sum() == 4


def test_pictures_that_were_annotated_at_another_size_are_left_out(read):
    image_id = min(OF_ANOTHER_SIZE)
    data = read([task("ball", BLOCK_OUTLINE), task("cat", CORNER_OUTLINE, image_id=image_id)])
    assert [picture.file.name for picture in data.pictures] == ["7.jpg"]
    assert data.concepts.keys() == {"ball"}


def test_a_picture_of_another_size_than_the_list_of_sizes_says_is_refused(read, tmp_path):
    sizes = tmp_path / "image_data_split.json"
    for height, width in (SHAPE, (12, 16)):
        sizes.write_text(json.dumps([{"image_id": 7, "height": height, "width": width}]))
        picture = read([task("ball", BLOCK_OUTLINE)]).pictures[0]
        if (height, width) == SHAPE:
            assert picture.read().masks["ball"].any()
    with pytest.raises(ConfigError, match=r"7.jpg is 6 .*image_data_split.json is for 12 x 16"):
        picture.read()


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({}, "not a list"),
        ([], "lists no phrase"),
        ([{"image_id": 7, "phrase": "ball"}], r"\[0\] of .*refer_test.json has no 'Polygons'"),
        ([{"image_id": 7, "phrase": "ball", "Polygons": [3]}], "no list of lists"),
        ([{"image_id": 7, "phrase": 3, "Polygons": []}], "'phrase'"),
        ([{"phrase": "ball", "Polygons": []}], "'image_id'"),
    ],
)
def test_what_is_no_list_of_phrases_is_refused(read, tasks, message):
    with pytest.raises(ConfigError, match=message):
        read(tasks)


def test_a_wrong_outline_is_named(read):
    picture = read([task("ball", BLOCK_OUTLINE), task("cat", [[1, 2, 3]])]).pictures[0]
    with pytest.raises(ConfigError, match=r"'Polygons' in \[1\] of .*json: .*x and y in turns"):
        picture.read()


def test_a_picture_that_is_not_there_is_named(read):
    picture = read([task("ball", BLOCK_OUTLINE, image_id=8)]).pictures[0]
    with pytest.raises(ConfigError, match=r"there is no file .*8.jpg"):
        picture.read()
