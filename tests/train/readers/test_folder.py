import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from napari_clipseg.errors import ImageError
from napari_clipseg.train.config import ConfigError, DataConfig
from napari_clipseg.train.dataset import read_index
from napari_clipseg.train.readers.folder import read_folder

WAYS = {
    "8-bit": lambda mask: Image.fromarray(mask * np.uint8(255)),
    "one-bit": Image.fromarray,
    "zero-one": lambda mask: Image.fromarray(mask * np.uint8(1)),
    "palette": lambda mask: Image.fromarray(mask * np.uint8(255)).convert("P"),
    "16-bit": lambda mask: Image.fromarray(mask * np.uint16(257)),
    "rgb": lambda mask: Image.fromarray(mask * np.uint8(255)).convert("RGB"),
}


@pytest.mark.parametrize("way", WAYS)
def test_training_and_evaluation_see_the_same_masks(way, data_folder):
    folder = data_folder / "cells"
    masks = np.random.default_rng(0).random((2, 48, 40)) < 0.3
    for stem, mask in zip("ab", masks, strict=True):
        WAYS[way](mask).save(folder / "masks" / "nucleus" / f"{stem}.png")
    taught = read_index(data_folder, DataConfig({"cells": 1}))["cells"].scenes("train")
    measured = read_folder(folder, "train").pictures
    for scene, picture, mask in zip(taught, measured, masks, strict=True):
        np.testing.assert_array_equal(scene.mask(scene.concepts[0]), mask)
        np.testing.assert_array_equal(picture.read().masks["nucleus"], mask)


def test_training_and_evaluation_refuse_the_same_masks(data_folder):
    folder = data_folder / "cells"
    Image.new("L", (40, 30)).save(folder / "masks" / "nucleus" / "b.png")
    [_, second] = read_folder(folder, "train").pictures
    cells = read_index(data_folder, DataConfig({"cells": 1}))["cells"]
    for read in (second.read, partial(cells.scenes, "train")):
        with pytest.raises(ImageError, match=r"b\.png: the mask has 30 x 40 pixels, .* 48 x 40"):
            read()


def test_what_only_training_needs_may_be_missing(data_folder):
    [entry, *_] = json.loads((data_folder / "INDEX.json").read_text())
    (data_folder / "INDEX.json").write_text(
        json.dumps([{key: value for key, value in entry.items() if key not in ("use", "domain")}])
    )
    found = read_folder(data_folder / "cells", "train")
    assert found.concepts == {"nucleus": ("nuclei", "nucleus")}
    assert found.pictures[1].read().absent == {"nucleus"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"concepts": {"nucleus": "nuclei"}}, "'nucleus' .* not 'nuclei'"),
        ({"absent_mask_means_empty": None}, "must be true or false, not None"),
    ],
)
def test_a_wrong_entry_is_refused(data_folder, changes, said):
    [entry, *_] = json.loads((data_folder / "INDEX.json").read_text())
    (data_folder / "INDEX.json").write_text(json.dumps([{**entry, **changes}]))
    with pytest.raises(ConfigError, match=said):
        read_folder(data_folder / "cells", "train")


def test_pictures_that_are_not_there_are_all_named(data_folder):
    (data_folder / "cells" / "val.txt").write_text("a.png\nx.png\ny.png\n")
    with pytest.raises(ConfigError, match=r"val\.txt lists pictures .*: x\.png, y\.png"):
        read_folder(data_folder / "cells", "val")
