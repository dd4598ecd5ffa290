"""The panel as a person uses it, in a real viewer, with a fake engine."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import QPoint, QSignalBlocker, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QMenu,
    QScrollArea,
    QScrollBar,
    QWidget,
)
from superqt.utils import WorkerBase

from napari_clipseg.engine.knowledge import Knowledge
from napari_clipseg.errors import EngineError, WeightsNotFound
from napari_clipseg.widget.controls import REST_MS, Section, Slider
from napari_clipseg.widget.image_section import ImageSection
from napari_clipseg.widget.model_section import ModelSection
from napari_clipseg.widget.prompt_detail import PromptDetail
from napari_clipseg.widget.results_section import ResultsSection

pytestmark = pytest.mark.display


def test_type_enter_run_gives_layers_on_the_image_and_says_what_was_found(person, engine, cells):
    image = person.viewer.add_image(cells, scale=(0.5, 0.25), units=("um", "um"), name="cells")
    person.add("bright")
    assert person.panel.status.text() == "Run encodes 'cells', then finds bright."
    assert engine.runs == []
    person.run()
    labels = person.layer("(labels)")
    np.testing.assert_array_equal(labels.data > 0, cells > 128)
    np.testing.assert_allclose(
        labels.data_to_world((19.5, 23.5)), image.data_to_world((19.5, 23.5))
    )
    assert "bright: 2 objects" in person.panel.status.text()
    assert "ncoded, 4 tiles" in person.panel.encoded.text()
    assert "bright: found on" in person.panel.detail.sentence.text()
    assert person.told == []


def test_a_text_that_the_model_has_not_learned_is_told_after_the_run(person, engine, cells):
    engine.knowledge = {
        "bright": Knowledge("bright", "light", 0.9, True),
        "giraffe": Knowledge("giraffe", "zebra", 0.4, False),
    }
    person.viewer.add_image(cells)
    person.run("bright; giraffe")
    known, unknown = person.panel.prompts.entries
    assert "learned" not in known.sentence
    assert "has not learned 'giraffe' (nearest: 'zebra')" in unknown.sentence
    assert (known.state, unknown.state) == ("✓", "?")


def test_once_encoded_a_row_added_by_enter_is_found_at_once(person, engine, cells):
    person.viewer.add_image(cells)
    person.run("bright")
    person.add("dark")
    person.sees("dark: 1 object")
    person.is_free()
    assert engine.decoded == [["bright"], ["dark"]]
    assert len(engine.prepared) == 1
    labels = person.layer("dark (labels)")
    assert set(np.unique(labels.data)) == {1, 2, 3}


def test_what_asks_for_another_result_runs_again_by_itself(person, engine, cells):
    person.viewer.add_image(cells)
    person.add("bright; dark")
    person.run()
    person.go_to(1)
    person.press(person.panel.detail.negative)
    person.qtbot.waitUntil(lambda: "dark" not in person.panel.status.text(), timeout=5000)
    person.is_free()
    assert engine.decoded == [["bright", "dark"]]
    person.panel.model_fold.unfold(True)
    person.choose(person.panel.template, "a photo of a {}")
    person.qtbot.waitUntil(lambda: len(engine.decoded) == 2, timeout=5000)
    person.is_free()
    person.panel.table.setFocus()
    QTest.keyClick(person.panel.table, Qt.Key.Key_Delete)
    person.qtbot.waitUntil(lambda: any(n.endswith(": bright (labels)") for n in person.names))
    person.is_free()
    assert engine.decoded == [["bright", "dark"]] * 2
    assert len(engine.prepared) == 1


def test_what_was_asked_during_a_run_is_done_after_it(person, engine, cells):
    person.viewer.add_image(cells)
    person.run("bright")
    engine.gate.clear()
    person.add("dark")
    person.qtbot.waitUntil(lambda: len(engine.decoded) == 2, timeout=5000)
    person.add("third; fourth")
    engine.gate.set()
    person.sees("fourth:")
    person.is_free()
    assert engine.decoded[1:] == [["dark"], ["third", "fourth"]]


def test_dragging_a_threshold_changes_colours_only_and_letting_go_makes_labels(
    person, engine, cells, qtbot
):
    person.viewer.add_image(cells, contrast_limits=(0, 255))
    person.run("bright")
    computed, labels = engine.computed, person.layer("(labels)")
    bar = person.panel.detail.threshold.bar
    person.drag(bar, 10, 20, 60)
    assert not labels.visible
    assert person.layer("(probability)").colormap.controls[1] == pytest.approx(
        person.panel.detail.threshold.value()
    )
    qtbot.wait(REST_MS + 100)
    assert not labels.visible
    person.let_go(bar)
    qtbot.waitUntil(lambda: labels.visible, timeout=5000)
    assert person.panel.detail.threshold.value() > 0.79
    np.testing.assert_array_equal(labels.data > 0, cells == 255)
    assert engine.computed == computed


def test_letting_the_mix_go_runs_again(person, engine, cells):
    person.viewer.add_image(cells)
    person.add("bright")
    person.press(person.panel.detail.paint)
    person.panel.detail.example.value().paint((7, 9), 1)
    person.run()
    runs = len(engine.runs)
    bar = person.panel.detail.text_share.bar
    person.drag(bar, -20, -40)
    assert len(engine.runs) == runs
    person.let_go(bar)
    person.qtbot.waitUntil(lambda: len(engine.decoded) == 2, timeout=5000)
    person.is_free()
    (mix,) = engine.prompts
    assert mix.weight == pytest.approx(person.panel.detail.text_share.value())
    assert mix.weight < 0.5


def test_an_example_is_painted_seen_and_fitted(person, engine, cells, qtbot):
    image = person.viewer.add_image(cells, scale=(2, 2), contrast_limits=(0, 255))
    person.add("bright")
    person.press(person.panel.detail.paint)
    example = person.panel.detail.example.value()
    assert person.viewer.layers.selection.active == example
    assert (example.mode, example.n_edit_dimensions) == ("paint", 2)
    qtbot.waitUntil(lambda: "paint over" in person.panel.detail.sentence.text(), timeout=5000)
    person.press(person.panel.detail.suggest)
    assert "press Run first" in person.panel.status.text()
    example.brush_size = 4
    example.paint((7, 9), 1)
    qtbot.waitUntil(person.panel.detail.picture.isVisible, timeout=5000)
    assert person.panel.detail.picture.pixmap().width() == 96
    person.run()
    (mask,) = [each.mask.mask for each in engine.prompts]
    np.testing.assert_array_equal(mask, example.data == 1)
    assert mask.shape == image.data.shape
    person.press(person.panel.detail.suggest)
    person.sees("object")
    assert 0.05 <= person.panel.detail.threshold.value() < 200 / 255
    assert person.panel.prompts.entries[0].chosen


def test_painting_on_an_encoded_image_waits_for_the_brush(person, engine, cells, qtbot):
    person.viewer.add_image(cells)
    person.run("bright")
    person.press(person.panel.detail.paint)
    assert "paint over one example" in person.panel.status.text()
    assert engine.decoded == [["bright"]]
    assert person.told == []
    person.panel.detail.example.value().paint((7, 9), 1)
    person.run("dark")
    assert engine.decoded == [["bright"], ["bright + example", "dark"]]
    assert person.told == []


def test_once_an_example_is_painted_nobody_says_that_it_is_missing(person, engine, cells):
    person.viewer.add_image(cells, name="cells")
    person.add("bright")
    person.press(person.panel.detail.paint)
    person.press(person.panel.run)
    person.sees("Nothing is painted with label 1")
    person.panel.detail.example.value().paint((7, 9), 1)
    person.sees("Run encodes 'cells', then finds bright + example.")
    person.run()
    person.add("dark")
    person.sees("dark: 1 object")
    person.is_free()
    person.press(person.panel.detail.paint)
    person.sees("Nothing is painted with label 1")
    person.panel.detail.example.value().paint((7, 9), 1)
    person.sees("All is encoded: Run finds bright + example, dark + example at once.")


def test_painting_on_leaves_what_a_run_has_found_in_the_status_line(person, engine, cells, qtbot):
    pictures = []
    person.viewer.add_image(cells)
    person.add("bright")
    person.press(person.panel.detail.paint)
    person.panel.detail.example.value().paint((7, 9), 1)
    person.run()
    found = person.panel.status.text()
    person.panel._thumbnails.made.connect(pictures.append)
    person.panel.detail.example.value().paint((22, 30), 1)
    qtbot.waitUntil(lambda: bool(pictures), timeout=5000)
    assert person.panel.status.text() == found


def test_what_was_said_of_an_image_goes_when_another_is_chosen(person, engine, cells, qtbot):
    panel = person.panel
    person.viewer.add_image(cells, name="first")
    person.run("bright")
    (entry,) = panel.prompts.entries
    assert entry.state == "✓"
    assert "ncoded, 4 tiles" in panel.encoded.text()
    person.viewer.add_image(cells, name="second")
    assert entry.state == "✓"
    person.choose(panel.image.image, "second")
    assert (entry.state, entry.sentence, panel.encoded.text()) == ("", "", "")
    person.choose(panel.results.output, "one per prompt")
    labels = person.layer("(labels)")
    qtbot.waitUntil(lambda: set(np.unique(labels.data)) == {0, 1}, timeout=5000)
    person.sees("object")
    assert entry.state == ""
    person.run()
    assert entry.state == "✓"
    person.viewer.layers.remove("second")
    assert (entry.state, panel.encoded.text()) == ("", "")


def test_what_a_run_says_of_another_image_than_the_one_chosen_is_not_shown(person, engine, cells):
    panel = person.panel
    person.viewer.add_image(cells, name="first")
    person.viewer.add_image(cells, name="second")
    person.choose(panel.image.image, "first")
    engine.tiles_before_gate = 1
    engine.gate.clear()
    person.add("bright")
    person.press(panel.run)
    person.sees("tile 1 of 4")
    person.choose(panel.image.image, "second")
    engine.gate.set()
    person.is_done()
    assert (panel.prompts.entries[0].state, panel.encoded.text()) == ("", "")


def test_a_negative_does_not_tint_the_canvas_unless_a_person_shows_it(person, engine, cells):
    person.viewer.add_image(cells)
    person.add("bright; dark")
    person.go_to(1)
    person.press(person.panel.detail.negative)
    person.run()
    wanted, unwanted = person.layer("bright (prob"), person.layer("dark (prob")
    assert (wanted.visible, unwanted.visible) == (True, False)
    person.run()
    assert not unwanted.visible
    unwanted.visible = True
    person.run("third")
    assert unwanted.visible


def test_a_row_that_becomes_negative_is_hidden_and_shown_again_when_it_is_wanted(
    person, engine, cells
):
    person.viewer.add_image(cells)
    person.run("bright; dark")
    probability = person.layer("dark (prob")
    assert probability.visible
    person.go_to(1)
    for visible in (False, True):
        person.press(person.panel.detail.negative)
        person.qtbot.waitUntil(lambda v=visible: probability.visible is v, timeout=5000)
        person.is_done()
        assert probability.visible is visible
    probability.visible = False
    for _ in range(2):
        person.press(person.panel.detail.negative)
        person.is_done()
        person.qtbot.wait(REST_MS)
        assert not probability.visible


def test_the_picture_follows_data_that_are_replaced_and_the_plane(person, engine, cells, qtbot):
    pictures = []
    stack = np.stack([cells, cells[:, ::-1]])
    person.viewer.add_image(stack, name="stack", contrast_limits=(0, 255))
    person.viewer.dims.set_point(0, 0)
    person.add("bright")
    person.panel._thumbnails.made.connect(pictures.append)
    example = person.viewer.add_labels(np.zeros((2, 32, 40), np.uint8), name="example")
    person.choose(person.panel.detail.example, "example")
    qtbot.waitUntil(lambda: "paint over" in person.panel.detail.sentence.text(), timeout=5000)
    painted = np.zeros((2, 32, 40), np.uint8)
    painted[0, 4:10, 6:12] = painted[1, 15:30, 3:20] = 1
    example.data = painted
    qtbot.waitUntil(lambda: isinstance(pictures[-1], np.ndarray), timeout=5000)
    assert person.panel.detail.picture.isVisible()
    assert person.panel.detail.sentence.text() == ""
    first = pictures[-1]
    person.viewer.dims.set_point(0, 1)
    qtbot.waitUntil(lambda: not np.array_equal(pictures[-1], first), timeout=5000)


def test_a_drawn_shape_is_an_example(person, engine, cells, qtbot):
    person.viewer.add_image(cells, contrast_limits=(0, 255))
    square = [(3.5, 5.5), (3.5, 11.5), (9.5, 11.5), (9.5, 5.5)]
    layer = person.viewer.add_shapes([square], shape_type="polygon", name="drawn")
    person.add("bright")
    person.choose(person.panel.detail.example, "drawn")
    qtbot.waitUntil(person.panel.detail.picture.isVisible, timeout=5000)
    assert not person.panel.detail.label_value.isVisible()
    layer.data = []
    qtbot.waitUntil(lambda: "draw one" in person.panel.detail.sentence.text(), timeout=5000)
    layer.add_polygons([square])
    person.run()
    (mask,) = [each.mask.mask for each in engine.prompts]
    assert mask.sum() == 36
    assert mask[4:10, 6:12].all()


def test_a_copy_of_a_result_may_be_an_example(person, engine, cells):
    person.viewer.add_image(cells, contrast_limits=(0, 255), name="cells")
    person.run("bright")
    labels = person.layer("(labels)")
    copy = Labels(labels.data.copy(), name="picked", metadata=dict(labels.metadata))
    person.viewer.add_layer(copy)
    copy.selected_label = 2
    person.choose(person.panel.detail.example, "picked")
    person.qtbot.waitUntil(lambda: len(engine.decoded) == 2, timeout=5000)
    person.is_free()
    (mix,) = engine.prompts
    np.testing.assert_array_equal(mix.mask.mask, copy.data == 2)


def test_an_example_is_chosen_in_one_run(person, engine, cells):
    person.viewer.add_image(cells, contrast_limits=(0, 255))
    example = person.viewer.add_labels((cells == 255).astype(np.uint8), name="example")
    person.run("bright")
    key = person.panel.prompts.entries[0].row.key
    person.panel.prompts.change(key, example=example, label_value=1, text_share=0.25)
    person.sees("bright + example:")
    person.is_free()
    person.qtbot.wait(2 * REST_MS)
    assert len(engine.decoded) == 2


def test_what_run_will_do_is_said_of_all_planes_and_of_the_one_the_slider_shows(
    person, engine, cells
):
    person.viewer.add_image(np.stack([cells] * 3), name="stack")
    person.viewer.dims.set_point(0, 1)
    person.run("bright")
    person.qtbot.wait(2 * REST_MS)
    assert "object" in person.panel.status.text()
    person.viewer.dims.set_point(0, 2)
    person.sees("Run encodes 'stack', then finds bright.")
    person.viewer.dims.set_point(0, 1)
    person.sees("All is encoded")
    person.choose(person.panel.image.planes, "all planes")
    person.sees("Run encodes 'stack' (all planes)")


def test_why_a_template_cannot_be_is_said_in_a_sentence(person, engine, cells):
    person.viewer.add_image(cells)
    person.run("bright")
    person.panel.model_fold.unfold(True)
    editor = person.panel.template.lineEdit()
    editor.selectAll()
    QTest.keyClicks(editor, "without place")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    person.sees("A template needs {} for the phrase: 'without place' has none.")


def test_an_example_that_leaves_the_viewer_starts_no_run(person, engine, cells):
    person.viewer.add_image(cells, contrast_limits=(0, 255), name="cells")
    example = person.viewer.add_labels((cells == 255).astype(np.uint8), name="example")
    person.add("bright")
    person.choose(person.panel.detail.example, "example")
    person.run()
    person.viewer.layers.remove(example)
    person.sees("All is encoded: Run finds bright at once.")
    person.qtbot.wait(REST_MS)
    assert len(engine.decoded) == 1
    assert person.panel.prompts.entries[0].row.example is None


def test_an_example_that_leaves_the_viewer_leaves_its_row(person, cells):
    person.viewer.add_image(cells)
    person.add("bright")
    person.press(person.panel.detail.paint)
    person.viewer.layers.remove(person.panel.detail.example.value())
    assert person.panel.prompts.entries[0].row.example is None
    assert person.panel.detail.example.currentText() == "none"


def test_results_are_made_anew_without_the_model(person, engine, cells, qtbot):
    person.viewer.add_image(cells)
    person.run("bright; dark")
    computed = engine.computed
    person.panel.results_fold.header.click()
    results = person.panel.results
    person.choose(results.output, "one per prompt")
    qtbot.waitUntil(lambda: set(np.unique(person.layer("dark (labels)").data)) == {1, 2})
    results.min_size.selectAll()
    QTest.keyClicks(results.min_size, "50")
    QTest.keyClick(results.min_size, Qt.Key.Key_Return)
    labels = person.layer("dark (labels)")
    qtbot.waitUntil(lambda: (labels.data == 1).sum() == 60, timeout=5000)
    person.choose(results.mode, "one per prompt")
    qtbot.waitUntil(lambda: any(n.endswith(": bright (labels)") for n in person.names))
    person.sees("dark: 1 object")
    assert engine.computed == computed


def test_another_colour_is_that_of_the_results_at_once(person, engine, cells):
    person.viewer.add_image(cells)
    person.run("bright")
    key = person.panel.prompts.entries[0].row.key
    teal = next(a for a in person.panel.table.color_menu(key).actions() if a.text() == "teal")
    teal.trigger()
    color = person.layer("(probability)").colormap.colors[-1][:3]
    np.testing.assert_allclose(color, np.array([0x44, 0xAA, 0x99]) / 255, atol=1e-6)


def test_cancel_stops_after_the_tile(person, engine, cells):
    person.viewer.add_image(cells)
    engine.tiles_before_gate = 1
    engine.gate.clear()
    person.add("dark")
    person.press(person.panel.run)
    person.sees("tile 1 of 4")
    assert not person.panel.run.isEnabled()
    person.press(person.panel.cancel)
    engine.gate.set()
    person.sees("Cancelled")
    person.is_free()
    assert engine.computed <= 2


def test_bad_input_and_failures_are_one_sentence_each_and_run_comes_back(person, engine, cells):
    person.press(person.panel.run)
    person.viewer.add_image(np.stack([cells, cells]), name="stack")
    person.press(person.panel.run)
    person.panel.model_fold.unfold(True)
    person.add("bright")
    person.panel.template.lineEdit().setText("without place")
    person.press(person.panel.run)
    person.panel.template.setCurrentIndex(0)
    person.viewer.dims.ndisplay = 3
    person.press(person.panel.run)
    person.viewer.dims.ndisplay = 2
    words = ["no image", "type a prompt", "{}", "2-D"]
    assert len(person.told) == len(words)
    assert all(word in told for word, told in zip(words, person.told, strict=True))
    engine.load_failure = WeightsNotFound("fetch them")
    person.press(person.panel.run)
    person.sees("Fetch them")
    person.is_free()
    assert person.names == ["stack"]
    engine.load_failure = None
    engine.failure = EngineError("Tile 1 failed")
    person.press(person.panel.run)
    person.sees("Tile 1 failed")
    person.is_free()
    engine.failure = None
    person.run()


def test_the_time_is_told_before_anybody_waits(person, engine, cells, qtbot):
    person.viewer.add_image(cells)
    person.add("bright")
    person.press(person.panel.how_long)
    qtbot.waitUntil(lambda: "bout" in person.panel.encoded.text(), timeout=10_000)
    assert "on cpu" in person.panel.encoded.text()
    assert person.names == ["cells"]


def test_presets_add_rows_and_take_their_template(person, cells):
    person.viewer.add_image(cells)
    menus = {each.text(): each.menu() for each in person.panel.presets.menu().actions()}
    assert list(menus) == ["Microscopy", "Satellite", "Street"]
    blood = next(each for each in menus["Microscopy"].actions() if each.text() == "Blood smear")
    blood.trigger()
    rows = person.panel.request().prompts
    assert [(row.text, row.negative) for row in rows] == [
        ("red blood cells", False),
        ("white blood cells", False),
        ("background", True),
    ]
    users = next(each for each in menus["Street"].actions() if "Road users" in each.text())
    users.trigger()
    assert person.panel.request().templates == ("a photo of a {}",)


def test_two_viewers_do_not_know_of_each_other(
    person, engine, cells, make_napari_viewer_proxy, qtbot
):
    other = type(person)(make_napari_viewer_proxy(show=True), type(engine)(), qtbot)
    for each in (person, other):
        each.viewer.add_image(cells)
    person.run("bright")
    assert len(other.viewer.layers) == 1
    assert other.panel.prompts.entries == []


def test_closing_the_viewer_during_a_run_leaves_no_worker(person, engine, cells, qtbot):
    person.viewer.add_image(cells)
    engine.tiles_before_gate = 1
    engine.gate.clear()
    person.add("bright")
    person.press(person.panel.run)
    person.sees("tile 1")
    person.viewer.close()
    engine.gate.set()
    qtbot.waitUntil(lambda: not WorkerBase._worker_set, timeout=5000)
    qtbot.wait(2 * REST_MS)
    assert engine.computed < 4


def unfold_all(person):
    panel = person.panel
    for section in (panel.image.more, panel.results_fold, panel.model_fold):
        section.header.click()


def controls(panel: QWidget) -> list[QWidget]:
    """Return what a person can point at: all that is no mere holder of other widgets."""
    holders = (Section, QScrollArea, QScrollBar, ImageSection, PromptDetail, ResultsSection)
    return [
        each
        for each in panel.area.widget().findChildren(QWidget) + panel.findChildren(QAbstractButton)
        if type(each) not in (QWidget, QLabel, QMenu, ModelSection, Slider)
        and not isinstance(each, holders)
        and not isinstance(each.parent(), QComboBox | QAbstractSpinBox | QAbstractScrollArea)
        and not isinstance(each.parent().parent(), QComboBox | QAbstractScrollArea)
    ]


def test_every_control_has_a_tooltip(person, cells):
    panel = person.panel
    sentences = (panel.status, panel.encoded, panel.progress, panel.detail.sentence)
    pictures = (panel.detail.picture, panel.model.facts, panel.model.licence, panel.model.outcome)
    found = [*controls(panel), *sentences, *pictures]
    assert len(found) > 50
    assert [each for each in found if not each.toolTip()] == []


def test_nothing_is_clipped_or_overlaps_at_300_pixels(person, engine, cells, qtbot):
    person.viewer.add_image(
        [cells, cells[::2, ::2]], name="a very long name of an image " * 3, multiscale=True
    )
    person.add("a text that is far too long for a dock of three hundred pixels; bright")
    person.press(person.panel.detail.paint)
    example = person.panel.detail.example.value()
    example.data = (cells[: example.data.shape[0], : example.data.shape[1]] == 255).astype(np.uint8)
    qtbot.waitUntil(person.panel.detail.picture.isVisible, timeout=5000)
    person.panel.show_presence({person.panel.detail.key: "What was found, at length. " * 12})
    person.panel.model.model.choose("rd64-refined")
    person.panel.model.download.click()
    unfold_all(person)
    person.panel.show_status("/a/path/without/any/blank/that/could/be/broken/" * 3)
    area = person.panel.area
    assert person.panel.minimumSizeHint().width() <= 300
    assert area.widget().minimumSizeHint().width() <= 300
    person.dock.setFloating(True)
    person.dock.resize(300, 700)
    qtbot.waitUntil(lambda: person.panel.width() <= 300, timeout=5000)
    QApplication.processEvents()
    inside = area.viewport().rect()
    assert area.widget().width() <= inside.width()
    assert person.panel.detail.picture.height() >= 96
    for label in person.panel.findChildren(QLabel):
        if label.isVisible() and label.wordWrap():
            assert label.height() >= label.heightForWidth(label.width()), label.text()
    shown = [each for each in controls(person.panel) if each.isVisible()]
    for each in shown:
        left = each.mapTo(person.panel, QPoint(0, 0)).x()
        assert left >= 0 and left + each.width() <= 300, each
        needed = each.minimumSizeHint()
        assert each.height() >= min(needed.height(), each.maximumHeight()), each
    leaves = [each for each in shown if isinstance(each, QAbstractButton | QComboBox)]
    boxes = [
        (each, each.rect().translated(each.mapTo(person.panel, QPoint(0, 0)))) for each in leaves
    ]
    assert len(boxes) > 15
    assert inside.width() <= 300
    for number, (one, box) in enumerate(boxes):
        for other, theirs in boxes[number + 1 :]:
            same = one.isAncestorOf(other) or other.isAncestorOf(one)
            in_area = area.isAncestorOf(one) == area.isAncestorOf(other)
            assert same or not in_area or not box.intersects(theirs), (one, other)


@pytest.mark.parametrize("unfolded", [False, True])
def test_nothing_is_clipped_at_the_width_that_napari_gives_the_dock(person, cells, qtbot, unfolded):
    person.viewer.window.resize(1400, 700)
    person.viewer.add_image(cells, name="cells", contrast_limits=(0, 255))
    person.add("bright")
    if unfolded:
        unfold_all(person)
    person.press(person.panel.detail.paint)
    person.panel.detail.example.value().paint((7, 9), 1)
    qtbot.waitUntil(person.panel.detail.picture.isVisible, timeout=5000)
    qtbot.wait(50)
    area = person.panel.area
    assert not person.dock.isFloating()
    assert area.verticalScrollBar().isVisible() or not unfolded
    assert person.dock.width() <= 300
    assert area.widget().minimumSizeHint().width() <= area.viewport().width()
    shown = [each for each in controls(person.panel) if each.isVisible()]
    inside = [each for each in shown if area.widget().isAncestorOf(each)]
    assert {"Suggest", "Paint …", "Remove", "Presets"} <= {
        each.text() for each in inside if isinstance(each, QAbstractButton)
    }
    for each in inside:
        right = each.mapTo(area.viewport(), QPoint(0, 0)).x() + each.width()
        assert right <= area.viewport().width(), (each, right, area.viewport().width())
        assert each.width() >= (each.minimumWidth() or each.minimumSizeHint().width()), each


def test_tab_goes_through_the_panel_from_top_to_bottom(person, cells):
    person.viewer.add_image(cells)
    person.add("bright")
    unfold_all(person)
    person.panel.image.image.setFocus()
    ours, widget = [], person.panel.image.image
    while person.panel.isAncestorOf(widget):
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            ours.append(widget)
        widget = widget.nextInFocusChain()
    tops = [
        each.mapTo(person.panel, QPoint(0, 0)).y()
        for each in ours
        if person.panel.area.isAncestorOf(each)
    ]
    assert tops == sorted(tops), list(zip(ours, tops, strict=False))
    assert ours.index(person.panel.run) > ours.index(person.panel.template)


def test_three_positions_on_an_axis_can_be_read_in_a_narrow_dock(person, cells):
    person.viewer.add_image(np.stack([cells] * 12))
    person.panel.resize(300, 900)
    person.panel.image.more.unfold(True)
    person.choose(person.panel.image.channels, "axis 0 (12)")
    person.qtbot.wait(50)
    for box in person.panel.image.indices:
        line = box.lineEdit()
        assert line.width() >= line.fontMetrics().horizontalAdvance("888")


def test_the_end_of_a_long_name_is_drawn_too(person, cells, qtbot):
    person.viewer.add_image(cells, name="first " + 30 * "long " + "last")
    person.panel.resize(300, 900)
    combo, drawn = person.panel.image.image, []
    for end in ("last", "end", "last"):
        with QSignalBlocker(combo):
            combo.setItemText(combo.currentIndex(), "first " + 30 * "long " + end)
        qtbot.wait(50)
        drawn.append(combo.grab().toImage())
    assert drawn[0] == drawn[2] != drawn[1]
