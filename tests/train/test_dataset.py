import numpy as np
import pytest

from napari_clipseg.train.config import ConfigError, DataConfig
from napari_clipseg.train.dataset import UNLABELLED, contrast_window, read_index


def scenes(data, name, split="train", **config):
    return read_index(data, DataConfig(weights={name: 1}, **config))[name].scenes(split)


def concepts(scene):
    return {concept.name: concept for concept in scene.concepts}


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
    assert set(concepts(scenes(data_folder, "cells")[1])) == {"nucleus", "spot"}
    assert set(concepts(scenes(data_folder, "streets")[0])) == {"sky"}
    assert not concepts(scenes(data_folder, "streets")[1])


def test_unlabelled_pixels_are_marked(data_folder):
    first = scenes(data_folder, "streets", unlabelled=("streets",))[0]
    assert (first.bits[:, 20:] == UNLABELLED).all()
    assert not (first.bits[:, :20] & UNLABELLED).any()


def test_the_rest_of_a_picture_can_have_a_name(data_folder):
    first = scenes(data_folder, "cells", background={"cells": ["background"]})[0]
    assert (first.mask(concepts(first)["background"]) == ~first.mask(first.concepts[0])).all()


def test_phrases_can_be_added_skipped_and_denied(data_folder):
    first = scenes(
        data_folder,
        "cells",
        also={"cells": {"nucleus": ["blobs"]}},
        skip={"cells": ["spot"]},
        lacks={"cells": {"crack": ["cracks"]}},
    )[0]
    assert concepts(first)["nucleus"].phrases[-1] == "blobs"
    assert "spot" not in concepts(first)
    assert concepts(first)["crack"].bits == 0


def test_tiles_are_read_concept_by_concept(data_folder):
    tiles = read_index(data_folder, DataConfig({}, {"stones": 1}))["stones"].tiles()
    assert {name: len(found) for name, found in tiles.items()} == {"moss": 1, "brick": 1}
    assert tiles["moss"][0].shape == (20, 24, 3)


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere", "not in"), ("secret", "evaluate only, not for training")]
)
def test_sets_that_are_not_for_training_are_refused(data_folder, name, said):
    with pytest.raises(ConfigError, match=said):
        scenes(data_folder, name)


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
