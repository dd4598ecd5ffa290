import json

import numpy as np
import pytest

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.readers.coco import coco_20i, read_coco_instances, read_coco_panoptic

SHAPE = (6, 8)
BLOCK = np.zeros(SHAPE, bool)
BLOCK[1:4, 2:6] = True
CROWD = {"size": [6, 8], "counts": [number for _ in range(8) for number in (5, 1)]}


def write(root, name, **content):
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / f"{name}_val2017.json").write_text(json.dumps(content))


@pytest.fixture
def instances(tmp_path, save):
    """What an annotation file of one picture holds; a test changes it and reads it."""
    save("val2017/1.jpg")
    square = [2, 1, 6, 1, 6, 4, 2, 4]
    return {
        "images": [{"id": 1, "file_name": "1.jpg", "height": 6, "width": 8}],
        "categories": [
            {"id": 18, "name": "dog"},
            {"id": 3, "name": "car"},
            {"id": 9, "name": "boat"},
        ],
        "annotations": [
            {"image_id": 1, "category_id": 3, "segmentation": [square]},
            {
                "image_id": 1,
                "category_id": 3,
                "segmentation": [[0, 0, 2, 0, 2, 1, 0, 1]],
                "iscrowd": 0,
            },
            {"image_id": 1, "category_id": 18, "segmentation": CROWD, "iscrowd": 1},
        ],
    }


def test_instances_are_joined_by_category_and_crowds_are_not_known(tmp_path, instances):
    write(tmp_path, "instances", **instances)
    data = read_coco_instances(tmp_path, "val2017")
    assert list(data.concepts) == ["car", "boat", "dog"]
    truth = data.pictures[0].read()
    expected = BLOCK.copy()
    expected[0, :2] = True
    np.testing.assert_array_equal(truth.masks["car"], expected)
    assert truth.absent == {"boat", "dog"}
    assert not truth.known[5].any()
    assert truth.known.sum() == 5 * 8
    assert data.pictures[0].file.is_file()


def test_a_thing_too_small_for_a_pixel_is_not_called_absent(tmp_path, instances):
    outline = [0.1, 0.1, 0.2, 0.1, 0.2, 0.2]
    speck = {"image_id": 1, "category_id": 9, "segmentation": [outline]}
    instances["annotations"].append(speck)
    write(tmp_path, "instances", **instances)
    truth = read_coco_instances(tmp_path, "val2017").pictures[0].read()
    assert truth.masks.keys() == {"car"}
    assert truth.absent == {"dog"}


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("annotations", {"category_id": 77}, r"annotations\[0\] of .*val2017.json .* 77"),
        ("annotations", {"segmentation": None}, "'segmentation'"),
        ("images", {"height": "6"}, r"'height' in images\[0\]"),
        ("images", {"file_name": None}, "'file_name'"),
        ("categories", {"id": "18"}, "'id'"),
        ("categories", {"id": 9}, "second time"),
    ],
)
def test_a_wrong_record_is_refused_before_any_picture_is_read(
    tmp_path, instances, key, change, message
):
    instances[key][0] |= change
    write(tmp_path, "instances", **instances)
    with pytest.raises(ConfigError, match=message):
        read_coco_instances(tmp_path, "val2017")


def test_annotations_of_images_that_are_not_listed_are_left_out(tmp_path, instances):
    before = len(instances["annotations"])
    instances["annotations"].append({**instances["annotations"][0], "image_id": 77})
    write(tmp_path, "instances", **instances)
    pictures = read_coco_instances(tmp_path, "val2017").pictures
    assert before and len(pictures) == len(instances["images"])
    assert all(picture.read().masks for picture in pictures[:1])


@pytest.mark.parametrize("key", ["image_id", "category_id", "segmentation"])
def test_an_annotation_that_lacks_something_is_refused(tmp_path, instances, key):
    del instances["annotations"][1][key]
    write(tmp_path, "instances", **instances)
    with pytest.raises(ConfigError, match=rf"annotations\[1\] of .*val2017.json has no '{key}'"):
        read_coco_instances(tmp_path, "val2017")


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([], "no outline"),
        ([[1, 1, 2]], "x and y in turns"),
        ({"size": [3, 8], "counts": [0, 24]}, r"\[3, 8\]"),
        ({"size": [6, 8], "counts": [1, 2]}, "3 pixels"),
    ],
)
def test_a_wrong_segmentation_is_named(tmp_path, instances, segmentation, message):
    instances["annotations"][1]["segmentation"] = segmentation
    write(tmp_path, "instances", **instances)
    picture = read_coco_instances(tmp_path, "val2017").pictures[0]
    with pytest.raises(ConfigError, match=rf"annotations\[1\] of .*val2017.json: .*{message}"):
        picture.read()


