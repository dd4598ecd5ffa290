"""The table of prompts and the line that fills it."""

from __future__ import annotations

from qtpy.QtCore import QItemSelectionModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QColorDialog,
    QHeaderView,
    QLineEdit,
    QMenu,
    QTableView,
)

from napari_clipseg.widget.palette import PALETTE
from napari_clipseg.widget.prompt_model import Column, PromptModel, split_texts, swatch

ROW_PX = 26
WIDTHS_PX = {Column.ON: 26, Column.COLOR: 24, Column.THRESHOLD: 44, Column.STATE: 24}
FEWEST, MOST = 2, 6
"""Rows for which the table has room, whatever it holds; beyond the most it scrolls."""


class PromptLine(QLineEdit):
    """Takes new prompts: Enter adds what is typed, a paste of several lines adds them all."""

    added = Signal(list)
    """Texts to be added."""

    entered = Signal()
    """Enter, while nothing is typed."""

    def __init__(self) -> None:
        super().__init__()
        self.setPlaceholderText("what to find, e.g. nuclei")
        self.setAccessibleName("New prompt")
        self.returnPressed.connect(self._on_enter)

    def commit(self) -> bool:
        """Hand over what is typed; return whether there was anything."""
        texts = split_texts(self.text())
        self.clear()
        if texts:
            self.added.emit(texts)
        return bool(texts)

    def _on_enter(self) -> None:
        if not self.commit():
            self.entered.emit()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Paste several lines as several prompts."""
        if event is not None and event.matches(QKeySequence.StandardKey.Paste):
            texts = split_texts(_clipboard())
            if len(texts) > 1:
                self.added.emit(texts)
                return
        super().keyPressEvent(event)


class PromptTable(QTableView):
    """Shows a :class:`PromptModel`, one prompt a row."""

    current = Signal(int)
    """Key of the row that is current now, 0 if there is none."""

    def __init__(self, model: PromptModel) -> None:
        super().__init__()
        self.prompts = model
        self.setModel(model)
        self.setAccessibleName("Prompts")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._shape_headers()
        self.clicked.connect(self._on_clicked)
        selection = self.selectionModel()
        assert selection is not None
        selection.currentRowChanged.connect(self._on_current)
        model.counted.connect(self._on_counted)
        self._on_counted()

    def current_key(self) -> int:
        """Return the key of the current row, 0 if there is none."""
        place = self.currentIndex().row()
        return self.prompts.entries[place].row.key if place >= 0 else 0

    def go_to(self, key: int) -> None:
        """Make the row of a key the current and only selected one."""
        place = self.prompts.place(key)
        selection = self.selectionModel()
        if place is not None and selection is not None:
            index = self.prompts.index(place, Column.WHAT)
            flags = QItemSelectionModel.SelectionFlag
            selection.setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)

    def remove_selected(self) -> None:
        """Take the selected rows away and stay near where they were."""
        selection = self.selectionModel()
        places = [index.row() for index in selection.selectedRows()] if selection else []
        if not places:
            return
        self.prompts.remove(places)
        left = len(self.prompts.entries)
        if left:
            self.go_to(self.prompts.entries[min(places[0], left - 1)].row.key)
        self.current.emit(self.current_key())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Remove by Delete, choose a colour by C; the rest is as in any table."""
        if event is not None and event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.remove_selected()
        elif event is not None and event.key() == Qt.Key.Key_C and not event.modifiers():
            self._offer_colors(self.currentIndex())
        else:
            super().keyPressEvent(event)

    def sizeHint(self) -> QSize:
        """Return the size that shows a few rows without scrolling."""
        rows = min(max(len(self.prompts.entries), FEWEST), MOST)
        return QSize(240, rows * ROW_PX + 2 * self.frameWidth())

    def color_menu(self, key: int) -> QMenu:
        """Return a menu that gives a row another colour."""
        menu = QMenu(self)
        for name, color in PALETTE.items():
            action = menu.addAction(swatch(color), name)
            assert action is not None
            action.triggered.connect(lambda _=False, color=color: self._recolor(key, color))
        other = menu.addAction("Other …")
        assert other is not None
        other.triggered.connect(lambda: self._ask_color(key))
        return menu

    def _shape_headers(self) -> None:
        across, down = self.horizontalHeader(), self.verticalHeader()
        assert across is not None and down is not None
        across.hide()
        down.hide()
        across.setMinimumSectionSize(16)
        down.setDefaultSectionSize(ROW_PX)
        across.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        across.setSectionResizeMode(Column.WHAT, QHeaderView.ResizeMode.Stretch)
        for column, width in WIDTHS_PX.items():
            self.setColumnWidth(column, width)

    def _on_counted(self) -> None:
        self.setFixedHeight(self.sizeHint().height())
        self.updateGeometry()

    def _on_current(self, index: QModelIndex, _: QModelIndex) -> None:
        place = index.row()
        self.current.emit(self.prompts.entries[place].row.key if place >= 0 else 0)

    def _on_clicked(self, index: QModelIndex) -> None:
        if index.column() == Column.COLOR:
            self._offer_colors(index)

    def _offer_colors(self, index: QModelIndex) -> None:
        viewport = self.viewport()
        if index.isValid() and viewport is not None:
            menu = self.color_menu(self.prompts.entries[index.row()].row.key)
            menu.popup(viewport.mapToGlobal(self.visualRect(index).bottomLeft()))

    def _recolor(self, key: int, color: str) -> None:
        self.prompts.change(key, color=color)

    def _ask_color(self, key: int) -> None:
        entry = self.prompts.entry(key)
        before = QColor(entry.row.color) if entry else QColor()
        color = QColorDialog.getColor(before, self, "Colour of the results")
        if color.isValid():
            self._recolor(key, color.name())


def _clipboard() -> str:
    clipboard = QApplication.clipboard()
    return clipboard.text() if clipboard is not None else ""
