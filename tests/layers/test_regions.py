from __future__ import annotations

import numpy as np
import pytest

from napari_clipseg.errors import PromptError, UnknownName, UnsupportedLayer
from napari_clipseg.layers.query import QuerySettings, read_query
from napari_clipseg.layers.regions import ON_SCREEN, WHOLE, read_region, visible_region


def look_at(viewer, centre: tuple[float, float], size: tuple[float, float]) -> None:
    """Let the window show a part of the world, given by its centre and size."""
    viewer.canvas.size = (300, 200)
    viewer.scene.camera.center = (0, *centre)
    viewer.scene.camera.zoom = 300 / size[0]
    assert 200 / viewer.scene.camera.zoom == size[1]


def test_the_whole_plane_is_no_region(viewer):
    query = read_query(viewer, viewer.add_image(np.zeros((20, 30))))
    assert read_region(viewer, WHOLE, query) is None


def test_what_is_on_screen_is_a_box(viewer):
    query = read_query(viewer, viewer.add_image(np.zeros((100, 100))))
    look_at(viewer, (20, 50), (30, 20))
    region = read_region(viewer, ON_SCREEN, query)
    assert (region.box, region.mask) == ((5, 40, 36, 61), None)


def test_a_pixel_is_on_screen_if_a_part_of_it_is(viewer):
    query = read_query(viewer, viewer.add_image(np.zeros((100, 100))))
    look_at(viewer, (20.4, 50.6), (30, 20))
    assert visible_region(viewer, query).box == (5, 41, 36, 62)


def test_an_image_that_is_all_on_screen_is_no_region(viewer):
    query = read_query(viewer, viewer.add_image(np.zeros((20, 20))))
    look_at(viewer, (10, 10), (45, 30))
    assert visible_region(viewer, query) is None


def test_an_image_off_screen_is_refused(viewer):
    query = read_query(viewer, viewer.add_image(np.zeros((20, 20)), name="cells"))
    look_at(viewer, (100, 100), (45, 30))
    with pytest.raises(UnsupportedLayer, match="Nothing of 'cells' is on screen"):
        read_region(viewer, ON_SCREEN, query)


@pytest.mark.parametrize(("level", "box"), [(0, (5, 40, 36, 61)), (1, (2, 20, 18, 31))])
def test_what_is_on_screen_is_in_the_pixels_of_the_level(viewer, level, box):
    levels = [np.zeros((100, 100)), np.zeros((50, 50))]
    layer = viewer.add_image(levels, multiscale=True)
    look_at(viewer, (20, 50), (30, 20))
    query = read_query(viewer, layer, QuerySettings(level=level))
    assert visible_region(viewer, query).box == box


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0)])
def test_what_is_on_screen_follows_the_axes_on_the_screen(viewer, order):
    layer = viewer.add_image(np.zeros((100, 100, 100)), scale=(1, 2, 4))
    viewer.dims.order = order
    query = read_query(viewer, layer)
    look_at(viewer, (40, 80), (30, 20))
    down, across = (layer.scale[axis] for axis in query.plane.axes)
    expected = [
        round(np.floor(25 / down + 0.5)),
        round(np.floor(70 / across + 0.5)),
        round(np.ceil(55 / down + 0.5)),
        round(np.ceil(90 / across + 0.5)),
    ]
    assert list(visible_region(viewer, query).box) == expected


def test_what_is_on_screen_respects_units_and_turns(viewer):
    viewer.add_image(np.zeros((10, 10)), units=("um", "um"))
    layer = viewer.add_image(
        np.zeros((100, 100)), scale=(1000, 1000), rotate=90, units=("nm", "nm")
    )
    unit = viewer.layers.extent.units[0]
    per_um = (1 * layer.units[0] * 1000).to(unit).magnitude
    query = read_query(viewer, layer)
    corner = np.asarray(layer.data_to_world((60, 30))) / 1000
    look_at(viewer, tuple(corner * per_um), (30 * per_um, 20 * per_um))
    assert visible_region(viewer, query).box == (50, 15, 71, 46)


def test_labels_other_than_0_are_the_region_in_its_smallest_box(viewer):
    query = read_query(viewer, viewer.add_image(np.zeros((20, 30))))
    data = np.zeros((20, 30), int)
    data[4, 5], data[6, 8] = 3, 7
    region = read_region(viewer, viewer.add_labels(data), query)
    assert region.box == (4, 5, 7, 9)
    assert np.argwhere(region.mask).tolist() == [[0, 0], [2, 3]]


def test_shapes_are_the_region(viewer):
    query = read_query(viewer, viewer.add_image(np.zeros((20, 30))))
    square = [(2.5, 3.5), (2.5, 9.5), (7.5, 9.5), (7.5, 3.5)]
    region = read_region(viewer, viewer.add_shapes([square], shape_type="rectangle"), query)
    assert (region.box, region.mask) == ((3, 4, 8, 10), None)


def test_shapes_and_labels_over_everything_are_no_region(viewer):
    query = read_query(viewer, viewer.add_image(np.zeros((20, 30))))
    square = [(-9, -9), (-9, 90), (90, 90), (90, -9)]
    assert read_region(viewer, viewer.add_shapes([square]), query) is None
    assert read_region(viewer, viewer.add_labels(np.ones((20, 30), int)), query) is None


def test_an_empty_region_is_refused(viewer):
    query = read_query(viewer, viewer.add_image(np.zeros((20, 30))))
    shapes = viewer.add_shapes([[(1, 1), (9, 9)]], shape_type="line", name="strokes")
    with pytest.raises(PromptError, match="no rectangle, ellipse or polygon of 'strokes'"):
        read_region(viewer, shapes, query)
    labels = viewer.add_labels(np.ones((5, 5), int), translate=(50, 50), name="beside")
    with pytest.raises(PromptError, match="no label of 'beside'"):
        read_region(viewer, labels, query)


def test_another_word_and_a_layer_that_is_gone_are_refused(viewer):
    query = read_query(viewer, viewer.add_image(np.zeros((20, 30))))
    with pytest.raises(UnknownName, match="no region 'left half'"):
        read_region(viewer, "left half", query)
    labels = viewer.add_labels(np.ones((20, 30), int), name="gone")
    viewer.layers.remove(labels)
    with pytest.raises(UnsupportedLayer, match="'gone' is not in the viewer"):
        read_region(viewer, labels, query)
