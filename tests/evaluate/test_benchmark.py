import csv
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import napari_clipseg
from napari_clipseg.errors import ImageError, SettingError, UnknownName
from napari_clipseg.evaluate.benchmark import Benchmark, BenchmarkOptions
from napari_clipseg.evaluate.pages import table, write_report
from napari_clipseg.evaluate.report import Origin, Report
from napari_clipseg.train.readers.annotated import Truth
from napari_clipseg.train.readers.folder import read_folder

DISCS, BARS = 8 * (8 + 9 + 10), 4 * 28 * 2
"""Pixels of all discs, and of the bars that are annotated."""


def run(data, model, options):
    benchmark = Benchmark(data, {"painted": model}, options)
    for picture in benchmark.pictures:
        benchmark.take(picture)
    return benchmark


def paint_as_annotated(folder):
    """Make the pictures show what the masks say, so that the painted model is right everywhere."""
    for file in (folder / "images").iterdir():
        image = np.full_like(np.asarray(Image.open(file)), 10)
        for channel, concept in enumerate(["disc", "bar"]):
            mask = folder / "masks" / concept / file.name
            if mask.exists():
                image[np.asarray(Image.open(mask)), channel] = 230
        Image.fromarray(image).save(file)


@pytest.fixture
def taken(shapes, painted):
    def take(task="referring", **options):
        return run(read_folder(shapes, "val"), painted, BenchmarkOptions(task, **options))

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
    assert found.absent_areas["painted"] == pytest.approx(area / (4 + 3))


def test_concepts_known_to_be_absent_are_asked_as_absent_words(report):
    area = 4 * 14 / (24 * 40)
    asked = 3 + 1
    assert report("referring", absent=()).absent_areas["painted"] == pytest.approx(area / asked)


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
    disc = row(found, "disc")
    assert disc.others["two"] == dataclasses.replace(disc, classical=None, others={})
    assert table(found).splitlines()[0].endswith("| two at 0.3 (best) |")
    assert f"| {disc.iou:.3f} ({disc.best.value:.3f}) |" in table(found)
    assert "area above 0.3 for words of absent things, two: 0.0%" in table(found)
    settings = {"weights": "0" * 64, "threshold": 0.3, "settings": {"tile": 8}}
    assert found.run["models"] == {"one": settings, "two": settings}


def test_what_is_absent_is_found_above_the_models_own_threshold(report, painted):
    painted.probability = lambda image, prompts, **_: np.full(
        (len(prompts), *image.shape[:2]), 0.4, np.float32
    )
    found = report("referring", absent=("ghost",))
    assert found.absent_areas["painted"] == 1
    assert "area above 0.3 for words of absent things: 100.0%" in table(found)


def test_a_right_answer_to_an_absent_concept_costs_no_mean_in_competition(
    shapes, report, painted, monkeypatch
):
    paint_as_annotated(shapes)
    answer = painted.probability

    def with_background(image, prompts, **reading):
        found = answer(image, prompts, **reading)
        found[[each == "background" for each in prompts]] = 0.1
        return found

    monkeypatch.setattr(painted, "probability", with_background)
    found = report("zero-shot")
    assert set(found.means) == {"class"}
    assert "mIoU over sample" not in found.curves
    assert found.means["class"].value > 0.98
    cloud = row(found, "cloud")
    assert np.isnan([cloud.iou, cloud.best.value, cloud.binary.value]).all()
    assert cloud.classical is None
    assert found.beaten()[1] == 2
    assert "| cloud | 3 | - | - |" in table(found)


def test_thresholds_that_mean_nothing_are_left_out(taken, tmp_path):
    benchmark = taken("zero-shot")
    found = Report.of(benchmark)
    assert np.isnan(found.total.best.threshold)
    write_report(found, benchmark.gallery.sheet(), tmp_path / "out")
    with (tmp_path / "out" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {each["best_threshold"] for each in rows} == {""}
    assert {each["ap"] for each in rows} == {each["full_ap"] for each in rows} == {""}


def test_a_picture_without_a_pixel_that_counts_is_left_out(shapes, painted):
    data = read_folder(shapes, "val")
    void = Truth({}, np.zeros((24, 40), bool), frozenset(data.concepts))
    first, *rest = data.pictures
    mixed = dataclasses.replace(
        data, pictures=(dataclasses.replace(first, read=lambda: void), *rest)
    )
    kept = dataclasses.replace(data, pictures=tuple(rest))
    options = BenchmarkOptions("zero-shot")
    found, expected = (Report.of(run(each, painted, options)) for each in (mixed, kept))
    values, wanted = json.loads(found.to_json()), json.loads(expected.to_json())
    assert values["rows"] == wanted["rows"]
    assert values["absent_areas"] == wanted["absent_areas"]
    assert values["absent_areas"]["painted"] is not None
    assert values["run"]["void_pictures"] == 1
    assert "left out because no pixel counts: 1" in table(found)


@pytest.mark.parametrize("task", ["referring", "zero-shot", "one-shot"])
def test_a_benchmark_that_measured_nothing_is_an_error(shapes, taken, task):
    for mask in shapes.glob("masks/*/*.png"):
        mask.unlink()
    with pytest.raises(SettingError, match="nothing was measured: of 3 pictures of shapes"):
        Report.of(taken(task))


def test_one_picture_alone_is_no_one_shot_benchmark(shapes, taken):
    (shapes / "val.txt").write_text("a.png\n")
    with pytest.raises(SettingError, match="whether two pictures show the same concept"):
        Report.of(taken("one-shot"))


def test_pictures_that_are_not_there_are_named_before_any_is_asked(shapes, painted):
    data = read_folder(shapes, "val")
    (shapes / "images" / "b.png").unlink()
    (shapes / "images" / "c.png").unlink()
    with pytest.raises(ImageError, match=r"2 of 3 listed pictures .* first is .*b\.png: put"):
        Benchmark(data, {"painted": painted}, BenchmarkOptions())


def test_a_report_holds_all_settings(taken):
    benchmark = taken("referring", limit=2, absent=("ghost", "bars"), contrast=(0, 200))
    origin = Origin("some/shapes", "folder", "val", 1)
    found = json.loads(Report.of(benchmark, origin).to_json())["run"]
    assert found["version"] == napari_clipseg.__version__
    assert (found["folder"], found["format"]) == ("some/shapes", "folder")
    assert (found["split"], found["fold"], found["limit"]) == ("val", 1, 2)
    assert found["absent_words"] == ["ghost"]
    assert found["contrast"] == [0, 200]
    assert "painted on shapes, split val, task referring" in table(Report.of(benchmark, origin))


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
    with pytest.raises(ImageError, match=r"disc/a\.png"):
        taken("referring")


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
    with pytest.raises(ImageError, match=r"5 x 5|\(5, 5\)"):
        taken("referring")


def test_an_unknown_task_and_an_empty_list_are_refused(shapes, painted, taken):
    with pytest.raises(UnknownName, match="zero-shot"):
        taken("guessing")
    (shapes / "val.txt").write_text("")
    with pytest.raises(SettingError, match="no picture"):
        taken("referring")
