"""The cortex in the window: hover, click, rotate, zoom."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from convdip.display.colours import Rgb
from convdip.display.cortex import CortexPicture
from convdip.display.cortex_overlay import CortexFrame, Overlay, scale_width
from convdip.display.theme import Theme
from convdip.display.view import FOUR_VIEWS, HOME, Camera, SurfaceName, free_camera
from convdip.head import Head

# Larger widgets get a picture that is scaled up.
MOST_PIXELS = 1_200_000
# A coarse picture is shown until size and camera have not changed for so long.
REST_MS = 200
DEGREES_PER_PIXEL = 0.5


class CortexWidget(QWidget):
    """Draws frames; emits which dipole is clicked.

    Parameters
    ----------
    theme : Theme
    """

    clicked = Signal(int)  # dipole; -1 off the cortex

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setMouseTracking(True)
        self.setAccessibleName("cortex")
        self.setMinimumSize(240, 150)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.head: Head | None = None
        self.frame: CortexFrame | None = None
        self.picture: CortexPicture | None = None
        self.table: Rgb | None = None
        self._pixels: NDArray[np.uint8] | None = None  # of the frame; kept, as a hover repaints
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
            Name of the coordinate system shown.
        to_space : ndarray, shape (4, 4)
            Affine transform to it from the head model's millimetres.
        """
        self.head, self.space, self.to_space = head, space, to_space
        self.frame = self.hovered = None
        self._rebuild()

    def set_surface(self, name: SurfaceName) -> None:
        """Show another surface."""
        self._surface_name = name
        self._rebuild()

    def set_free(self, is_free: bool) -> None:
        """Show the free view of both hemispheres, or the four standard views."""
        self._is_free = is_free
        self._angles, self._zoom = list(HOME), 1.0
        self._rebuild()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours around the activity, and the text size."""
        is_other = (theme.look, theme.points) != (self._theme.look, self._theme.points)
        self._theme = theme
        if is_other:
            self._rebuild()

    def show_frame(self, frame: CortexFrame) -> None:
        """Draw a frame now, on the finest picture available of the view."""
        self.frame, self._pixels = frame, None
        if self.accessibleDescription() != frame.banner:
            self.setAccessibleDescription(frame.banner)
        while self._built:
            number, picture = self._built.pop(0)
            if number == self._n_requests:  # else the view has changed since
                self.picture = picture
        self.repaint()

    @property
    def n_dipoles(self) -> int:
        """Number of dipoles; 0 without a head."""
        return 0 if self.head is None else self.head.n_dipoles

    @property
    def scale(self) -> float:
        """Pixels of the picture per unit of the widget."""
        width = self._map_size()[0]
        return 1.0 if self.picture is None else self.picture.width / max(width, 1)

    def places_of(self, dipole: int) -> list[QPointF]:
        """Return where in the widget a dipole is visible, once per view."""
        if self.picture is None:
            return []
        return [QPointF(x, y) / self.scale for x, y in self.picture.places_of(dipole)]

    def text_of(self, dipole: int) -> str:
        """Return a dipole's region, coordinates and moment as text."""
        assert self.head is not None
        region = self.head.atlas_names[self.head.atlas[dipole]]
        if not self.head.is_cortex[dipole]:
            region = "medial wall, no cortex"
        place = self.to_space @ np.append(self.head.dipoles_m[dipole] * 1e3, 1)
        x, y, z = (f"{axis:.0f}".replace("-", "−") for axis in place[:3])
        text = f"{region}   {self.space} {x}, {y}, {z} mm"
        if self.frame is not None:
            is_moment = self.frame.band_hz is None
            form = "+z.2f" if is_moment and self.frame.map.is_signed else "z.2f"  # z: no −0
            value_nam = float(self.frame.map.values_nam[dipole])
            unit = "nAm" if is_moment else "nAm RMS"
            text += f"   {value_nam:{form}} {unit}".replace("-", "−")
        return text

    def _map_size(self) -> tuple[int, int]:
        return max(self.width() - scale_width(self._theme), 1), self.height()

    def _cameras(self) -> tuple[Camera, ...]:
        return (free_camera(self._angles[0], self._angles[1]),) if self._is_free else FOUR_VIEWS

    def _builder(self, density: float, supersampling: int) -> Callable[[], CortexPicture]:
        """Return a function that makes a picture of the present view."""
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
        """Make a coarse picture at once, and a fine one once the view rests."""
        self._n_requests += 1
        self._pixels = None
        if self.head is not None:
            self.picture = self._builder(0.5, 1)()
            self._rest.start()
            self.update()

    def _refine(self) -> None:
        """Make the fine picture in a thread, so that the window does not freeze."""
        build, number = self._builder(self.devicePixelRatioF(), 2), self._n_requests
        built = self._built  # not self: the widget may be gone by then
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
        if not self._is_free:
            event.ignore()  # the page may scroll
        else:
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
        if self._pixels is None:
            self._pixels = self._draw(self.picture, self.head)
        height, width, _ = self._pixels.shape
        image = QImage(self._pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        target = QRectF(0, 0, width / self.scale, height / self.scale)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self.scale != 1.0)
        painter.drawImage(target, image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_overlay(painter)

    def _draw(self, picture: CortexPicture, head: Head) -> NDArray[np.uint8]:
        if self.frame is None:
            return picture.draw(np.zeros(head.n_dipoles, np.float32), self.table)
        frame = self.frame
        return picture.draw(
            frame.map.strength,
            self.table,
            frame.threshold,
            () if frame.pinned is None else (frame.pinned,),
            is_signed=frame.map.is_signed,
            is_grey=bool(frame.banner),
        )

    def _paint_overlay(self, painter: QPainter) -> None:
        assert self.picture is not None
        frame, overlay = self.frame, Overlay(painter, QSizeF(self.size()), self._theme)
        for camera, left, top, _, _ in self.picture.cells:
            overlay.name_view(QPointF(left, top) / self.scale, camera.name)
        if frame is not None:
            if frame.truth is not None:
                overlay.mark_truth(self.places_of(frame.truth))
            assert self.table is not None
            overlay.draw_scale(frame, self.table)
        if self.hovered is not None:
            overlay.describe_dipole(self.places_of(self.hovered), self.text_of(self.hovered))
        if frame is not None and frame.banner:
            overlay.draw_banner(frame.banner)
