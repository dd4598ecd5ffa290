import json

import numpy as np
import pytest
from PIL import Image

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.dataset import UNLABELLED
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth
from napari_clipseg.train.readers.coco import coco_20i
from napari_clipseg.train.readers.formats import READERS
from napari_clipseg.train.readers.outlines import polygon_mask, rle_mask
from napari_clipseg.train.readers.voc import CLASSES, PASCAL_5I

SHAPE = (6, 8)
LEFT = np.arange(8) < 4
BLOCK = np.zeros(SHAPE, bool)
BLOCK[1:4, 2:6] = True


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path)


def grey(path):
    save(path, np.full((*SHAPE, 3), 90, np.uint8))


def packed(runs):
    """COCO's string of run lengths, written from its description: five bits a character."""
    text = ""
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        while True:
            code, value = value & 0x1F, value >> 5
            more = value != (-1 if code & 0x10 else 0)
            text += chr(48 + (code | 0x20 if more else code))
            if not more:
                break
    return text


def runs_of(mask):
    flat = np.concatenate([[0], mask.T.ravel().astype(int), [0]])
    edges = np.flatnonzero(np.diff(flat))
    return np.diff([0, *edges, mask.size]).tolist()


def test_run_lengths_plain_and_packed_give_the_mask():
    mask = np.random.default_rng(0).random((37, 53)) < 0.3
    mask[:, 20:45] = True
    mask[0, 0] = False
    runs = runs_of(mask)
    for counts in (runs, packed(runs), packed(runs).encode()):
        np.testing.assert_array_equal(rle_mask({"size": [37, 53], "counts": counts}), mask)


def test_an_outline_covers_the_pixels_inside_and_its_border():
    corners = [2, 1, 5, 1, 5, 3, 2, 3]
    np.testing.assert_array_equal(polygon_mask([corners], SHAPE), BLOCK)
    pairs = [[2, 1], [5, 1], [5, 3], [2, 3]]
    np.testing.assert_array_equal(polygon_mask([pairs, [[0, 0], [1, 1]]], SHAPE), BLOCK)


@pytest.fixture
def coco(tmp_path):
    grey(tmp_path / "val2017" / "1.jpg")
    categories = [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}, {"id": 9, "name": "boat"}]
    crowd = np.zeros(SHAPE, bool)
    crowd[5] = True
    annotations = [
        {"image_id": 1, "category_id": 3, "segmentation": [[2, 1, 5, 1, 5, 3, 2, 3]]},
        {"image_id": 1, "category_id": 3, "segmentation": [[0, 0, 1, 0, 1, 0]], "iscrowd": 0},
        {
            "image_id": 1,
            "category_id": 18,
            "segmentation": {"size": list(SHAPE), "counts": runs_of(crowd)},
            "iscrowd": 1,
        },
    ]
    images = [{"id": 1, "file_name": "1.jpg", "height": 6, "width": 8}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(content))
    return tmp_path


def test_coco_instances_are_joined_by_category_and_crowds_are_not_known(coco):
    data = READERS["coco-instances"](coco, "val2017")
    assert list(data.concepts) == ["car", "boat", "dog"]
    truth = data.pictures[0].read()
    expected = BLOCK.copy()
    expected[0, :2] = True
    np.testing.assert_array_equal(truth.masks["car"], expected)
    assert truth.absent == {"boat", "dog"}
    assert truth.known.sum() == 5 * 8
    assert data.pictures[0].file.is_file()


def test_coco_panoptic_has_things_and_stuff_and_an_unknown_rest(tmp_path):
    grey(tmp_path / "val2017" / "1.jpg")
    ids = np.zeros(SHAPE, int)
    ids[:, :4], ids[BLOCK] = 70000, 300
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 256**2], 2).astype(np.uint8)
    save(tmp_path / "annotations" / "panoptic_val2017" / "1.png", rgb)
    segments = [{"id": 70000, "category_id": 200}, {"id": 300, "category_id": 3}]
    content = {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": segments}],
        "categories": [{"id": 3, "name": "car"}, {"id": 200, "name": "wall-other-merged"}],
    }
    (tmp_path / "annotations" / "panoptic_val2017.json").write_text(json.dumps(content))
    data = READERS["coco-panoptic"](tmp_path, "val2017")
    assert data.concepts["wall-other-merged"] == ("wall",)
    truth = data.pictures[0].read()
    np.testing.assert_array_equal(truth.masks["car"], BLOCK)
    np.testing.assert_array_equal(truth.known, ids != 0)
    assert truth.absent == frozenset()


