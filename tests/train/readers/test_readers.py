import json

import numpy as np
import pytest
from PIL import Image

from napari_clipseg.train.config import ConfigError
from napari_clipseg.train.dataset import UNLABELLED
from napari_clipseg.train.readers.annotated import Annotated, AnnotatedSet, Truth
from napari_clipseg.train.readers.formats import READERS

SHAPE = (6, 8)
BLOCK = np.zeros(SHAPE, bool)
BLOCK[1:4, 2:6] = True


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path)


def grey(path):
    save(path, np.full((*SHAPE, 3), 90, np.uint8))


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
