import json

import numpy as np
import pytest
import tifffile

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.records import (
    check_shape,
    picture_shape,
    read_list,
    read_object,
)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "some.json"


def test_records_are_read_with_their_place(file):
    file.write_text(json.dumps({"images": [{"id": 4}, {"id": "x", "parts": [{"size": 2}]}]}))
    first, second = read_object(file).list_of("images")
    assert first.get("id", int) == 4
    part = second.list_of("parts")[0]
    assert part.get("size", int) == 2
    assert part.place == f"images[1].parts[0] of {file}"
    assert read_object(file).by_identifier("images") == {4: first, "x": second}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "has no 'images'"),
        ({"images": {}}, "'images' in .*some.json is {}, not of type list"),
        ({"images": [3]}, r"images\[0\] of .*some.json is 3, not a JSON object"),
        ({"images": [{}]}, r"images\[0\] of .*some.json has no 'id'"),
        ({"images": [{"id": 0.5}]}, "is 0.5, not of type int or str"),
        ({"images": [{"id": 1}, {"id": 1}]}, r"images\[1\] .* the id 1 a second time"),
        ([], r"some.json is \[\], not a JSON object"),
    ],
)
def test_an_error_says_what_is_wrong_and_where(file, content, message):
    file.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=message):
        read_object(file).by_identifier("images")


def test_long_values_are_cut_in_messages(file):
    file.write_text(json.dumps({"images": "x" * 1000}))
    with pytest.raises(ConfigError) as caught:
        read_object(file).list_of("images")
    assert "xxx..." in str(caught.value)
    assert len(str(caught.value)) < 200 + len(str(file))


def test_what_is_no_list_or_no_json_is_refused(file):
    with pytest.raises(ConfigError, match="there is no annotation file"):
        read_list(file)
    file.write_text("{}")
    with pytest.raises(ConfigError, match=r"some.json holds {}, not a list"):
        read_list(file)
    file.write_text("{")
    with pytest.raises(ConfigError, match=r"some.json cannot be read as JSON"):
        read_object(file)


def test_an_identifier_that_is_not_listed_is_refused(file):
    file.write_text(json.dumps([{"image_id": 7}]))
    record = read_list(file)[0]
    assert record.look_up("image_id", {7: "seven"}) == "seven"
    with pytest.raises(ConfigError, match=r"\[0\] of .*some.json has the image_id 7"):
        record.look_up("image_id", {8: "eight"})


def test_masks_of_another_shape_than_the_picture_are_refused(save):
    picture = save("a.jpg")
    assert picture_shape(picture) == (6, 8)
    check_shape(picture, (6, 8), "a.json")
    with pytest.raises(ConfigError, match=r"6 pixels high and 8 wide, but a.json is for 8 x 6"):
        check_shape(picture, (8, 6), "a.json")


def test_a_picture_that_is_not_there_or_damaged_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no file .*a.jpg"):
        check_shape(tmp_path / "a.jpg", (6, 8), "a.json")
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"b.jpg cannot be read"):
        picture_shape(tmp_path / "b.jpg")


def test_a_format_that_pillow_does_not_know_is_left_to_those_who_read_the_pixels(tmp_path):
    tifffile.imwrite(tmp_path / "five.tif", np.zeros((6, 8, 5), np.float32), planarconfig="contig")
    check_shape(tmp_path / "five.tif", (7, 9), "a.json")
