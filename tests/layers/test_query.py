from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_clipseg.engine.pixels import Pixels
from napari_clipseg.errors import UnsupportedLayer
from napari_clipseg.layers.query import read_query


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def test_the_contrast_is_what_the_layer_shows(viewer):
    layer = viewer.add_image(np.arange(20.0).reshape(4, 5), contrast_limits=(3, 9))
    assert read_query(viewer, layer).contrast == (3.0, 9.0)
    assert read_query(viewer, layer, "auto").contrast == "auto"


def test_colour_images_are_taken_as_they_are(viewer):
    layer = viewer.add_image(np.zeros((4, 5, 3), np.uint8), rgb=True)
    query = read_query(viewer, layer)
    assert (query.data.shape, query.contrast) == ((4, 5, 3), "auto")


def test_of_a_pyramid_the_finest_level_is_taken(viewer):
    layer = viewer.add_image([np.ones((8, 12)), np.zeros((4, 6))], multiscale=True)
    assert read_query(viewer, layer).data.shape == (8, 12)


def test_a_dask_layer_is_not_computed_whole(viewer):
    computed = []

    def block(block_info=None):
        computed.append(block_info[None]["chunk-location"])
        return np.ones((1, 64, 64), np.float32)

    stack = da.map_blocks(block, chunks=((1,) * 4, (64,) * 4, (64,) * 4), dtype=np.float32)
    layer = viewer.add_image(stack, contrast_limits=(0, 2))
    viewer.dims.set_point(0, 2)
    computed.clear()
    query = read_query(viewer, layer)
    tile = Pixels(query.data, contrast=query.contrast).read((70, 70, 100, 120))
    assert tile.shape == (30, 50, 3)
    assert computed == [(2, 1, 1)]


def test_no_image_and_other_layers_are_refused(viewer):
    with pytest.raises(UnsupportedLayer, match="no image"):
        read_query(viewer, None)
    with pytest.raises(UnsupportedLayer, match="is no image layer"):
        read_query(viewer, viewer.add_points(name="points"))
