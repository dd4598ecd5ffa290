"""Controls that Qt does not have: a fold, a scroll area, an eliding combo, a slider with text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QEvent, QSignalBlocker, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

REST_MS = 300
"""A slider that is moved by keys or wheel has come to rest when it has not moved for so long."""

STEPS = 100
"""Steps of a slider from one end to the other."""


class Scroll(QScrollArea):
    """Scrolls up and down, and is never narrower than its content with the scroll bar beside it."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(content)

    def minimumSizeHint(self) -> QSize:
        """Return the size in which nothing is cut off at the right."""
        hint, content, bar = super().minimumSizeHint(), self.widget(), self.verticalScrollBar()
        assert bar is not None
        if content is not None:
            beside_it = bar.sizeHint().width() + 2 * self.frameWidth()
            hint.setWidth(content.minimumSizeHint().width() + beside_it)
        return hint

    def event(self, event: QEvent | None) -> bool:
        """Have the dock follow the content, which asks for its layout when it needs more room."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().event(event)


class Section(QWidget):
    """A title that folds and unfolds the controls below it.

    Parameters
    ----------
    title : str
    tooltip : str
    """

    def __init__(self, title: str, tooltip: str) -> None:
        super().__init__()
        self.header = QToolButton()
        self.header.setText(title)
        self.header.setToolTip(tooltip)
        self.header.setCheckable(True)
        self.header.setArrowType(Qt.ArrowType.RightArrow)
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.header.setStyleSheet("QToolButton { border: none; font-weight: bold; }")
        self.content = QWidget()
        self.content.hide()
        layout = column(self, self.header, self.content)
        layout.setSpacing(2)
        self.header.toggled.connect(self.unfold)

    def unfold(self, unfolded: bool) -> None:
        """Show or hide what is in the section."""
        self.header.setChecked(unfolded)
        arrow = Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow
        self.header.setArrowType(arrow)
        self.content.setVisible(unfolded)


class Slider(QWidget):
    """A slider in [low, high] with the number beside it, which can be typed.

    Parameters
    ----------
    low, high : float
        The slider has :data:`STEPS` steps between them.
    """

    moved = Signal(float)
    """With every change by a person, while the mouse is down too."""

    settled = Signal(float)
    """Once the person is done: the mouse is up, or the number has not changed for a while."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.bar = QSlider(Qt.Orientation.Horizontal)
        self.bar.setRange(round(low * STEPS), round(high * STEPS))
        self.bar.setMinimumWidth(40)
        self.number = QDoubleSpinBox()
        self.number.setRange(low, high)
        self.number.setSingleStep(1 / STEPS)
        self.number.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.number.setKeyboardTracking(False)
        self.number.setStyleSheet("QDoubleSpinBox { min-width: 34px; padding: 1px 2px; }")
        self.number.setFixedWidth(44)
        self.setFocusProxy(self.bar)
        row(self, self.bar, self.number)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(lambda: self.settled.emit(self.value()))
        self.bar.valueChanged.connect(self._on_bar)
        self.bar.sliderReleased.connect(self._on_released)
        self.number.valueChanged.connect(self._on_number)

    def value(self) -> float:
        """Return the number."""
        return self.number.value()

    def set_value(self, value: float) -> None:
        """Show a number, without a signal."""
        with QSignalBlocker(self.bar), QSignalBlocker(self.number):
            self.number.setValue(value)
            self.bar.setValue(round(value * STEPS))

    def set_tooltip(self, tooltip: str) -> None:
        """Give slider and number the same tooltip."""
        for each in (self, self.bar, self.number):
            each.setToolTip(tooltip)

    def _on_bar(self, steps: int) -> None:
        self._take(steps / STEPS)

    def _on_number(self, value: float) -> None:
        self._take(value)

    def _take(self, value: float) -> None:
        self.set_value(value)
        self.moved.emit(self.value())
        if not self.bar.isSliderDown():
            self._rest.start()

    def _on_released(self) -> None:
        self._rest.stop()
        self.settled.emit(self.value())


TEXT_MARGIN = 4
"""Pixels of a combo's field that its text does not take."""


class Combo(QComboBox):
    """A combo whose entries carry values and whose long names do not widen the dock."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(3)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the chosen text; where it is long its middle is left out, as both ends tell most."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        style = self.style()
        assert style is not None
        edit = QStyle.SubControl.SC_ComboBoxEditField
        field = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, edit, self)
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, Qt.TextElideMode.ElideMiddle, field.width() - TEXT_MARGIN
        )
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def fill(self, choices: Iterable[tuple[str, Any]]) -> None:
        """Offer (text, value) pairs; the value that is chosen stays so if it is among them.

        Signals only if the chosen value is another one afterwards.
        """
        before = self.value()
        with QSignalBlocker(self):
            self.clear()
            for text, value in choices:
                self.addItem(text, value)
            self._select(before)
        if self.value() != before:
            self.currentIndexChanged.emit(self.currentIndex())

    def value(self) -> Any:
        """Return the chosen value, None if there is none."""
        return self.currentData()

    def values(self) -> list[Any]:
        """Return all values that can be chosen."""
        return [self.itemData(index) for index in range(self.count())]

    def choose(self, value: Any) -> None:
        """Choose a value that is offered; others are ignored."""
        self._select(value)

    def _select(self, value: Any) -> None:
        values = self.values()
        if value in values:
            self.setCurrentIndex(values.index(value))


def row(owner: QWidget, *widgets: QWidget) -> QHBoxLayout:
    """Put widgets beside each other into their owner."""
    layout = QHBoxLayout(owner)
    _fill(layout, widgets)
    return layout


def column(owner: QWidget, *widgets: QWidget) -> QVBoxLayout:
    """Put widgets below each other into their owner."""
    layout = QVBoxLayout(owner)
    _fill(layout, widgets)
    return layout


def beside(*widgets: QWidget) -> QWidget:
    """Return a widget that holds others beside each other."""
    owner = QWidget()
    row(owner, *widgets)
    return owner


def form(owner: QWidget) -> QFormLayout:
    """Return a layout of labelled controls, narrow enough for a dock."""
    layout = QFormLayout(owner)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(6)
    layout.setVerticalSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return layout


def show_row(layout: QFormLayout, field: QWidget, shown: bool) -> None:
    """Show or hide a control of a form with its label."""
    field.setVisible(shown)
    label = layout.labelForField(field)
    if label is not None:
        label.setVisible(shown)


def sentence() -> QLabel:
    """Return a label that wraps its text within whatever width there is."""
    label = QLabel()
    label.setWordWrap(True)
    label.setMinimumWidth(1)
    # else the text is wrapped in half the width and stands in the middle
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _fill(layout: QHBoxLayout | QVBoxLayout, widgets: Iterable[QWidget]) -> None:
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.setSizeConstraint(QLayout.SizeConstraint.SetDefaultConstraint)
    for widget in widgets:
        layout.addWidget(widget)
