from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_clipseg.errors import UnsupportedLayer
from napari_clipseg.layers import masks as module
from napari_clipseg.layers.geometry import Plane
from napari_clipseg.layers.masks import labels_mask, shapes_mask, world_point
from napari_clipseg.layers.query import QuerySettings, read_query

TURNED = {
    "scale": (2, 0.5),
    "rotate": 30,
    "shear": [0.3],
    "translate": (5, -7),
    "affine": [[1, 0.2, 3], [0, 1, 0], [0, 0, 1]],
}


def painted(labels: np.ndarray) -> np.ndarray:
    return labels != 0


def expected_mask(image: Image, shape: tuple[int, int], labels) -> np.ndarray:
    """Ask napari for the label under the centre of each pixel, one by one."""
    centres = [image.data_to_world(pixel) for pixel in np.ndindex(shape)]
    values = [labels.get_value(point, world=True) or 0 for point in centres]
    return np.array(values).reshape(shape) != 0


def test_labels_on_the_same_pixels_are_the_mask(viewer):
    image = viewer.add_image(np.zeros((60, 80)), **TURNED)
    data = np.random.default_rng(0).integers(0, 2, (60, 80))
    layer = viewer.add_labels(data, **TURNED)
    mask = labels_mask(viewer, layer, read_query(viewer, image), painted)
    np.testing.assert_array_equal(mask, data == 1)


@pytest.mark.parametrize("turn", [{}, TURNED, {"rotate": 90}], ids=["plain", "turned", "quarter"])
@pytest.mark.parametrize(
    "other",
    [{"scale": (1.7, 2.3), "translate": (-4.1, 3.2)}, {"rotate": -20, "translate": (-4.3, 3.1)}],
    ids=["larger", "turned"],
)
@pytest.mark.parametrize("band", [1 << 22, 100])
def test_labels_of_another_geometry_count_where_they_are_seen(
    viewer, monkeypatch, turn, other, band
):
    monkeypatch.setattr(module, "BAND_PX", band)
    image = viewer.add_image(np.zeros((20, 30)), **turn)
    layer = viewer.add_labels(np.random.default_rng(0).integers(0, 3, (25, 22)), **other)
    mask = labels_mask(viewer, layer, read_query(viewer, image), painted)
    expected = expected_mask(image, (20, 30), layer)
    assert 20 < expected.sum() < 600
    np.testing.assert_array_equal(mask, expected)


def test_labels_in_other_units_count_where_they_are_seen(viewer):
    image = viewer.add_image(np.zeros((6, 8)), units=("um", "um"))
    data = np.random.default_rng(0).integers(0, 2, (6, 8))
    layer = viewer.add_labels(data, scale=(1000, 1000), units=("nm", "nm"))
    mask = labels_mask(viewer, layer, read_query(viewer, image), painted)
    np.testing.assert_array_equal(mask, data == 1)


def test_labels_lie_under_a_coarse_level_as_under_the_fine_one(viewer):
    fine = np.kron(np.random.default_rng(0).integers(0, 2, (6, 8)), np.ones((4, 4), int))
    image = viewer.add_image([np.zeros((24, 32)), np.zeros((6, 8))], multiscale=True, rotate=20)
    layer = viewer.add_labels(fine, rotate=20)
    query = read_query(viewer, image, QuerySettings(level=1))
    mask = labels_mask(viewer, layer, query, painted)
    np.testing.assert_array_equal(mask, fine[::4, ::4] == 1)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 2, 1), (2, 1, 0)])
def test_the_plane_of_the_labels_is_the_one_on_the_image(viewer, order):
    rng = np.random.default_rng(0)
    image = viewer.add_image(np.zeros((4, 5, 6)), scale=(2, 1, 1))
    layer = viewer.add_labels(rng.integers(0, 2, (4, 5, 6)), scale=(2, 1, 1))
    viewer.dims.order = order
    viewer.dims.set_point(order[0], 2)
    query = read_query(viewer, image)
    mask = labels_mask(viewer, layer, query, painted)
    np.testing.assert_array_equal(mask, query.plane.of(layer.data) == 1)


