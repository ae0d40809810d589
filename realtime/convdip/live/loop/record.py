"""A session's record: what was measured and fed back, sample by sample, in a file."""

from __future__ import annotations

import errno
import io
import logging
import queue
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.feedback.sham import TABLE
from convdip.live.loop.worker import Worker

log = logging.getLogger(__name__)

# Written so often: what a crash may cost.
PERIOD_S = 0.2
# So many chunks may wait for a disk that hangs; what comes then is lost, and counted.
MOST_WAITING = 10_000


def check_folder(folder: Path) -> None:
    """Refuse a folder in which something would be overwritten.

    Raises
    ------
    ConfigError
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ConfigError(f"`record`: {folder} is there already: name a new folder")


class Record:
    """Writes ``feedback.tsv``, in a thread of its own: a slow disk delays no sample.

    Parameters
    ----------
    folder : Path
        Made; must not hold anything.
    columns : sequence of str
        After ``stamp``, which has microseconds.

    Attributes
    ----------
    n_lost : int
        Rows that could not be written.

    Raises
    ------
    ConfigError
        If the folder cannot be made, or holds something.
    """

    def __init__(self, folder: Path, columns: list[str]) -> None:
        check_folder(folder)
        self.n_lost = 0
        self._formats = ["%.6f", *["%.7g"] * len(columns)]
        self._waiting = queue.Queue[NDArray[np.float64]](MOST_WAITING)
        header = "\t".join(["stamp", *columns]) + "\n"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / TABLE).open("wb", buffering=0)
            self._n_bytes = self._file.write(header.encode())
        except OSError as error:
            raise ConfigError(f"`record`: {folder} cannot be written: {error.strerror}") from None
        self._is_over = threading.Event()
        self._worker = Worker(self._write, "convdip-record")

    def add(self, stamps: NDArray[np.float64], rows: NDArray[np.float64]) -> None:
        """Add samples: their stamps, and the columns, shape (n_times, n_columns).

        Raises
        ------
        Exception
            What ended the writing, if anything but the disk did.
        """
        self._worker.check()
        try:
            self._waiting.put_nowait(np.column_stack([stamps, rows]))
        except queue.Full:
            self._lose(len(stamps), "the disk does not keep up")

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits."""
        self._is_over.set()
        self._worker.join(timeout_s)

    def _write(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._is_over.wait(PERIOD_S)
            chunks = [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]
            if chunks:
                self._append(np.concatenate(chunks))
        self._file.close()

    def _append(self, rows: NDArray[np.float64]) -> None:
        """Write rows wholly, or none of them: the file is whole whatever the disk does."""
        text = io.StringIO()
        np.savetxt(text, rows, self._formats, delimiter="\t")
        content = text.getvalue().encode()
        try:
            n_written = self._file.write(content)
            if n_written < len(content):
                raise OSError(errno.ENOSPC, "no space left")
            self._n_bytes += n_written
        except OSError as error:
            self._lose(len(rows), str(error.strerror))
            with suppress(OSError):
                self._file.truncate(self._n_bytes)
                self._file.seek(self._n_bytes)

    def _lose(self, n: int, why: str) -> None:
        if not self.n_lost:
            log.warning("the record lacks rows from here on: %s", why)
        self.n_lost += n
