import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from napari_clipseg.errors import ImageError, SettingError, UnknownName
from napari_clipseg.evaluate.benchmark import Benchmark, BenchmarkOptions, spread
from napari_clipseg.evaluate.pages import table, write_report
from napari_clipseg.evaluate.report import Report
from napari_clipseg.train.readers.folder import read_folder

DISCS, BARS = 8 * (8 + 9 + 10), 4 * 28 * 2
"""Pixels of all discs, and of the bars that are annotated."""


@pytest.fixture
def taken(shapes, painted):
    def take(task="referring", **options):
        benchmark = Benchmark(
            read_folder(shapes, "val"), {"painted": painted}, BenchmarkOptions(task, **options)
        )
        for picture in benchmark.pictures:
            benchmark.take(picture)
        return benchmark

    return take


@pytest.fixture
def report(taken):
    def make(*args, **kwargs):
        return Report.of(taken(*args, **kwargs))

    return make


def row(report, concept):
    return next(each for each in report.rows if each.concept == concept)


def test_every_phrase_of_every_concept_shown_is_asked(report):
    found = report("referring")
    assert row(found, "disc").samples == 3 * 2
    assert row(found, "bar").samples == 2
    assert [each.concept for each in found.rows] == ["disc", "bar"]
    assert found.total.samples == 8


def test_iou_is_that_of_the_summed_counts(report):
    found = report("referring")
    assert row(found, "disc").iou == 2 * DISCS / (1 + 2 * DISCS)
    half = 4 * (28 + 14)
    assert row(found, "bar").iou == half / (1 + BARS)
    assert row(found, "bar").best.value == row(found, "bar").fixed[0.5] == half / (1 + BARS)


def test_a_threshold_is_the_bar_to_beat(report):
    found = report("referring")
    assert row(found, "disc").classical.channel == "red"
    assert row(found, "disc").classical.polarity == "bright"
    assert row(found, "disc").classical.iou == pytest.approx(DISCS / (1 + DISCS))
    assert found.beaten() == (1, 2)


def test_words_for_nothing_in_the_data_set_are_asked_of_every_picture(report):
    area = 4 * 14 / (24 * 40)
    found = report("referring", absent=("bars", "ghost"))
    assert found.absent_area == pytest.approx(area / (4 + 3))


def test_concepts_known_to_be_absent_are_asked_as_absent_words(report):
    area = 4 * 14 / (24 * 40)
    asked = 3 + 1
    assert report("referring", absent=()).absent_area == pytest.approx(area / asked)


def test_in_competition_a_pixel_goes_to_one_concept(taken):
    benchmark = taken("zero-shot")
    found = Report.of(benchmark)
    assert not benchmark.graded
    assert np.isnan(found.total.average_precision)
    assert row(found, "disc").samples == 3
    assert row(found, "bar").samples == 3
    counts = benchmark.found["painted"].tallies["bar"].counts
    assert np.ptp(counts.tp) == 0


def test_one_shot_asks_by_an_example_of_another_picture(taken, painted, monkeypatch):
    prompts = []
    answer = painted.probability

    def remember(image, asked, **reading):
        prompts.extend(each for each in asked if not isinstance(each, str))
        return answer(image, asked, **reading)

    painted.probability = remember
    found = Report.of(taken("one-shot"))
    assert row(found, "disc").samples == 3
    assert row(found, "bar").samples == 2
    own = [f"disc in {name}.png" for name in "abc"]
    assert all(each.name in own or each.name.startswith("bar in ") for each in prompts)
    first = next(each for each in prompts if each.name.startswith("disc"))
    assert first.name != "disc in a.png"


def test_the_same_run_gives_the_same_report(report):
    assert report("one-shot").to_json() == report("one-shot").to_json()


def test_other_models_are_columns(shapes, painted):
    benchmark = Benchmark(
        read_folder(shapes, "val"), {"one": painted, "two": painted}, BenchmarkOptions()
    )
    benchmark.take(benchmark.pictures[0])
    found = Report.of(benchmark)
    assert row(found, "disc").others["two"] == row(found, "disc").best
    assert table(found).splitlines()[0].endswith("| two |")


def test_folds_have_the_mean_of_their_concepts(shapes, painted):
    data = read_folder(shapes, "val")
    folds = (("disc", "bar"), ("bar",), ("cloud",))
    benchmark = Benchmark(
        dataclasses.replace(data, folds=folds), {"painted": painted}, BenchmarkOptions()
    )
    for picture in benchmark.pictures:
        benchmark.take(picture)
    found = Report.of(benchmark)
    first, second, third = found.folds
    assert second == row(found, "bar").best.value
    assert first == pytest.approx((row(found, "disc").best.value + second) / 2)
    assert np.isnan(third)
    assert "of fold 1: " in table(found)
    assert "of fold 2: " not in table(found)


def test_masks_that_are_no_pictures_are_named(shapes, taken):
    (shapes / "masks" / "disc" / "a.png").write_text("no picture")
    with pytest.raises(ImageError, match=r"masks of .*a\.png"):
        taken("referring")


def test_a_limit_spreads_over_the_list():
    assert spread(tuple(range(10)), 3) == (0, 3, 6)
    assert spread((1, 2), 5) == (1, 2)
    assert spread((1, 2), None) == (1, 2)


def test_files_hold_the_table_and_more(taken, tmp_path):
    benchmark = taken("referring")
    found = Report.of(benchmark)
    write_report(found, benchmark.gallery.sheet(), tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["curves.png", "pictures.png", "report.html", "results.csv", "results.json"]
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    assert content["rows"][0]["concept"] == "disc"
    assert len(content["curves"]["IoU_FG"]) == 49
    assert (tmp_path / "out" / "results.csv").read_text().count("\n") == 4
    assert "discs" not in table(found)
    assert "| disc | 6 |" in table(found)
    assert "<td>disc</td>" in (tmp_path / "out" / "report.html").read_text()


def test_results_without_number_are_null_in_json(report):
    text = report("zero-shot").to_json()
    assert "NaN" not in text
    assert json.loads(text)["total"]["average_precision"] is None


def test_best_and_worst_answers_are_kept(taken):
    sheet = taken("referring").gallery.sheet()
    assert sheet.ndim == 3
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 10


def test_masks_of_another_size_are_refused(shapes, taken):
    Image.fromarray(np.ones((5, 5), bool)).save(shapes / "masks" / "disc" / "a.png")
    with pytest.raises(ImageError, match=r"\(5, 5\)"):
        taken("referring")


def test_an_unknown_task_and_an_empty_list_are_refused(shapes, painted, taken):
    with pytest.raises(UnknownName, match="zero-shot"):
        taken("guessing")
    (shapes / "val.txt").write_text("")
    with pytest.raises(SettingError, match="no picture"):
        taken("referring")