def test_labels_with_finer_planes_count_as_they_are_shown(viewer):
    image = viewer.add_image(np.zeros((3, 2, 2)), scale=(3, 1, 1))
    data = np.zeros((9, 2, 2), int)
    data[4] = 1
    layer = viewer.add_labels(data)
    viewer.dims.set_point(0, 4)
    query = read_query(viewer, image)
    assert query.plane.index[0] == 1
    assert labels_mask(viewer, layer, query, painted).all()
    viewer.dims.set_point(0, 3)
    assert not labels_mask(viewer, layer, query, painted).any()


def test_labels_on_a_plane_that_is_not_shown_are_those_at_its_depth(viewer):
    image = viewer.add_image(np.zeros((3, 2, 2)), scale=(3, 1, 1))
    data = np.zeros((9, 2, 2), int)
    data[6] = 1
    layer = viewer.add_labels(data)
    viewer.dims.set_point(0, 0)
    query = read_query(viewer, image, plane=Plane((2, None, None), (1, 2)))
    assert world_point(viewer, query)[0] == 6
    assert labels_mask(viewer, layer, query, painted).all()


def test_flat_labels_lie_on_every_plane(viewer):
    image = viewer.add_image(np.zeros((3, 4, 5)))
    layer = viewer.add_labels(np.eye(4, 5, dtype=int))
    viewer.dims.set_point(0, 2)
    mask = labels_mask(viewer, layer, read_query(viewer, image), painted)
    np.testing.assert_array_equal(mask, np.eye(4, 5, dtype=bool))


def test_labels_that_do_not_reach_the_plane_cover_nothing(viewer):
    image = viewer.add_image(np.zeros((6, 4, 5)))
    layer = viewer.add_labels(np.ones((2, 4, 5), int))
    viewer.dims.set_point(0, 4)
    assert not labels_mask(viewer, layer, read_query(viewer, image), painted).any()


def test_lazy_labels_are_read_on_their_plane_and_under_the_image_only(viewer, lazily):
    image = viewer.add_image(np.zeros((3, 50, 50)), translate=(0, 70, 0))
    lazy, read = lazily(np.ones((3, 256, 256), np.uint8), (1, 64, 64))
    layer = viewer.add_labels(lazy)
    viewer.dims.set_point(0, 2)
    query = read_query(viewer, image)
    read.clear()
    assert labels_mask(viewer, layer, query, painted).all()
    assert read == [(2, 1, 0)]


def test_labels_without_area_on_the_screen_and_labels_that_are_gone_are_refused(viewer):
    image = viewer.add_image(np.zeros((3, 4, 5)))
    layer = viewer.add_labels(np.ones((4, 5), int), name="flat")
    viewer.dims.order = (1, 0, 2)
    query = read_query(viewer, image)
    with pytest.raises(UnsupportedLayer, match="'flat' has only 2 axes"):
        labels_mask(viewer, layer, query, painted)
    viewer.layers.remove(layer)
    with pytest.raises(UnsupportedLayer, match="'flat' is not in the viewer"):
        labels_mask(viewer, layer, query, painted)