def test_a_picture_of_another_size_than_its_annotations_is_refused(tmp_path, instances):
    instances["images"][0]["height"] = 12
    write(tmp_path, "instances", **instances)
    picture = read_coco_instances(tmp_path, "val2017").pictures[0]
    with pytest.raises(ConfigError, match=r"1.jpg is 6 pixels high .* images\[0\] .* 12 x 8"):
        picture.read()


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_a_file_without_its_lists_is_refused(tmp_path, instances, key):
    del instances[key]
    write(tmp_path, "instances", **instances)
    with pytest.raises(ConfigError, match=f"no '{key}'"):
        read_coco_instances(tmp_path, "val2017")


def test_a_file_without_images_is_refused(tmp_path, instances):
    write(tmp_path, "instances", **instances | {"images": [], "annotations": []})
    with pytest.raises(ConfigError, match="lists 0 images and 3 categories"):
        read_coco_instances(tmp_path, "val2017")


@pytest.fixture
def panoptic(tmp_path, save):
    """As for instances; the label image has the segments 70000 and 300 and an unlabelled rest."""
    save("val2017/1.jpg")
    ids = np.zeros(SHAPE, int)
    ids[:, :4], ids[BLOCK] = 70000, 300
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 256**2], 2).astype(np.uint8)
    save("annotations/panoptic_val2017/1.png", rgb)
    segments = [{"id": 70000, "category_id": 200}, {"id": 300, "category_id": 3}]
    return {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": segments}],
        "categories": [{"id": 3, "name": "car"}, {"id": 200, "name": "wall-other-merged"}],
    }


def test_panoptic_has_things_and_stuff_and_an_unknown_rest(tmp_path, panoptic):
    write(tmp_path, "panoptic", **panoptic)
    data = read_coco_panoptic(tmp_path, "val2017")
    assert data.concepts["wall-other-merged"] == ("wall",)
    truth = data.pictures[0].read()
    np.testing.assert_array_equal(truth.masks["car"], BLOCK)
    np.testing.assert_array_equal(truth.known, BLOCK | (np.arange(8) < 4))
    assert truth.absent == frozenset()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"category_id": 77}, r"segments_info\[0\] of .* 77"),
        ({"id": 300}, r"segments_info\[1\] of .* second time"),
        ({"id": None}, r"'id' in annotations\[0\]\.segments_info\[0\]"),
    ],
)
def test_a_wrong_segment_is_refused_before_any_picture_is_read(tmp_path, panoptic, change, message):
    panoptic["annotations"][0]["segments_info"][0] |= change
    write(tmp_path, "panoptic", **panoptic)
    with pytest.raises(ConfigError, match=message):
        read_coco_panoptic(tmp_path, "val2017")


def test_pixels_of_a_segment_that_is_not_listed_are_refused(tmp_path, panoptic):
    del panoptic["annotations"][0]["segments_info"][1]
    write(tmp_path, "panoptic", **panoptic)
    picture = read_coco_panoptic(tmp_path, "val2017").pictures[0]
    with pytest.raises(ConfigError, match=r"1.png has pixels of segment 300, .*annotations\[0\]"):
        picture.read()


def test_a_label_image_of_another_size_or_none_is_refused(tmp_path, panoptic, save):
    write(tmp_path, "panoptic", **panoptic)
    picture = read_coco_panoptic(tmp_path, "val2017").pictures[0]
    save("val2017/1.jpg", np.zeros((12, 16, 3), np.uint8))
    with pytest.raises(ConfigError, match=r"12 pixels high and 16 wide, but .*1.png is for 6 x 8"):
        picture.read()
    (tmp_path / "annotations" / "panoptic_val2017" / "1.png").unlink()
    with pytest.raises(ConfigError, match=r"there is no file .*1.png"):
        picture.read()


def test_the_folds_are_every_fourth_category():
    names = [str(index) for index in range(80)]
    assert coco_20i(names)[1][:3] == ("1", "5", "9")
    assert [len(fold) for fold in coco_20i(names)] == [20] * 4
