import json
import logging

import numpy as np
import pytest
from PIL import Image

from napari_clipseg.train.config import ConfigError, DataConfig
from napari_clipseg.train.dataset import MOST_CONCEPTS, UNLABELLED, contrast_window, read_index

HALF = np.zeros((48, 40), np.uint8)
HALF[:, :20] = 255


def scenes(data, name, split="train", **config):
    return read_index(data, DataConfig(weights={name: 1}, **config))[name].scenes(split)


def concepts(scene):
    return {concept.name: concept for concept in scene.concepts}


def save_mask(data, concept, stem, pixels, name="cells"):
    file = data / name / "masks" / concept / f"{stem}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def alter(data, name="cells", **changes):
    """Change keys of a data set in the index; None removes them."""
    entries = json.loads((data / "INDEX.json").read_text())
    entry = next(each for each in entries if each["name"] == name)
    for key, value in changes.items():
        entry[key] = value
        if value is None:
            del entry[key]
    (data / "INDEX.json").write_text(json.dumps(entries))


@pytest.fixture
def two_concepts(data_folder):
    """Cells, of which the second picture shows spots."""
    alter(data_folder, concepts={"nucleus": ["nuclei", "nucleus"], "spot": ["spots"]})
    save_mask(data_folder, "spot", "b", HALF)
    return data_folder


@pytest.fixture
def many_concepts(data_folder):
    """Make cells of which a picture shows so many concepts, each in its own row."""

    def make(count):
        alter(data_folder, concepts={f"c{k}": [f"row {k}"] for k in range(count)})
        for k in range(count):
            row = np.zeros((48, 40), np.uint8)
            row[k] = 255
            save_mask(data_folder, f"c{k}", "a", row)
        return data_folder

    return make


def test_reads_the_pictures_of_each_list_with_their_masks(data_folder):
    first, second = scenes(data_folder, "cells")
    (held_out,) = scenes(data_folder, "cells", "val")
    assert first.image.shape == (48, 40, 3)
    assert first.mask(concepts(first)["nucleus"])[:, :20].all()
    assert not first.mask(concepts(first)["nucleus"])[:, 20:].any()
    assert concepts(first)["nucleus"].phrases == ("nuclei", "nucleus")
    assert (held_out.bits == first.bits).all()
    assert not second.bits.any()


def test_a_missing_mask_means_absent_only_where_the_index_says_so(data_folder):
    assert concepts(scenes(data_folder, "cells")[1])["nucleus"].bits == 0
    assert [set(concepts(each)) for each in scenes(data_folder, "streets")] == [{"sky"}, {"road"}]


def test_unlabelled_pixels_are_marked(data_folder):
    first = scenes(data_folder, "streets", unlabelled=("streets",))[0]
    assert (first.bits[:, 20:] == UNLABELLED).all()
    assert not (first.bits[:, :20] & UNLABELLED).any()


def test_the_rest_of_a_picture_can_have_a_name(data_folder):
    first = scenes(data_folder, "cells", background={"cells": ["background"]})[0]
    assert (first.mask(concepts(first)["background"]) == ~first.mask(first.concepts[0])).all()


def test_phrases_can_be_added_skipped_and_denied(two_concepts):
    first = scenes(
        two_concepts,
        "cells",
        also={"cells": {"nucleus": ["blobs"]}},
        skip={"cells": ["spot"]},
        lacks={"cells": {"crack": ["cracks"]}},
    )[0]
    assert concepts(first)["nucleus"].phrases[-1] == "blobs"
    assert "spot" not in concepts(first)
    assert concepts(first)["crack"].bits == 0


@pytest.mark.parametrize("setting", [{"skip": ["nuclei"]}, {"also": {"nuclei": ["cores"]}}])
def test_settings_for_concepts_that_the_set_does_not_have_are_refused(data_folder, setting):
    [(key, value)] = setting.items()
    with pytest.raises(ConfigError, match=rf"data\.{key}\.cells names nuclei; .* nucleus"):
        scenes(data_folder, "cells", **{key: {"cells": value}})


def test_as_many_concepts_as_a_scene_holds_keep_their_pixels(many_concepts):
    first = scenes(many_concepts(MOST_CONCEPTS), "cells")[0]
    assert len(first.concepts) == MOST_CONCEPTS
    for row, concept in enumerate(first.concepts):
        assert (first.mask(concept).any(axis=1) == (np.arange(48) == row)).all()


