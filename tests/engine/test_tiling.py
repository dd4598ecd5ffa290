import numpy as np
import pytest

from napari_clipseg.engine.tiling import plan_tiles
from napari_clipseg.errors import SettingError

SHAPES = [(1, 1), (5, 400), (32, 32), (33, 31), (100, 77), (257, 64)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("overlap", [0, 8, 31])
@pytest.mark.parametrize("zoom", [0.5, 1.0, 1.7])
def test_tiles_cover_every_pixel_and_stay_inside(shape, overlap, zoom):
    plan = plan_tiles(shape, 32, overlap, [zoom])
    covered = np.zeros(shape, int)
    for tile in plan.tiles:
        y0, x0, y1, x1 = tile.box
        assert 0 <= y0 < y1 <= shape[0]
        assert 0 <= x0 < x1 <= shape[1]
        covered[y0:y1, x0:x1] += 1
    assert covered.min() >= 1


@pytest.mark.parametrize("length", [33, 57, 100, 1001])
@pytest.mark.parametrize("overlap", [0, 5, 16])
def test_neighbours_share_at_least_the_overlap(length, overlap):
    (grid,) = plan_tiles((length, 32), 32, overlap).grids
    steps = np.diff(grid.tops)
    assert (steps <= 32 - overlap).all()
    assert (steps > 0).all()
    assert grid.tops[-1] + 32 == length


def test_tiles_come_from_top_to_bottom_for_all_zooms_together():
    plan = plan_tiles((200, 100), 32, 8, [1.0, 0.5])
    tops = [tile.box[0] for tile in plan.tiles]
    assert tops == sorted(tops)
    assert {tile.side for tile in plan.tiles} == {32, 64}


def test_an_image_of_the_size_of_a_tile_is_one_tile():
    assert len(plan_tiles((32, 32), 32, 8).tiles) == 1


@pytest.mark.parametrize("overlap", [-1, 32, 40])
def test_an_overlap_that_is_no_part_of_the_tile_is_refused(overlap):
    with pytest.raises(SettingError, match="overlap"):
        plan_tiles((64, 64), 32, overlap)


@pytest.mark.parametrize("zooms", [[], [0.0], [-1.0], [float("nan")], [1.0, 1e9]])
def test_an_impossible_zoom_is_refused(zooms):
    with pytest.raises(SettingError, match="zoom"):
        plan_tiles((64, 64), 32, 8, zooms)
