"""The prompt line, the table and the details of a row, by keys and mouse, without a viewer."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDoubleSpinBox, QLineEdit

from napari_clipseg.widget.palette import PALETTE
from napari_clipseg.widget.prompt_detail import PromptDetail
from napari_clipseg.widget.prompt_model import Column, PromptModel, split_texts
from napari_clipseg.widget.prompt_table import MOST, PromptLine, PromptTable
from napari_clipseg.widget.request import PromptRow

SPOT = np.array([[0, 1]], np.uint8)

pytestmark = pytest.mark.display


@pytest.fixture
def model() -> PromptModel:
    return PromptModel()


@pytest.fixture
def line(qtbot, model) -> PromptLine:
    line = PromptLine()
    qtbot.addWidget(line)
    line.added.connect(model.add_texts)
    line.show()
    return line


@pytest.fixture
def table(qtbot, model) -> PromptTable:
    table = PromptTable(model)
    qtbot.addWidget(table)
    table.resize(280, 160)
    table.show()
    return table


@pytest.fixture
def detail(qtbot, model, table) -> PromptDetail:
    detail = PromptDetail(model)
    qtbot.addWidget(detail)
    table.current.connect(detail.show_row_of)
    detail.resize(300, 300)
    return detail


def texts(model: PromptModel) -> list[str]:
    return [row.text for row in model.prompts()]


def click(table: PromptTable, row: int, column: Column) -> None:
    where = table.visualRect(table.prompts.index(row, column)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where)


def edit(table: PromptTable, row: int, column: Column, text: str) -> None:
    """Double click a cell, type over what is there, press Enter."""
    click(table, row, column)
    where = table.visualRect(table.prompts.index(row, column)).center()
    QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    editor = table.viewport().findChild(QDoubleSpinBox if column == Column.THRESHOLD else QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()  # Qt takes the value over once the editor has seen the key


def test_enter_adds_what_is_typed_and_empties_the_line(line, model):
    QTest.keyClicks(line, "nuclei")
    QTest.keyClick(line, Qt.Key.Key_Return)
    QTest.keyClicks(line, " background ; membranes;; ")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert texts(model) == ["nuclei", "background", "membranes"]
    assert line.text() == ""


def test_a_row_that_is_switched_off_is_switched_on_by_its_text(line, model, qtbot):
    model.add_texts(["nuclei", "cells"])
    model.setData(
        model.index(0, Column.ON), Qt.CheckState.Unchecked, Qt.ItemDataRole.CheckStateRole
    )
    QTest.keyClicks(line, "nuclei; cells")
    with qtbot.waitSignal(model.counted):
        QTest.keyClick(line, Qt.Key.Key_Return)
    assert [row.text for row in model.prompts()] == ["nuclei", "cells"]


def test_several_fields_that_are_set_at_once_are_one_edit(model):
    edits = []
    model.edited.connect(lambda *edit: edits.append(edit))
    (key,) = model.add_texts(["nuclei"])
    model.change(key, text="cells", negative=True, name="")
    model.change(key, text="cells")
    assert edits == [(key, {"text", "negative"})]


def test_the_same_text_is_not_added_twice(line, model):
    for _ in range(2):
        QTest.keyClicks(line, "nuclei")
        QTest.keyClick(line, Qt.Key.Key_Return)
    assert texts(model) == ["nuclei"]


def test_enter_on_an_empty_line_asks_for_a_run(line, model, qtbot):
    with qtbot.waitSignal(line.entered, timeout=1000):
        QTest.keyClick(line, Qt.Key.Key_Return)
    assert texts(model) == []


@pytest.mark.parametrize(
    "text", ["nuclei\nbackground\n\ncell wall", "nuclei; background;cell wall"]
)
def test_a_paste_of_several_texts_adds_several_rows(line, model, text):
    QApplication.clipboard().setText(text)
    QTest.keyClick(line, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert texts(model) == ["nuclei", "background", "cell wall"]


def test_a_paste_of_one_text_stays_in_the_line(line, model):
    QApplication.clipboard().setText("nuclei")
    QTest.keyClick(line, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert line.text() == "nuclei"
    assert texts(model) == []


def test_lines_that_a_menu_pasted_are_split_too():
    assert split_texts("nuclei\u2028background\r\nnuclei") == ["nuclei", "background"]


def test_every_row_has_a_colour_of_its_own_and_a_removed_one_is_given_again(model):
    model.add_texts("abcdefghijkl")
    colors = [row.color for row in model.prompts()]
    assert sorted(colors) == sorted(PALETTE.values())
    model.remove([3])
    (key,) = model.add_texts(["again"])
    assert model.entry(key).row.color == colors[3]


def test_keys_of_removed_rows_are_never_used_again(model):
    first = model.add_texts("abc")
    model.remove([2, 0])
    assert not set(first) & set(model.add_texts("de"))
    assert texts(model) == ["b", "d", "e"]


def test_a_click_on_the_box_switches_a_row_off_and_on(table, model):
    model.add_texts(["nuclei", "background"])
    # the box lies in the middle of its cell's left part
    box = table.visualRect(model.index(0, Column.ON))
    spot = QPoint(box.left() + 10, box.center().y())
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert texts(model) == ["background"]
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert texts(model) == ["nuclei", "background"]


def test_delete_removes_the_selected_rows_and_stays_near(table, model):
    model.add_texts("abcd")
    click(table, 1, Column.WHAT)
    QTest.keyClick(table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(table, Qt.Key.Key_Delete)
    assert texts(model) == ["a", "d"]
    assert table.current_key() == model.entries[1].row.key
    QTest.keyClick(table, Qt.Key.Key_Delete)
    QTest.keyClick(table, Qt.Key.Key_Delete)
    QTest.keyClick(table, Qt.Key.Key_Delete)
    assert texts(model) == []
    assert table.current_key() == 0


def test_text_and_threshold_are_edited_in_the_table(table, model, qtbot):
    (key,) = model.add_texts(["nucleus"])
    edit(table, 0, Column.WHAT, "nuclei")
    assert texts(model) == ["nuclei"]
    with qtbot.waitSignal(model.settled, timeout=1000) as settled:
        edit(table, 0, Column.THRESHOLD, "0.7")
    assert settled.args == [key]
    assert model.prompts()[0].threshold == pytest.approx(0.7)


def test_a_colour_is_chosen_from_the_menu_of_its_cell(table, model, qtbot):
    (key,) = model.add_texts(["nuclei"])
    edited = []
    model.edited.connect(lambda *change: edited.append(change))
    click(table, 0, Column.COLOR)
    menu = QApplication.activePopupWidget()
    teal = next(each for each in menu.actions() if each.text() == "teal")
    teal.trigger()
    menu.close()
    assert model.prompts()[0].color == PALETTE["teal"]
    assert edited == [(key, {"color"})]


def test_the_recommended_threshold_is_for_rows_whose_threshold_nobody_chose(table, model):
    model.add_texts(["nuclei", "background"])
    edit(table, 1, Column.THRESHOLD, "0.7")
    model.suggest_threshold(0.3)
    assert [row.threshold for row in model.prompts()] == pytest.approx([0.3, 0.7])


def test_the_table_has_room_for_its_rows_up_to_a_limit(table, model):
    heights = []
    for number in range(MOST + 3):
        model.add_texts([str(number)])
        heights.append(table.height())
    assert heights == sorted(heights)
    assert len(set(heights[MOST - 1 :])) == 1


def test_what_was_found_is_a_sign_in_the_row_and_a_sentence_in_its_tooltip(table, model):
    found, missing = model.add_texts(["nuclei", "giraffe"])
    model.say(found, "nuclei: found on 12 % of the area (peak 0.98).")
    model.say(missing, "giraffe: not found (peak 0.21, below the threshold of 0.50).")
    states = [model.index(row, Column.STATE) for row in (0, 1)]
    assert [model.data(each) for each in states] == ["✓", "✗"]
    assert "peak 0.21" in model.data(states[1], Qt.ItemDataRole.ToolTipRole)


def test_the_details_are_those_of_the_current_row(table, detail, model):
    model.add_texts(["nuclei", "background"])
    assert not detail.isVisibleTo(None)
    click(table, 1, Column.WHAT)
    assert detail.key == model.entries[1].row.key
    QTest.mouseClick(detail.negative, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    assert [row.negative for row in model.prompts()] == [False, True]
    assert model.data(model.index(1, Column.WHAT)) == "not background"
    QTest.keyClicks(detail.name, "rest")
    QTest.keyClick(detail.name, Qt.Key.Key_Return)
    assert model.prompts()[1].title == "rest"
    click(table, 0, Column.WHAT)
    assert not detail.negative.isChecked()
    assert detail.name.text() == ""


def test_the_mix_is_offered_only_where_there_are_two_things_to_mix(table, detail, model):
    (key,) = model.add_texts(["nuclei"])
    example, other = Labels(SPOT, name="painted"), Image(SPOT, name="other")
    detail.offer([example], [other])
    click(table, 0, Column.WHAT)
    detail.show()
    hidden = (detail.text_share, detail.label_value, detail.example_image, detail.suggest)
    assert not any(each.isVisible() for each in hidden)
    detail.example.setFocus()
    QTest.keyClick(detail.example, Qt.Key.Key_Down)
    assert model.prompts()[0].example == example
    assert all(each.isVisible() for each in hidden)
    model.change(key, text="")
    assert not detail.text_share.isVisible()
    assert detail.label_value.isVisible()


def test_the_mix_counts_once_the_slider_is_let_go(table, detail, model):
    model.add([PromptRow(0, "nuclei", example=Labels(SPOT))])
    click(table, 0, Column.WHAT)
    detail.show()
    changes = []
    model.edited.connect(lambda _, names: changes.append((names, model.prompts()[0].text_share)))
    bar = detail.text_share.bar
    start = QPoint(bar.width() // 2, bar.height() // 2)
    QTest.mousePress(bar, Qt.MouseButton.LeftButton, pos=start)
    for step in (10, 20, 30):
        QTest.mouseMove(bar, start + QPoint(step, 0))
    assert changes == []
    assert detail.text_share.value() > 0.5
    QTest.mouseRelease(bar, Qt.MouseButton.LeftButton, pos=start + QPoint(30, 0))
    assert changes == [({"text_share"}, detail.text_share.value())]


def test_the_label_that_counts_is_the_selected_one_until_a_number_is_set(table, detail, model):
    model.add([PromptRow(0, example=Labels(SPOT))])
    click(table, 0, Column.WHAT)
    assert detail.label_value.text() == "selected"
    detail.label_value.stepUp()
    assert model.prompts()[0].label_value == 1
    detail.label_value.stepDown()
    assert model.prompts()[0].label_value is None


def test_threshold_moves_are_told_at_once_and_rest_once(table, detail, model, qtbot):
    (key,) = model.add_texts(["nuclei"])
    click(table, 0, Column.WHAT)
    detail.show()
    moves, rests = [], []
    model.edited.connect(lambda _, names: moves.append(names))
    model.settled.connect(rests.append)
    detail.threshold.bar.setFocus()
    for _ in range(3):
        QTest.keyClick(detail.threshold.bar, Qt.Key.Key_Right)
    assert moves == [{"threshold"}] * 3
    assert rests == []
    qtbot.waitUntil(lambda: bool(rests), timeout=2000)
    assert rests == [key]
    assert model.prompts()[0].threshold == pytest.approx(0.53)