@pytest.mark.parametrize(
    ("count", "config"),
    [(MOST_CONCEPTS + 1, {}), (MOST_CONCEPTS, {"background": {"cells": ["ground"]}})],
)
def test_more_concepts_than_a_scene_holds_are_refused(many_concepts, count, config):
    data = many_concepts(count)
    with pytest.raises(ConfigError, match=f"'cells' in .* has {count} concepts.*data.skip.cells"):
        scenes(data, "cells", **config)


def test_more_concepts_can_be_skipped(many_concepts):
    data = many_concepts(MOST_CONCEPTS + 1)
    assert len(scenes(data, "cells", skip={"cells": ["c3"]})[0].concepts) == MOST_CONCEPTS


def test_a_concept_that_no_training_picture_shows_is_refused(two_concepts):
    save_mask(two_concepts, "spot", "b", np.zeros((48, 40), np.uint8))
    with pytest.raises(ConfigError, match=r"train\.txt lists shows 'spot'.*data\.lacks\.cells"):
        scenes(two_concepts, "cells")
    assert len(scenes(two_concepts, "cells", skip={"cells": ["spot"]})) == 2


def test_a_concept_may_be_missing_in_validation_pictures(two_concepts):
    [held_out] = scenes(two_concepts, "cells", "val")
    assert concepts(held_out)["spot"].bits == 0


def test_training_pictures_of_which_nothing_is_known_are_named(data_folder):
    (data_folder / "streets" / "masks" / "road" / "b.png").unlink()
    with pytest.raises(ConfigError, match=r"nothing is known of pictures .*: b\.png; draw masks"):
        scenes(data_folder, "streets")


def test_an_empty_list_can_be_validated_on_but_not_trained_on(data_folder):
    for split in ("train", "val"):
        (data_folder / "cells" / f"{split}.txt").write_text("\n")
    with pytest.raises(ConfigError, match=r"cells/train\.txt lists no picture"):
        scenes(data_folder, "cells")
    assert scenes(data_folder, "cells", "val") == []


def test_validation_pictures_that_are_trained_on_are_told(data_folder, caplog):
    with caplog.at_level(logging.WARNING):
        scenes(data_folder, "cells", "val")
        assert "a.png of val.txt are in train.txt too" in caplog.text
        caplog.clear()
        (data_folder / "cells" / "train.txt").write_text("b.png\n")
        scenes(data_folder, "cells", "val")
    assert not caplog.text


def test_microscopy_and_materials_are_of_another_realm_than_streets(data_folder):
    assert scenes(data_folder, "cells")[0].realm == "micro"
    assert scenes(data_folder, "streets")[0].realm == "outdoor"
    alter(data_folder, domain="Microscopy")
    with pytest.raises(ConfigError, match="unknown domain 'Microscopy'; there are microscopy, mat"):
        scenes(data_folder, "cells")


def test_tiles_are_read_concept_by_concept(data_folder):
    tiles = read_index(data_folder, DataConfig({}, {"stones": 1}))["stones"].tiles()
    assert {name: len(found) for name, found in tiles.items()} == {"moss": 1, "brick": 1}
    assert tiles["moss"][0].shape == (20, 24, 3)


def test_a_concept_without_tiles_is_refused(data_folder):
    (data_folder / "stones" / "moss" / "one.png").unlink()
    with pytest.raises(ConfigError, match="moss must be a folder with pictures"):
        read_index(data_folder, DataConfig({}, {"stones": 1}))["stones"].tiles()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "not in"),
        ("secret", "evaluate only, not for training"),
        ("stones", "holds 'tiles', where 'masks' are needed"),
    ],
)
def test_sets_that_are_not_for_training_are_refused(data_folder, name, said):
    with pytest.raises(ConfigError, match=said):
        scenes(data_folder, name)


@pytest.mark.parametrize("key", ["use", "kind", "domain", "concepts", "absent_mask_means_empty"])
def test_what_the_index_does_not_say_is_named(data_folder, key):
    alter(data_folder, **{key: None})
    with pytest.raises(ConfigError, match=f"'cells' in .*INDEX.json has no \"{key}\": "):
        scenes(data_folder, "cells")


def test_a_folder_without_index_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no data folder"):
        scenes(tmp_path, "cells")


def test_grey_is_windowed_between_percentiles_and_colour_is_left_alone():
    grey = np.repeat(np.arange(200, dtype=np.uint8).reshape(10, 20, 1), 3, 2)
    low, high = contrast_window(grey)
    assert 0 < low < 2 and 197 < high < 199
    colour = grey.copy()
    colour[0, 0] = (1, 2, 3)
    assert contrast_window(colour) == (0, 255)


def test_the_window_of_a_flat_picture_is_not_empty():
    low, high = contrast_window(np.full((4, 4, 3), 9, np.uint8))
    assert high > low
