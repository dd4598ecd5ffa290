"""The prompts of the panel as a Qt model: any number of rows, five columns."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Iterable, Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor, QFont, QIcon, QPixmap

from napari_clipseg.widget.palette import next_color
from napari_clipseg.widget.request import PromptRow

LOWEST, HIGHEST = 0.01, 0.99
"""Limits of a threshold."""

SWATCH_PX = 16

ABSENT = ": not found"
"""What :class:`napari_clipseg.engine.presence.Presence` says of a thing that is not there."""

ASKED = {"text", "example", "label_value", "example_image"}
"""Fields with which another thing is asked for, of which no run has said anything yet."""

UNLEARNED = "has not learned"
"""What :class:`napari_clipseg.engine.knowledge.Knowledge` says of a text nobody taught it."""


class Column(enum.IntEnum):
    """Columns of the table."""

    ON = 0
    COLOR = 1
    WHAT = 2
    THRESHOLD = 3
    STATE = 4


@dataclasses.dataclass(slots=True)
class Entry:
    """One row: what it asks for, and what the panel knows of it.

    Parameters
    ----------
    row : PromptRow
    on : bool
        Whether a run looks for it.
    chosen : bool
        Whether a person chose its threshold.
    sentence : str
        What the last run said of it.
    """

    row: PromptRow
    on: bool = True
    chosen: bool = False
    sentence: str = ""

    @property
    def asks(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self.row.text.strip()) or self.row.example is not None

    @property
    def state(self) -> str:
        """One sign for what the last run said."""
        if not self.sentence:
            return ""
        if UNLEARNED in self.sentence:
            return "?"
        return "✗" if ABSENT in self.sentence else "✓"


def split_texts(text: str) -> list[str]:
    """Return the phrases of a text; they are separated by ``;`` or line breaks."""
    parts = re.split(r"[;\n\r\u2028\u2029]", text)
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


class PromptModel(QAbstractTableModel):
    """Prompts in the order in which they were added."""

    edited = Signal(int, object)
    """Key of a row and the set of names of the fields that are others now."""

    settled = Signal(int)
    """Key of a row whose threshold has come to rest."""

    counted = Signal()
    """Rows came or went, or were switched on by being asked for again."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self._next_key = 1

    def prompts(self) -> tuple[PromptRow, ...]:
        """Return the rows that are switched on and ask for something."""
        return tuple(each.row for each in self.entries if each.on and each.asks)

    def add(self, rows: Iterable[PromptRow]) -> list[int]:
        """Append rows, each with a key and a colour of its own; return the keys."""
        keys = []
        for row in rows:
            color = next_color(each.row.color for each in self.entries)
            end = len(self.entries)
            self.beginInsertRows(QModelIndex(), end, end)
            row = dataclasses.replace(row, key=self._next_key, color=color)
            self.entries.append(Entry(row))
            self.endInsertRows()
            keys.append(self._next_key)
            self._next_key += 1
        if keys:
            self.counted.emit()
        return keys

    def add_texts(self, wanted: Iterable[str], unwanted: Iterable[str] = ()) -> list[int]:
        """Append a row for each text that no row asks for yet, and switch on the rows that do.

        Return the keys of the rows that are new or were switched on.
        """
        rows = [PromptRow(0, text) for text in wanted]
        rows += [PromptRow(0, text, negative=True) for text in unwanted]
        there = {each.row.text.strip(): each for each in self.entries if each.row.example is None}
        again = [there[row.text] for row in rows if row.text in there and not there[row.text].on]
        for entry in again:
            entry.on = True
            self.refresh(entry.row.key)
        added = self.add(row for row in rows if row.text not in there)
        if again and not added:
            self.counted.emit()
        return [*(entry.row.key for entry in again), *added]

    def remove(self, places: Sequence[int]) -> None:
        """Take rows away, given by their places."""
        for place in sorted(set(places), reverse=True):
            self.beginRemoveRows(QModelIndex(), place, place)
            del self.entries[place]
            self.endRemoveRows()
        self.counted.emit()

    def place(self, key: int) -> int | None:
        """Return where the row of a key is, None if it is gone."""
        places = (n for n, each in enumerate(self.entries) if each.row.key == key)
        return next(places, None)

    def entry(self, key: int) -> Entry | None:
        """Return the entry of a key, None if it is gone."""
        place = self.place(key)
        return None if place is None else self.entries[place]

    def change(self, key: int, **fields: Any) -> None:
        """Set fields of a row; one signal tells of all that are others now."""
        entry = self.entry(key)
        if entry is None:
            return
        changed = {name for name, value in fields.items() if getattr(entry.row, name) != value}
        entry.row = dataclasses.replace(entry.row, **fields)
        if ASKED & changed:
            entry.sentence = ""
        if changed:
            self.refresh(key)
            self.edited.emit(key, changed)

    def keep_layers(self, layers: Sequence[Any]) -> bool:
        """Take layers that are not among these out of the rows; return whether there were any.

        That is no edit by a person, so there is no signal of one.
        """
        lost = False
        for entry in self.entries:
            row = entry.row
            if row.example not in (None, *layers):
                row = dataclasses.replace(row, example=None, label_value=None)
            if row.example_image not in (None, *layers):
                row = dataclasses.replace(row, example_image=None)
            if row is not entry.row:
                entry.row, entry.sentence, lost = row, "", True
                self.refresh(row.key)
        return lost

    def choose_threshold(self, key: int, threshold: float) -> None:
        """Set the threshold a person chose."""
        entry = self.entry(key)
        if entry is not None:
            entry.chosen = True
            self.change(key, threshold=min(max(round(threshold, 4), LOWEST), HIGHEST))

    def suggest_threshold(self, threshold: float) -> None:
        """Set the threshold of the rows for which nobody chose one, without a signal of it."""
        for entry in self.entries:
            if not entry.chosen:
                entry.row = dataclasses.replace(entry.row, threshold=threshold)
                self.refresh(entry.row.key)

    def say(self, key: int, sentence: str) -> None:
        """Note what a run said of a row."""
        entry = self.entry(key)
        if entry is not None:
            entry.sentence = sentence
            self.refresh(key)

    def refresh(self, key: int) -> None:
        """Have a row drawn anew."""
        place = self.place(key)
        if place is not None:
            self.dataChanged.emit(self.index(place, 0), self.index(place, len(Column) - 1))

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self.entries)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(Column)

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Return what can be done with a cell."""
        flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        if index.column() == Column.ON:
            return flags | Qt.ItemFlag.ItemIsUserCheckable
        if index.column() in (Column.WHAT, Column.THRESHOLD):
            return flags | Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        entry, column = self.entries[index.row()], Column(index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tooltip(entry, column)
        if role == Qt.ItemDataRole.CheckStateRole and column == Column.ON:
            return Qt.CheckState.Checked if entry.on else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.DecorationRole and column == Column.COLOR:
            return swatch(entry.row.color)
        if role == Qt.ItemDataRole.EditRole:
            return entry.row.text if column == Column.WHAT else entry.row.threshold
        if role == Qt.ItemDataRole.FontRole and column == Column.WHAT and not entry.asks:
            return _italic()
        if role == Qt.ItemDataRole.TextAlignmentRole and column != Column.WHAT:
            return Qt.AlignmentFlag.AlignCenter
        return _text(entry, column) if role == Qt.ItemDataRole.DisplayRole else None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Take what a person did to a cell."""
        entry, column = self.entries[index.row()], Column(index.column())
        key = entry.row.key
        if role == Qt.ItemDataRole.CheckStateRole and column == Column.ON:
            entry.on = Qt.CheckState(value) == Qt.CheckState.Checked
            self.refresh(key)
            self.edited.emit(key, {"on"})
        elif role == Qt.ItemDataRole.EditRole and column == Column.WHAT:
            self.change(key, text=str(value).strip())
        elif role == Qt.ItemDataRole.EditRole and column == Column.THRESHOLD:
            self.choose_threshold(key, float(value))
            self.settled.emit(key)
        else:
            return False
        return True


