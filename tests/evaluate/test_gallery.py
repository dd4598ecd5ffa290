import numpy as np
import pytest

from napari_clipseg.evaluate import gallery
from napari_clipseg.evaluate.drawing import Line, Plot, draw
from napari_clipseg.evaluate.gallery import CAPTION, GAP, KEPT, SIDE, Gallery, Judged, Shown

MASK = np.zeros((20, 30), bool)
MASK[5:10, 5:10] = True
IMAGE = np.full((20, 30), 7, np.uint8)


@pytest.fixture
def captions(monkeypatch):
    """Return what a gallery's sheet says, from left to right and top to bottom."""

    def read(kept: Gallery) -> list[str]:
        said = []
        monkeypatch.setattr(gallery.Canvas, "text", lambda _, __, text: said.append(text))
        kept.sheet()
        return [text for text in said if "|" in text]

    return read


def offer(kept: Gallery, name: str, iou: float, prompt: str = "things") -> None:
    kept.offer(Shown(name, IMAGE, "auto"), Judged("thing", prompt, MASK, MASK, iou))


def test_the_best_and_the_worst_are_kept_in_order(captions):
    kept = Gallery()
    for index in np.random.default_rng(0).permutation(20):
        offer(kept, f"{index}.png", index / 20)
    names = [caption.split(" | ")[1] for caption in captions(kept)]
    assert names[:KEPT] == [f"{index}.png" for index in range(19, 19 - KEPT, -1)]
    assert names[KEPT:] == [f"{index}.png" for index in range(KEPT)]


def test_one_concept_of_one_picture_is_shown_once(captions):
    kept = Gallery()
    for prompt, iou in [("a", 0.5), ("b", 0.9), ("c", 0.1)]:
        offer(kept, "x.png", iou, prompt)
    assert captions(kept) == ["b | x.png | IoU 0.90", "c | x.png | IoU 0.10"]


@pytest.mark.parametrize(("answers", "left"), [(1, 1), (4, 2), (7, 4), (8, 4), (11, 6), (12, 6)])
def test_of_few_answers_none_is_shown_twice(captions, answers, left):
    kept = Gallery()
    for index in range(answers):
        offer(kept, f"{index}.png", index / 20)
    names = [int(caption.split(" | ")[1].removesuffix(".png")) for caption in captions(kept)]
    assert names[:left] == list(range(answers - 1, answers - 1 - left, -1))
    assert names[left:] == list(range(answers - left))


def test_a_sheet_is_as_high_as_its_answers():
    heights = []
    for answers in (2, 4, 2 * KEPT, 3 * KEPT):
        kept = Gallery()
        for index in range(answers):
            offer(kept, f"{index}.png", index / 20)
        heights.append(len(kept.sheet()))
    row = SIDE + CAPTION + GAP
    assert np.diff(heights).tolist() == [row, (KEPT - 2) * row, 0]


def test_an_empty_gallery_is_a_sheet_too():
    assert Gallery().sheet().dtype == np.uint8


def test_curves_are_drawn_where_their_values_are():
    line = Line("half", np.array([0.0, 1.0]), np.array([0.5, 0.5]))
    rgb = draw([Plot("title", "threshold", [line])], side=100)
    blue = (rgb == [0x1F, 0x5F, 0xA8]).all(2)
    rows = np.flatnonzero(blue.sum(1) > 90)
    assert len(rows) in (2, 3)
    columns = np.flatnonzero(blue[rows[0]])
    assert columns[-1] - columns[0] in (99, 100, 101)
