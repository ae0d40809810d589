"""The cortex in the window: it is looked at, pointed at, clicked and turned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from convdip.display.colours import Rgb, grey
from convdip.display.cortex import THRESHOLD, CortexPicture
from convdip.display.theme import Theme
from convdip.display.view import FOUR_VIEWS, HOME, Camera, SurfaceName, free_camera
from convdip.head import Head

# Drawn at most: larger widgets get a picture that is scaled up.
MOST_PIXELS = 1_200_000
# A rough picture serves until size and camera have rested so long.
REST_MS = 200
DEGREES_PER_PIXEL = 0.5
BAR_WIDTH, BAR_MARGIN = 14, 64


@dataclass(frozen=True)
class CortexFrame:
    """What the cortex shows.

    Attributes
    ----------
    moments_nam : ndarray, shape (n_dipoles,)
    strength : ndarray, shape (n_dipoles,)
        In shares of the colour scale.
    limit : float
        End of the scale.
    unit : str
        Of the scale.
    scale : str
        How its end was found, in words.
    threshold : float
        Share of the scale below which nothing is drawn.
    pinned : int or None
        Region with a line around it.
    truth : int or None
        Dipole of the simulated source that is on.
    banner : str
        Why the picture is grey; empty where it is not.
    """

    moments_nam: NDArray[np.float32]
    strength: NDArray[np.float32]
    limit: float
    unit: str
    scale: str
    threshold: float
    pinned: int | None
    truth: int | None
    banner: str


class CortexWidget(QWidget):
    """Draws a frame; says where the mouse is.

    Parameters
    ----------
    theme : Theme
    """

    clicked = Signal(int)  # dipole

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setMouseTracking(True)
        self.setMinimumSize(240, 180)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.head: Head | None = None
        self.frame: CortexFrame | None = None
        self.picture: CortexPicture | None = None
        self.table: Rgb | None = None
        self.hovered: int | None = None
        self.space = ""
        self.to_space = np.eye(4)
        self._theme = theme
        self._surface_name: SurfaceName = "inflated"
        self._is_free = False
        self._angles = list(HOME)
        self._zoom = 1.0
        self._grabbed: QPointF | None = None
        self._was_dragged = False
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._refine)
        self._n_requests = 0
        self._built: list[tuple[int, CortexPicture]] = []

    def show_head(self, head: Head, space: str, to_space: NDArray[np.float64]) -> None:
        """Show another head.

        Parameters
        ----------
        head : Head
        space : str
            Name of the coordinates that are told.
        to_space : ndarray, shape (4, 4)
            From the head model's millimetres to them.
        """
        self.head, self.space, self.to_space = head, space, to_space
        self.frame = self.hovered = None
        self._rebuild()

    def set_surface(self, name: SurfaceName) -> None:
        """Show another surface."""
        self._surface_name = name
        self._rebuild()

    def set_free(self, is_free: bool) -> None:
        """Show both hemispheres from anywhere, or four standard views."""
        self._is_free = is_free
        self._angles, self._zoom = list(HOME), 1.0
        self._rebuild()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours around the activity."""
        is_other = theme.look != self._theme.look
        self._theme = theme
        if is_other:
            self._rebuild()

    def show_frame(self, frame: CortexFrame) -> None:
        """Draw a frame now, on the finest picture that there is of the view."""
        self.frame = frame
        while self._built:
            number, picture = self._built.pop(0)
            if number == self._n_requests:  # else the view has changed meanwhile
                self.picture = picture
        self.repaint()

    @property
    def n_dipoles(self) -> int:
        """How many dipoles the head has."""
        return 0 if self.head is None else self.head.n_dipoles

    @property
    def scale(self) -> float:
        """Pixels of the picture per unit of the widget."""
        width = self._map_size()[0]
        return 1.0 if self.picture is None else self.picture.width / max(width, 1)

    def places_of(self, dipole: int) -> list[QPointF]:
        """Return where in the widget a dipole is seen."""
        if self.picture is None:
            return []
        return [QPointF(x, y) / self.scale for x, y in self.picture.places_of(dipole)]

    def text_of(self, dipole: int) -> str:
        """Say where a dipole is and how strong."""
        assert self.head is not None
        region = self.head.atlas_names[self.head.atlas[dipole]]
        place = self.to_space @ np.append(self.head.dipoles_m[dipole] * 1e3, 1)
        x, y, z = (f"{axis:.0f}".replace("-", "−") for axis in place[:3])
        text = f"{region}   {self.space} {x}, {y}, {z} mm"
        if self.frame is not None:
            text += f"   {self.frame.moments_nam[dipole]:.2f} nAm"
        return text

    def _map_size(self) -> tuple[int, int]:
        return max(self.width() - BAR_MARGIN, 1), self.height()

    def _cameras(self) -> tuple[Camera, ...]:
        return (free_camera(self._angles[0], self._angles[1]),) if self._is_free else FOUR_VIEWS

    def _builder(self, density: float, supersampling: int) -> Callable[[], CortexPicture]:
        """Return what makes a picture of the view as it is now."""
        assert self.head is not None
        width, height = self._map_size()
        density = min(density, (MOST_PIXELS / max(width * height, 1)) ** 0.5)
        return partial(
            CortexPicture,
            self.head,
            max(int(width * density), 2),
            max(int(height * density), 2),
            self._surface_name,
            self._cameras(),
            self._theme.look,
            supersampling=supersampling,
            zoom=self._zoom,
        )

    def _rebuild(self) -> None:
        """Make a rough picture at once, and a fine one when things rest."""
        self._n_requests += 1
        if self.head is not None:
            self.picture = self._builder(0.5, 1)()
            self._rest.start()
            self.update()

    def _refine(self) -> None:
        """Make the fine picture in a thread: the window must not stand still for it."""
        build, number = self._builder(self.devicePixelRatioF(), 2), self._n_requests
        built = self._built  # the list alone: the widget may be gone by then
        threading.Thread(target=lambda: built.append((number, build())), daemon=True).start()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802, D102
        super().resizeEvent(event)
        self._rebuild()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802, D102
        self._grabbed, self._was_dragged = event.position(), False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802, D102
        if self._grabbed is not None and self._is_free:
            moved = event.position() - self._grabbed
            if self._was_dragged or moved.manhattanLength() > 4:
                self._was_dragged = True
                self._grabbed = event.position()
                self._angles[0] -= moved.x() * DEGREES_PER_PIXEL
                tilted = self._angles[1] + moved.y() * DEGREES_PER_PIXEL
                self._angles[1] = min(max(tilted, -90.0), 90.0)
                self._rebuild()
            return
        self.hovered = self._dipole_at(event.position())
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802, D102
        was_dragged, self._grabbed = self._was_dragged, None
        if was_dragged:
            return
        dipole = self._dipole_at(event.position())
        self.clicked.emit(-1 if dipole is None else dipole)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802, D102
        if self._is_free:
            self._angles, self._zoom = list(HOME), 1.0
            self._rebuild()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802, D102
        if self._is_free:
            self._zoom = min(max(self._zoom * 1.001 ** event.angleDelta().y(), 0.5), 4.0)
            self._rebuild()

    def leaveEvent(self, event: object) -> None:  # noqa: N802, D102
        self.hovered = None
        self.update()

    def _dipole_at(self, place: QPointF) -> int | None:
        if self.picture is None:
            return None
        at = place * self.scale
        return self.picture.dipole_at(int(at.x()), int(at.y()))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, D102
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._theme.background))
        if self.picture is None or self.head is None:
            return
        frame = self.frame
        strength = np.zeros(self.head.n_dipoles, np.float32) if frame is None else frame.strength
        pixels = self.picture.draw(
            strength,
            self.table,
            THRESHOLD if frame is None else frame.threshold,
            () if frame is None or frame.pinned is None else (frame.pinned,),
            is_grey=frame is not None and bool(frame.banner),
        )
        height, width, _ = pixels.shape
        image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        target = QRectF(0, 0, width / self.scale, height / self.scale)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.scale != 1.0)
        painter.drawImage(target, image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_names(painter)
        if frame is not None:
            if frame.truth is not None:
                self._paint_truth(painter, frame.truth)
            self._paint_bar(painter, frame)
        if self.hovered is not None:
            self._paint_hover(painter, self.hovered)
        if frame is not None and frame.banner:
            self._paint_banner(painter, frame.banner)

    def _paint_names(self, painter: QPainter) -> None:
        assert self.picture is not None
        painter.setPen(QColor(self._theme.dim))
        for camera, left, top, _, _ in self.picture.cells:
            corner = QPointF(left, top) / self.scale
            painter.drawText(corner + QPointF(8, painter.fontMetrics().height()), camera.name)

    def _paint_truth(self, painter: QPainter, dipole: int) -> None:
        """Mark the simulated source: a ring that is seen on every colour, and a word."""
        for place in self.places_of(dipole):
            for colour, width in (("black", 5.0), ("white", 2.0)):
                painter.setPen(QPen(QColor(colour), width))
                painter.drawEllipse(place, 13.0, 13.0)
            self._paint_label(painter, place + QPointF(18, 4), "simulated here")

    def _paint_bar(self, painter: QPainter, frame: CortexFrame) -> None:
        """Draw the colour scale with what its colours mean."""
        height = self.height() * 0.6
        top, left = (self.height() - height) / 2, self.width() - BAR_MARGIN + 8
        assert self.table is not None
        colours = grey(self.table) if frame.banner else self.table
        table = (colours[::-1] * 255).astype(np.uint8)
        n_drawn = round(len(table) * (1 - frame.threshold))
        strip = np.ascontiguousarray(table[:n_drawn, None])
        image = QImage(strip.data, 1, n_drawn, 3, QImage.Format.Format_RGB888)
        drawn = height * (1 - frame.threshold)
        painter.drawImage(QRectF(left, top, BAR_WIDTH, drawn), image)
        painter.setPen(QColor(self._theme.dim))
        painter.drawRect(QRectF(left, top, BAR_WIDTH, height))
        painter.setPen(QColor(self._theme.text))
        middle = painter.fontMetrics().ascent() / 2
        for share in (0.0, frame.threshold, 0.5, 0.75, 1.0):
            at = QPointF(left + BAR_WIDTH + 4, top + height * (1 - share) + middle)
            painter.drawText(at, f"{share * frame.limit:.3g}")
        at = QPointF(left - 4, top - painter.fontMetrics().height())
        painter.drawText(at, f"|{frame.unit}|" if frame.unit == "nAm" else frame.unit)
        line = painter.fontMetrics().height()
        for number, words in enumerate(frame.scale.split("\n")):
            painter.drawText(QPointF(left - 4, top + height + (1.6 + number) * line), words)

    def _paint_hover(self, painter: QPainter, dipole: int) -> None:
        places = self.places_of(dipole)
        text = self.text_of(dipole)
        width = painter.fontMetrics().horizontalAdvance(text)
        for place in places[:1]:
            painter.setPen(QPen(QColor(self._theme.text), 1.5))
            painter.drawEllipse(place, 4.0, 4.0)
            left = min(place.x() + 12, self.width() - width - 16)
            self._paint_label(painter, QPointF(max(left, 8.0), max(place.y() - 12, 24.0)), text)
        if not places:
            bottom = QPointF(8, self.height() - 10)
            self._paint_label(painter, bottom, text)

    def _paint_label(self, painter: QPainter, at: QPointF, text: str) -> None:
        metrics = painter.fontMetrics()
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

    def _paint_banner(self, painter: QPainter, text: str) -> None:
        font = QFont(self.font())
        font.setPointSizeF(self._theme.points * 1.8)
        font.setBold(True)
        painter.setFont(font)
        height = painter.fontMetrics().height() * 2.0
        box = QRectF(0, (self.height() - height) / 2, self.width(), height)
        painter.fillRect(box, QColor(self._theme.bad))
        painter.setPen(QColor(self._theme.background))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