def swatch(color: str) -> QIcon:
    """Return a square of a colour, which stays so in a selected row."""
    pixmap = QPixmap(SWATCH_PX, SWATCH_PX)
    pixmap.fill(QColor(color))
    icon = QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        icon.addPixmap(pixmap, mode)
    return icon


def _text(entry: Entry, column: Column) -> str:
    if column == Column.WHAT:
        title = entry.row.title or "nothing yet"
        return f"not {title}" if entry.row.negative else title
    if column == Column.THRESHOLD:
        return f"{entry.row.threshold:.2f}"
    return entry.state if column == Column.STATE else ""


def _tooltip(entry: Entry, column: Column) -> str:
    words = {
        Column.ON: "Whether a run looks for this.",
        Column.COLOR: "Colour of its results; click to choose another one.",
        Column.WHAT: "What to find; double click or F2 to change it, Delete to remove the row. "
        "'not' marks what is not wanted.",
        Column.THRESHOLD: "Probability above which a pixel is found; double click to type one.",
        Column.STATE: "Whether the last run found it: ✓ yes, ✗ no, ? the model has not learned it.",
    }
    return entry.sentence if column == Column.STATE and entry.sentence else words[column]


def _italic() -> QFont:
    font = QFont()
    font.setItalic(True)
    return font
