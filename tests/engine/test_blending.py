import numpy as np
import pytest

from napari_clipseg.engine.blending import BLENDINGS, PIECE_ROWS, RowAccumulator, TileWeights
from napari_clipseg.engine.tiling import plan_tiles
from napari_clipseg.errors import UnknownName


@pytest.mark.parametrize("window", BLENDINGS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (100, 77)])
@pytest.mark.parametrize("zooms", [[1.0], [1.0, 0.4, 2.0]])
def test_weights_sum_to_one_at_every_pixel(window, shape, zooms):
    plan = plan_tiles(shape, 32, 8, zooms)
    weights, total = TileWeights(plan, window), np.zeros(shape)
    for tile in plan.tiles:
        y0, x0, y1, x1 = tile.box
        total[y0:y1, x0:x1] += weights.of(tile)
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize("window", BLENDINGS)
def test_windows_are_positive_and_symmetric(window):
    for side in (1, 2, 31, 352):
        weights = BLENDINGS[window](side)
        assert weights.shape == (side,)
        assert (weights > 0).all()
        np.testing.assert_allclose(weights, weights[::-1])


@pytest.mark.parametrize("window", ["hann", "linear"])
def test_a_tile_fades_out_where_its_neighbour_takes_over(window):
    plan = plan_tiles((32, 56), 32, 8)
    first = TileWeights(plan, window).of(plan.tiles[0])[0]
    assert first[23] == pytest.approx(1)
    assert first[31] < 0.1
    assert (np.diff(first[24:]) < 0).all()


def test_an_unknown_window_names_those_there_are():
    with pytest.raises(UnknownName, match="hann"):
        TileWeights(plan_tiles((8, 8), 32, 8), "gauss")


def test_accumulator_hands_out_each_row_once_and_holds_no_more_than_it_needs():
    sums = RowAccumulator(2, 10)
    sums.add((0, 0, 4, 6), np.ones((2, 4, 6), np.float32))
    sums.add((0, 4, 4, 10), np.ones((2, 4, 6), np.float32))
    [(first, rows)] = sums.finish(3)
    assert (first, rows.shape) == (0, (2, 3, 10))
    assert rows[0, 0].tolist() == [1] * 4 + [2] * 2 + [1] * 4
    sums.add((3, 0, 6, 10), np.full((2, 3, 10), 5, np.float32))
    [(first, rows)] = sums.finish(6)
    assert (first, rows.shape) == (3, (2, 3, 10))
    assert rows[1, :, 4].tolist() == [7, 5, 5]
    assert not list(sums.finish(6))


def test_accumulator_hands_out_zeros_in_pieces_where_there_is_no_tile():
    sums = RowAccumulator(1, 3)
    sums.add((0, 0, 2, 3), np.ones((1, 2, 3), np.float32))
    end = 0
    for first, rows in sums.finish(2000):
        assert first == end
        assert rows.sum() == (6 if first == 0 else 0)
        assert rows.shape[1] <= PIECE_ROWS
        end = first + rows.shape[1]
    assert end == 2000
