"""Controls in as many rows as the window's width and the text's size ask for."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget


class Flow(QWidget):
    """A row of widgets that breaks where it would not fit.

    Parameters
    ----------
    gap : int
        Pixels between widgets.
    """

    def __init__(self, gap: int = 6) -> None:
        super().__init__()
        self._gap = gap
        self._items: list[tuple[QWidget, bool]] = []
        self._height = 0

    def add(self, widget: QWidget, *, grows: bool = False) -> None:
        """Add a widget; one that grows takes what its row has left."""
        widget.setParent(self)
        widget.installEventFilter(self)
        self._items.append((widget, grows))
        self._place()

    def minimumSizeHint(self) -> QSize:  # noqa: N802, D102
        return QSize(max((_size(w).width() for w, _ in self._items), default=0), self._height)

    def sizeHint(self) -> QSize:  # noqa: N802, D102
        wide = sum(_size(w).width() + self._gap for w, _ in self._items)
        return QSize(wide, self._height)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802, D102
        super().resizeEvent(event)
        self._place()

    def event(self, event: QEvent) -> bool:  # noqa: D102
        if event.type() == QEvent.Type.LayoutRequest:
            self._place()
        return super().event(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802, D102
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            self._place()
        return False

    def _rows(self) -> list[list[tuple[QWidget, bool]]]:
        rows: list[list[tuple[QWidget, bool]]] = []
        left = 0
        for item in self._items:
            if _is_left_out(item[0]):
                continue
            width = _size(item[0]).width()
            if rows and width <= left:
                rows[-1].append(item)
            else:
                rows.append([item])
                left = self.width()
            left -= width + self._gap
        return rows

    def _place(self) -> None:
        is_mirrored = self.layoutDirection() == Qt.LayoutDirection.RightToLeft
        top = 0
        for row in self._rows():
            height = max(_size(widget).height() for widget, _ in row)
            taken = sum(_size(widget).width() for widget, _ in row) + self._gap * (len(row) - 1)
            spare = max(self.width() - taken, 0) // max(sum(grows for _, grows in row), 1)
            left = 0
            for widget, grows in row:
                size = _size(widget)
                width = min(size.width() + spare * grows, self.width())
                x = self.width() - left - width if is_mirrored else left
                widget.setGeometry(x, top + (height - size.height()) // 2, width, size.height())
                left += width + self._gap
            top += height + self._gap
        height = max(top - self._gap, 0)
        if height != self._height:
            self._height = height
            self.updateGeometry()


def _is_left_out(widget: QWidget) -> bool:
    """Whether a widget was hidden on purpose; before a window is shown, all are hidden."""
    on_purpose = widget.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide)
    return widget.isHidden() and on_purpose


def _size(widget: QWidget) -> QSize:
    return widget.sizeHint().expandedTo(widget.minimumSizeHint()).expandedTo(widget.minimumSize())