def inside(kind: str, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centres lie in the test shapes below, from their equations."""
    y, x = np.indices(shape)
    return {
        "rectangle": (abs(y - 9.75) < 5) & (abs(x - 14.75) < 8),
        "ellipse": ((y - 9.75) / 5) ** 2 + ((x - 14.75) / 8) ** 2 < 1,
        "polygon": (y > 4.75) & (x > 6.75) & ((y - 4.75) / 10 + (x - 6.75) / 16 < 1),
    }[kind]


BOX = np.array([(4.75, 6.75), (4.75, 22.75), (14.75, 22.75), (14.75, 6.75)])
CORNERS = {"rectangle": BOX, "ellipse": BOX, "polygon": BOX[[0, 1, 3]]}


@pytest.mark.parametrize("kind", CORNERS)
@pytest.mark.parametrize("band", [1 << 22, 100])
def test_pixels_in_a_shape_are_those_whose_centre_it_holds(viewer, monkeypatch, kind, band):
    monkeypatch.setattr(module, "BAND_PX", band)
    image = viewer.add_image(np.zeros((20, 30)))
    layer = viewer.add_shapes([CORNERS[kind]], shape_type=kind)
    mask = shapes_mask(viewer, layer, read_query(viewer, image))
    np.testing.assert_array_equal(mask, inside(kind, (20, 30)))


@pytest.mark.parametrize("kind", CORNERS)
def test_shapes_of_another_geometry_count_where_they_are_seen(viewer, kind):
    image = viewer.add_image(np.zeros((20, 30)), **TURNED)
    there = [image.data_to_world(corner) for corner in CORNERS[kind]]
    elsewhere = {"scale": (3, 0.2), "translate": (4, 5), "rotate": -40}
    layer = viewer.add_shapes(ndim=2, **elsewhere)
    layer.add([[layer.world_to_data(corner) for corner in there]], shape_type=kind)
    mask = shapes_mask(viewer, layer, read_query(viewer, image))
    np.testing.assert_array_equal(mask, inside(kind, (20, 30)))


def test_shapes_in_other_units_count_where_they_are_seen(viewer):
    image = viewer.add_image(np.zeros((20, 30)), units=("um", "um"))
    layer = viewer.add_shapes([BOX * 1000], shape_type="rectangle", units=("nm", "nm"))
    mask = shapes_mask(viewer, layer, read_query(viewer, image))
    np.testing.assert_array_equal(mask, inside("rectangle", (20, 30)))


def test_shapes_that_reach_beyond_the_image_are_cut(viewer):
    image = viewer.add_image(np.zeros((20, 30)))
    layer = viewer.add_shapes([[(-50, 25), (-50, 90), (90, 90), (90, 25)]], shape_type="polygon")
    mask = shapes_mask(viewer, layer, read_query(viewer, image))
    np.testing.assert_array_equal(mask, np.indices((20, 30))[1] >= 25)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0)])
def test_only_shapes_on_the_plane_that_is_shown_count(viewer, order):
    image = viewer.add_image(np.zeros((20, 20, 20)))
    viewer.dims.order = order
    viewer.dims.set_point(order[0], 7)
    corners = np.zeros((2, 4, 3))
    corners[0, :, order[0]], corners[1, :, order[0]] = 7, 8
    square = np.array([(2.5, 2.5), (2.5, 5.5), (5.5, 5.5), (5.5, 2.5)])
    corners[0][:, order[1:]], corners[1][:, order[1:]] = square, square + 9
    layer = viewer.add_shapes(list(corners), shape_type="polygon")
    mask = shapes_mask(viewer, layer, read_query(viewer, image))
    assert np.argwhere(mask).tolist() == [[y, x] for y in (3, 4, 5) for x in (3, 4, 5)]


def test_flat_shapes_lie_on_every_plane_and_lines_hold_nothing(viewer):
    image = viewer.add_image(np.zeros((3, 20, 30)))
    layer = viewer.add_shapes([BOX], shape_type="rectangle")
    layer.add([BOX[[0, 2]]], shape_type="line")
    layer.add([BOX[[3, 1, 0]]], shape_type="path")
    viewer.dims.set_point(0, 2)
    query = read_query(viewer, image)
    np.testing.assert_array_equal(shapes_mask(viewer, layer, query), inside("rectangle", (20, 30)))
    layer.selected_data = {0}
    layer.remove_selected()
    assert not shapes_mask(viewer, layer, query).any()
