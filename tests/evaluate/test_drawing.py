import numpy as np
import pytest

from napari_clipseg.evaluate import drawing
from napari_clipseg.evaluate.drawing import TICKS, Line, Plot, draw, ticks

BLUE = [0x1F, 0x5F, 0xA8]


@pytest.fixture
def said(monkeypatch):
    """Return the texts of a plot's picture."""

    def read(plot: Plot) -> list[str]:
        texts = []
        monkeypatch.setattr(
            drawing.Canvas, "text", lambda _, __, text, *more, **named: texts.append(text)
        )
        draw([plot])
        return texts

    return read


@pytest.mark.parametrize("end", [7e-4, 0.05, 0.37, 0.9999, 1.0, 3.0, 20.0, 60.0, 10_500.0])
def test_marks_are_round_numbers_within_the_axis(end):
    marks = ticks(end)
    distances = np.diff(marks)
    assert marks[0] == 0 and marks[-1] <= end * (1 + 1e-9)
    assert 3 <= len(distances) <= TICKS
    assert np.allclose(distances, distances[0])
    digit = float(f"{distances[0]:e}".split("e")[0])
    assert digit == pytest.approx(round(digit)) and round(digit) in (1, 2, 5)


def test_numbers_along_the_axes_differ_and_say_what_they_mean(said):
    line = Line("mask", np.array([1.0, 20.0]), np.array([0.3, 0.1]))
    numbers = said(Plot("losses", "step", [line], 20.0, 0.37))
    assert {"0", "5", "10", "15", "20", "0.1", "0.2", "0.3"} <= set(numbers)
    assert not {"5.0", "0.0"} & set(numbers)


@pytest.mark.parametrize("end", [1.0, 2.0, 3.0, 5.0])
def test_what_is_counted_is_marked_by_whole_numbers(end):
    assert ticks(end, 1) == [float(number) for number in range(int(end) + 1)]


def test_points_that_are_not_finite_are_left_out():
    y = np.array([0.5, np.nan, np.inf, 0.5])
    blue = (draw([Plot("t", "x", [Line("l", np.linspace(0, 1, 4), y)])], side=100) == BLUE).all(2)
    rows = np.flatnonzero(blue.sum(1) > 90)
    assert len(rows) in (2, 3)


def test_a_curve_of_one_point_is_a_dot():
    one = Line("", np.array([0.5]), np.array([0.5]))
    blue = (draw([Plot("t", "x", [one])], side=100) == BLUE).all(2)
    rows, columns = np.nonzero(blue)
    assert rows.max() - rows.min() == columns.max() - columns.min() == 6
