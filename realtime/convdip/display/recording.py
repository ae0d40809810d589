"""The files that the window writes: names by date and time, and GIFs."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

from PIL import Image
from PySide6.QtGui import QImage, QPixmap

GIF_FPS = 10.0
GIF_WIDTH = 900
GIF_MOST_S = 20.0
N_COLOURS = 128


def new_file(folder: Path, suffix: str) -> Path:
    """Create an empty file named by date and time, and return its path.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    stem = f"convdip-{datetime.now():%Y%m%d-%H%M%S}"
    number = 0
    while True:
        path = folder / f"{stem}{f'-{number}' if number else ''}{suffix}"
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path


class GifRecorder:
    """Collects pictures, ten a second for 20 s at most, and writes them as a GIF.

    Attributes
    ----------
    is_recording : bool
    """

    def __init__(self) -> None:
        self.is_recording = False
        self._frames: list[Image.Image] = []
        self._started_s = self._due_s = 0.0
        self._written: list[str] = []

    def start(self, now_s: float) -> None:
        """Start a recording."""
        self.is_recording, self._frames = True, []
        self._started_s = self._due_s = now_s

    def is_due(self, now_s: float) -> bool:
        """Whether a picture is due."""
        return self.is_recording and now_s >= self._due_s

    def is_full(self, now_s: float) -> bool:
        """Whether the recording has its full length."""
        return self.is_recording and now_s - self._started_s >= GIF_MOST_S

    def add(self, picture: QPixmap, now_s: float) -> None:
        """Add a picture."""
        # After a stall, pictures missed are not made up for.
        self._due_s = max(self._due_s + 1 / GIF_FPS, now_s)
        image = picture.toImage().convertToFormat(QImage.Format.Format_RGB888)
        frame = Image.frombuffer(
            "RGB",
            (image.width(), image.height()),
            bytes(image.constBits()),
            "raw",
            "RGB",
            image.bytesPerLine(),
            1,
        )
        height = round(frame.height * GIF_WIDTH / frame.width)
        # A palette takes a third of the memory.
        self._frames.append(frame.resize((GIF_WIDTH, height)).quantize(N_COLOURS))

    def finish(self, path: Path | None) -> None:
        """Write the file in a thread, since it takes a while; None discards the recording."""
        frames, self._frames, self.is_recording = self._frames, [], False

        def write(path: Path) -> None:
            try:
                frames[0].save(
                    path,
                    save_all=True,
                    append_images=frames[1:],
                    duration=round(1000 / GIF_FPS),
                    loop=0,
                )
            except OSError as error:
                self._written.append(f"cannot save {path}: {error.strerror}")
            else:
                self._written.append(f"saved {path}")

        if frames and path is not None:
            # No daemon: the program waits for it at exit.
            threading.Thread(target=write, args=(path,)).start()

    def news(self) -> list[str]:
        """Return messages about files written since the last call."""
        news, self._written = self._written, []
        return news
