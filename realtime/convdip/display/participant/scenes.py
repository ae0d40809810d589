"""The scenes: each draws one value between 0 and 1 on the whole window.

A scene without a value draws its frame alone. The success has a colour and a form of its own: a
tick over the gauge, a ring around the circle, rays around the sun.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QLinearGradient,
    QPainter,
    QPainterPath,
    QPolygonF,
    QRadialGradient,
)

from convdip.display.participant import SceneName
from convdip.display.participant.brush import ABOVE, BACKGROUND, BELOW, TEXT, pen, tone, write

TRACK = "#262b33"


@dataclass(frozen=True)
class Look:
    """How a scene looks in a frame.

    Attributes
    ----------
    value : float or None
        Where it stands; None for no value.
    threshold : float
    is_above : bool
        Whether it shows a success.
    is_grey : bool
        It stands still: nothing is fed back.
    word : str
        Below it; empty for nothing.
    """

    value: float | None
    threshold: float
    is_above: bool = False
    is_grey: bool = False
    word: str = ""


def draw_scene(painter: QPainter, box: QRectF, name: SceneName, look: Look) -> None:
    """Draw a scene into a box."""
    painter.fillRect(box, tone(BACKGROUND, is_grey=look.is_grey))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    SCENES[name](painter, box, look)
    if look.word:
        line = QRectF(0, 0, box.width() * 0.8, box.height() * 0.06)
        line.moveCenter(QPointF(box.center().x(), box.top() + box.height() * 0.93))
        write(painter, line, look.word, tone(TEXT, is_grey=True))


def _gauge(painter: QPainter, box: QRectF, look: Look) -> None:
    """Draw a column in a track, with the threshold as a mark across."""
    height, middle = box.height(), box.center().x()
    width = min(0.16 * height, 0.3 * box.width())
    track = QRectF(middle - width / 2, box.top() + 0.17 * height, width, 0.68 * height)
    corner, rim = width * 0.18, width * 0.05
    light, dark = (tone(colour, is_grey=look.is_grey) for colour in (TEXT, BACKGROUND))
    filling = tone(ABOVE if look.is_above else BELOW, is_grey=look.is_grey)
    painter.setPen(pen(filling, rim) if look.is_above else Qt.PenStyle.NoPen)
    painter.setBrush(tone(TRACK, is_grey=look.is_grey))
    around = rim * 1.4 if look.is_above else 0
    painter.drawRoundedRect(
        track.adjusted(-around, -around, around, around), corner + around, corner + around
    )
    if look.value is not None:
        column, inside = QPainterPath(), QPainterPath()
        column.addRect(track.adjusted(0, (1 - look.value) * track.height(), 0, 0))
        inside.addRoundedRect(track, corner, corner)
        painter.fillPath(column.intersected(inside), filling)
    y = track.bottom() - look.threshold * track.height()
    for colour, thick in ((dark, 1.6), (light, 0.6)):  # to be seen on the column, too
        painter.setPen(pen(colour, rim * thick, ends=Qt.PenCapStyle.FlatCap))
        painter.drawLine(QLineF(track.left(), y, track.right(), y))
    painter.setBrush(light)
    painter.setPen(Qt.PenStyle.NoPen)
    for side in (-1, 1):
        tip, far = middle + side * width * 0.68, middle + side * width * 0.9
        wings = [QPointF(tip, y), QPointF(far, y - width * 0.12), QPointF(far, y + width * 0.12)]
        painter.drawPolygon(QPolygonF(wings))
    if look.is_above:
        centre = QPointF(middle, box.top() + 0.085 * height)
        size = 0.03 * height
        painter.setPen(pen(filling, size * 0.4))
        tick = [QPointF(-size, 0), QPointF(-size * 0.3, size * 0.7), QPointF(size, -size * 0.8)]
        painter.drawPolyline(QPolygonF([centre + point for point in tick]))


def _circle(painter: QPainter, box: QRectF, look: Look) -> None:
    """Draw a disc that grows, with the threshold as a ring."""
    centre = QPointF(box.center().x(), box.top() + 0.46 * box.height())
    full = 0.36 * min(box.width(), box.height())

    def radius(value: float) -> float:
        return full * (0.12 + 0.88 * value)

    filling = tone(ABOVE if look.is_above else BELOW, is_grey=look.is_grey)
    if look.value is not None:
        size = radius(look.value)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(filling)
        painter.drawEllipse(centre, size, size)
        if look.is_above:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(pen(filling, full * 0.035))
            painter.drawEllipse(centre, size + full * 0.1, size + full * 0.1)
    size = radius(look.threshold)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if look.value is not None and look.value > look.threshold:
        painter.setPen(pen(tone(BACKGROUND, is_grey=look.is_grey), full * 0.045))
        painter.drawEllipse(centre, size, size)
    painter.setPen(pen(tone(TEXT, is_grey=look.is_grey), full * 0.018, is_dashed=True))
    painter.drawEllipse(centre, size, size)


def _horizon(painter: QPainter, box: QRectF, look: Look) -> None:
    """Draw a sun that rises from the sea, with the threshold as a line in the sky."""
    width, height = box.width(), box.height()
    sea_y, radius = box.top() + 0.68 * height, 0.085 * height
    # From its upper edge on the horizon to well below the window's.
    low_y, high_y = sea_y + 0.6 * radius, box.top() + 0.17 * height
    middle = box.center().x()

    def ink(colour: str, alpha: float = 1.0) -> QColor:
        return tone(colour, is_grey=look.is_grey, alpha=alpha)

    sky = QLinearGradient(0, box.top(), 0, sea_y)
    for place, colour in ((0, "#1b2440"), (0.6, "#3d4468"), (1, "#8a6474")):
        sky.setColorAt(place, ink(colour))
    painter.fillRect(QRectF(box.left(), box.top(), width, sea_y - box.top()), sky)

    line_y = low_y - look.threshold * (low_y - high_y)
    painter.setPen(pen(ink(TEXT, 0.75), height * 0.004, is_dashed=True))
    for side in (-1, 1):
        near, far = middle + side * 3.2 * radius, middle + side * 0.46 * width
        painter.drawLine(QLineF(near, line_y, far, line_y))

    of_sun = "#ffd27a" if look.is_above else "#f0a97c"
    sun = ink(of_sun)
    y = low_y if look.value is None else low_y - look.value * (low_y - high_y)
    if look.value is not None:
        painter.save()
        painter.setClipRect(QRectF(box.left(), box.top(), width, sea_y - box.top()))
        painter.setPen(Qt.PenStyle.NoPen)
        glow = QRadialGradient(QPointF(middle, y), 3.4 * radius)
        for place, alpha in ((0.25, 0.35), (1, 0.0)):
            glow.setColorAt(place, ink(of_sun, alpha))
        painter.setBrush(glow)
        painter.drawEllipse(QPointF(middle, y), 3.4 * radius, 3.4 * radius)
        painter.setBrush(sun)
        painter.drawEllipse(QPointF(middle, y), radius, radius)
        if look.is_above:
            painter.setPen(pen(sun, radius * 0.1))
            for turn in range(16):
                beam = QLineF.fromPolar(radius * 1.75, 360 / 16 * turn)
                beam.translate(QPointF(middle, y))
                painter.drawLine(QLineF(beam.pointAt(0.74), beam.p2()))
        painter.restore()

    sea = QLinearGradient(0, sea_y, 0, box.bottom())
    for place, colour in ((0, "#35486a"), (1, "#141b2c")):
        sea.setColorAt(place, ink(colour))
    painter.fillRect(QRectF(box.left(), sea_y, width, box.bottom() - sea_y), sea)
    if look.value is not None:
        _glitter(painter, QPointF(middle, sea_y), radius, (sea_y - y) / height, sun)


def _glitter(
    painter: QPainter, top: QPointF, radius: float, sun_height: float, sun: QColor
) -> None:
    """Draw the sun's reflection: the higher it stands, the longer."""
    n_waves = 2 + math.floor(12 * max(0.0, sun_height))
    for wave in range(n_waves):
        half = radius * (0.95 - 0.09 * wave) * (1 if wave % 2 else 0.7)
        y = top.y() + radius * (0.16 + 0.26 * wave)
        colour = QColor(sun)
        colour.setAlphaF(0.5 * (1 - wave / (n_waves + 1)))
        painter.setPen(pen(colour, radius * 0.07))
        painter.drawLine(QLineF(top.x() - half, y, top.x() + half, y))


SCENES: dict[SceneName, Callable[[QPainter, QRectF, Look], None]] = {
    "gauge": _gauge,
    "circle": _circle,
    "horizon": _horizon,
}