def test_phrasecut_makes_a_concept_of_every_phrase(tmp_path):
    grey(tmp_path / "images" / "7.jpg")
    block = [[2, 1], [5, 1], [5, 3], [2, 3]]
    tasks = [
        {"image_id": 7, "phrase": "red car", "Polygons": [[block]]},
        {"image_id": 7, "phrase": "corner", "Polygons": [[[[0, 0], [1, 0], [1, 1], [0, 1]]]]},
    ]
    (tmp_path / "refer_test.json").write_text(json.dumps(tasks))
    data = READERS["phrasecut"](tmp_path, "test")
    assert data.concepts == {"red car": ("red car",), "corner": ("corner",)}
    truth = data.pictures[0].read()
    np.testing.assert_array_equal(truth.masks["red car"], BLOCK)
    assert truth.masks["corner"].sum() == 4
    assert truth.absent == frozenset()


def test_voc_knows_its_classes_absence_and_void(tmp_path):
    grey(tmp_path / "JPEGImages" / "x.jpg")
    values = np.zeros(SHAPE, np.uint8)
    values[BLOCK], values[0] = 8, 255
    palette = Image.fromarray(values, "P")
    palette.putpalette(list(range(256)) * 3)
    (tmp_path / "SegmentationClass").mkdir()
    palette.save(tmp_path / "SegmentationClass" / "x.png")
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("x\n")
    data = READERS["voc"](tmp_path, "val")
    truth = data.pictures[0].read()
    assert list(truth.masks) == ["cat"]
    np.testing.assert_array_equal(truth.masks["cat"], BLOCK)
    assert len(truth.absent) == 19
    assert not truth.known[0].any()
    assert data.folds == PASCAL_5I


def test_folds_are_the_published_ones():
    assert PASCAL_5I[3] == ("pottedplant", "sheep", "sofa", "train", "tvmonitor")
    assert sorted(name for fold in PASCAL_5I for name in fold) == sorted(CLASSES)
    names = [str(index) for index in range(80)]
    assert coco_20i(names)[1][:3] == ("1", "5", "9")
    assert [len(fold) for fold in coco_20i(names)] == [20] * 4


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "cells"
    grey(root / "images" / "a.png")
    save(root / "masks" / "cell-wall" / "a.png", BLOCK)
    (root / "val.txt").write_text("a.png\n")
    return root


def test_folder_without_index_calls_concepts_like_their_masks(folder):
    data = READERS["folder"](folder, "val")
    assert data.concepts == {"cell-wall": ("cell wall",)}
    np.testing.assert_array_equal(data.pictures[0].read().masks["cell-wall"], BLOCK)


def test_folder_with_index_has_its_phrases_and_absences(folder):
    entry = {
        "name": "cells",
        "kind": "masks",
        "concepts": {"cell-wall": ["walls"], "gap": ["gaps"]},
        "absent_mask_means_empty": True,
    }
    (folder.parent / "INDEX.json").write_text(json.dumps([entry]))
    data = READERS["folder"](folder, "val")
    assert data.concepts == {"cell-wall": ("walls",), "gap": ("gaps",)}
    assert data.pictures[0].read().absent == {"gap"}


def test_a_folder_of_tiles_and_a_missing_list_are_refused(folder):
    with pytest.raises(ConfigError, match="it has val"):
        READERS["folder"](folder, "test")
    (folder.parent / "INDEX.json").write_text(json.dumps([{"name": "cells", "kind": "tiles"}]))
    with pytest.raises(ConfigError, match="tiles"):
        READERS["folder"](folder, "val")


@pytest.mark.parametrize("name", [name for name in READERS if name != "folder"])
def test_a_folder_of_another_kind_is_refused(name, tmp_path):
    with pytest.raises(ConfigError):
        READERS[name](tmp_path, "val")


def test_a_picture_of_many_concepts_becomes_several_scenes(tmp_path):
    grey(tmp_path / "a.png")
    masks = {f"c{index}": np.arange(48).reshape(SHAPE) % 9 == index for index in range(9)}
    known = np.ones(SHAPE, bool)
    known[0] = False
    truth = Truth.of(masks, known, frozenset([*masks, "none"]))
    concepts = {name: (name,) for name in [*masks, "none"]}
    data = AnnotatedSet("a", concepts, (Annotated(tmp_path / "a.png", lambda: truth),))
    scenes = list(data.scenes("outdoor"))
    assert [len(scene.concepts) for scene in scenes] == [8, 3]
    for scene in scenes:
        assert ((scene.bits & UNLABELLED) != 0).sum() == 8
        for concept in scene.concepts[:-1]:
            np.testing.assert_array_equal(scene.mask(concept), masks[concept.name])
        assert scene.concepts[-1].name == "none"
        assert scene.concepts[-1].bits == 0
