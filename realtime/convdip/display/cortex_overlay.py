"""What is painted over the cortex: names of the views, colour scale, labels, banner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QImage, QPainter, QPen

from convdip.display.colours import Rgb, grey
from convdip.display.maps import Map, words_of
from convdip.display.theme import Theme
from convdip.display.wrap import breakable

BAR_WIDTH = 14
# Of a banner's text, by the text size: the first at which it is whole.
BANNER_SIZES = (1.8, 1.4, 1.1, 0.9, 0.7, 0.55)


@dataclass(frozen=True)
class CortexFrame:
    """What the cortex shows.

    Attributes
    ----------
    map : Map
    band_hz : (float, float) or None
        What it is the power of; None: of a moment.
    threshold : float
        Share of the scale below which nothing is drawn.
    pinned : int or None
        Region with an outline.
    truth : int or None
        Dipole of the simulated source that is active.
    banner : str
        Why the picture is grey; empty if it is not.
    """

    map: Map
    band_hz: tuple[float, float] | None
    threshold: float
    pinned: int | None
    truth: int | None
    banner: str


def scale_width(theme: Theme) -> int:
    """Return the width in pixels, right of the cortex, that the colour scale needs."""
    font = QFont()
    font.setPointSizeF(theme.points)
    return max(QFontMetrics(font).horizontalAdvance("baseline") + 8, 64)


class Overlay:
    """Paints over a cortex.

    Parameters
    ----------
    painter : QPainter
    size : QSizeF
        Of the widget.
    theme : Theme
    """

    def __init__(self, painter: QPainter, size: QSizeF, theme: Theme) -> None:
        self._painter, self._theme = painter, theme
        self._width, self._height = size.width(), size.height()

    def name_view(self, corner: QPointF, name: str) -> None:
        """Write the name of a view into its upper left corner."""
        self._painter.setPen(QColor(self._theme.dim))
        self._painter.drawText(corner + QPointF(8, self._painter.fontMetrics().height()), name)

    def mark_truth(self, places: Sequence[QPointF]) -> None:
        """Mark the simulated source with a ring that is visible on every colour."""
        for place in places:
            for colour, width in (("black", 5.0), ("white", 2.0)):
                self._painter.setPen(QPen(QColor(colour), width))
                self._painter.drawEllipse(place, 13.0, 13.0)
            self._label(place + QPointF(18, 4), "simulated source")

    def draw_scale(self, frame: CortexFrame, table: Rgb) -> None:
        """Draw the colour scale with its values.

        Parameters
        ----------
        frame : CortexFrame
        table : ndarray, shape (256, 3)
            Colours of 0 to 1, or of −1 to 1 where signs are drawn.
        """
        painter, line = self._painter, self._painter.fontMetrics().height()
        quantity, words = _quantity(frame), frame.map.words.split("\n")
        # Room for what is counted above and the words below: as much above as below.
        n_lines = max(len(quantity) + 0.8, len(words) + 0.8)
        height = min(self._height * 0.6, self._height - 2 * n_lines * line)
        height = max(height, 2.0 * line)
        top, left = (self._height - height) / 2, self._width - scale_width(self._theme) + 8
        lowest = -1.0 if frame.map.is_signed else 0.0
        shares = np.linspace(1.0, lowest, len(table))
        colours = ((grey(table) if frame.banner else table)[::-1] * 255).astype(np.uint8)
        background = QColor(self._theme.background)
        colours[np.abs(shares) < frame.threshold] = (
            background.red(),
            background.green(),
            background.blue(),
        )
        strip = np.ascontiguousarray(colours[:, None])
        image = QImage(strip.data, 1, len(strip), 3, QImage.Format.Format_RGB888)
        painter.drawImage(QRectF(left, top, BAR_WIDTH, height), image)
        painter.setPen(QColor(self._theme.dim))
        painter.drawRect(QRectF(left, top, BAR_WIDTH, height))
        painter.setPen(QColor(self._theme.text))
        middle = painter.fontMetrics().ascent() / 2
        least = frame.map.least
        taken: list[float] = []
        for share in _marked(frame):
            depth = (1 - share) / (1 - lowest)
            if any(abs(depth - other) * height < 0.9 * line for other in taken):
                continue
            taken.append(depth)
            at = QPointF(left + BAR_WIDTH + 4, top + height * depth + middle)
            form = "+.3g" if frame.map.is_signed and share else ".3g"
            value = least + share * (frame.map.limit - least)
            painter.drawText(at, f"{value:{form}}".replace("-", "−"))
        for number, word in enumerate(reversed(quantity)):
            painter.drawText(QPointF(left - 4, top - (0.7 + number) * line), word)
        for number, word in enumerate(words):
            painter.drawText(QPointF(left - 4, top + height + (1.6 + number) * line), word)

    def describe_dipole(self, places: Sequence[QPointF], text: str) -> None:
        """Write a text beside a dipole; into the lower left corner if it is hidden."""
        if not places:
            self._label(QPointF(8, self._height - 10), text)
            return
        place = places[0]
        self._painter.setPen(QPen(QColor(self._theme.text), 1.5))
        self._painter.drawEllipse(place, 4.0, 4.0)
        width = self._painter.fontMetrics().horizontalAdvance(text)
        left = max(min(place.x() + 12, self._width - width - 16), 8.0)
        self._label(QPointF(left, max(place.y() - 12, 24.0)), text)

    def draw_banner(self, text: str) -> QRectF:
        """Draw a text across the whole cortex, in as many lines as it takes; return where."""
        painter, flags = self._painter, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        text, room = breakable(text), QRectF(8, 0, self._width - 16, self._height)
        font = QFont(painter.font())
        font.setBold(True)
        for factor in BANNER_SIZES:
            font.setPointSizeF(max(self._theme.points * factor, 5.0))
            painter.setFont(font)
            needed = painter.boundingRect(room, flags, text)
            if room.contains(needed):
                break
        padding = min(painter.fontMetrics().height(), self._height - needed.height()) / 2
        height = needed.height() + 2 * padding
        box = QRectF(0, (self._height - height) / 2, self._width, height)
        painter.fillRect(box, QColor(self._theme.bad))
        painter.setPen(QColor(self._theme.background))
        painter.drawText(room, flags, text)
        return needed

    def _label(self, at: QPointF, text: str) -> None:
        painter, metrics = self._painter, self._painter.fontMetrics()
        box = QRectF(at.x() - 5, at.y() - metrics.ascent() - 3, 0, metrics.height() + 6)
        box.setWidth(metrics.horizontalAdvance(text) + 10)
        background = QColor(self._theme.panel)
        background.setAlpha(225)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(background)
        painter.drawRoundedRect(box, 4, 4)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(at, text)


def _quantity(frame: CortexFrame) -> list[str]:
    """Return what the scale counts, a line each."""
    unit = frame.map.unit
    if frame.band_hz is not None:
        return [*words_of(frame.band_hz).split(": "), "dB" if unit == "dB" else "RMS, nAm"]
    return [f"|{unit}|" if unit == "nAm" and not frame.map.is_signed else unit]


def _marked(frame: CortexFrame) -> tuple[float, ...]:
    """Return the shares of the scale that get a number."""
    if not frame.map.is_signed:
        return (1.0, 0.0, frame.threshold, 0.5, 0.75)
    # There are half as many pixels for each sign: what would touch the threshold is left out.
    apart = [share for share in (0.0, 0.5) if abs(share - frame.threshold) > 0.12]
    shares = (1.0, frame.threshold, *apart)
    return (*shares, *(-share for share in shares if share))
