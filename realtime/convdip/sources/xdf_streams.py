"""XDF files: what they hold of recorded LSL streams."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convdip.description import desc_of
from convdip.streams import Channel, channels_of
from convdip.text import one_line, shown

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class XdfStream:
    """A recorded stream.

    Attributes
    ----------
    number : int
        In the file.
    name, type, source_id, format : str
    nominal_hz : float
        0 for an irregular stream.
    channels : tuple of Channel
    samples : ndarray, shape (n_times, n_channels), or list of list of str
    stamps : ndarray, shape (n_times,)
        Seconds, on the recording computer's clock.
    """

    number: int
    name: str
    type: str
    source_id: str
    format: str
    nominal_hz: float
    channels: tuple[Channel, ...]
    samples: Any
    stamps: NDArray[np.float64]

    @property
    def is_text(self) -> bool:
        """Whether its samples are strings."""
        return self.format == "string"

    @property
    def is_markers(self) -> bool:
        """Whether it tells what happened when."""
        return self.is_text or self.type.lower() == "markers"

    def __str__(self) -> str:
        return (
            f"{self.number}: {self.name!r} (type {self.type or 'none'}, {len(self.channels)} "
            f"channels, {len(self.stamps)} samples)"
        )


def load_streams(path: Path) -> list[XdfStream]:
    """Read all streams of an XDF file, with time stamps on one clock.

    A damaged file is read as far as it can be.
    """
    import pyxdf

    open_file = gzip.open if path.suffix.lower() in (".xdfz", ".gz") else open
    with open_file(path, "rb") as file, _damage_said(path):
        if file.read(4) != b"XDF:":
            raise ValueError("it does not begin as an XDF file does")
        file.seek(0)
        loaded, _ = pyxdf.load_xdf(file, verbose=False)
    return [_described(stream) for stream in loaded]


@contextmanager
def _damage_said(path: Path) -> Iterator[None]:
    """Say in one line each what pyxdf finds damaged; it would log tracebacks."""
    damage: dict[str, None] = {}

    def take(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            damage[record.getMessage()] = None
        return False

    logger = logging.getLogger("pyxdf.pyxdf")
    logger.addFilter(take)
    try:
        yield
    finally:
        logger.removeFilter(take)
    for what in damage:
        log.warning("%s is damaged, and read as far as it can be: %s", path.name, one_line(what))


def _described(loaded: dict[str, Any]) -> XdfStream:
    info = loaded["info"]

    def text(key: str) -> str:
        return shown(str((info.get(key) or [""])[0] or "").strip())

    desc = desc_of((info.get("desc") or [None])[0], "a stream of the file")
    return XdfStream(
        number=int(info["stream_id"]),
        name=text("name"),
        type=text("type"),
        source_id=text("source_id"),
        format=text("channel_format"),
        nominal_hz=float(text("nominal_srate") or 0),
        channels=channels_of(desc, int(text("channel_count"))),
        samples=loaded["time_series"],
        stamps=np.asarray(loaded["time_stamps"], float),
    )
