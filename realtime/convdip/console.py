"""Standard output and error of a program that must go on whatever becomes of them.

A disk is full, the reader of a pipe has left or does not read, a terminal was closed or is held
with Ctrl-S: none of that may end the service, or keep it waiting.
"""

from __future__ import annotations

import io
import logging
import os
import queue
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

# So many lines may wait for a reader; what comes then is lost.
MOST_WAITING = 1000
# How long a program that ends waits for its last lines to be read.
PATIENCE_S = 0.5
# So many log lines of one kind, and so many in all, within a period.
PERIOD_S, MOST_ALIKE, MOST_LINES = 10.0, 20, 200

_NUMBER = re.compile(r"\d+")


@contextmanager
def patient_stderr() -> Iterator[None]:
    """Let standard error take what it can, while nobody waits for it."""
    _fill_closed()
    before = sys.stderr
    stderr = _Patient(before)
    sys.stderr = stderr
    try:
        yield
    finally:
        sys.stderr = before
        stderr.close()


def tell(text: str) -> None:
    """Print a result on standard output, as far as that can be written."""
    with suppress(OSError, ValueError):
        print(text, flush=True)


def finish_stdout() -> None:
    """Write what is left; where that cannot be, forget it: Python would end with code 120."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, sys.stdout.fileno())
            os.close(nothing)


class SparingHandler(logging.StreamHandler[TextIO]):
    """Writes log lines, but no more of a kind than somebody could read.

    Lines are of one kind if they differ in their numbers alone. How many were left out is said.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._begun_s, self._kinds = 0.0, Counter[str]()
        self._n_written = self._n_left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or count it."""
        if time.monotonic() - self._begun_s > PERIOD_S:
            self._tell_left_out()
            self._begun_s = time.monotonic()
            self._kinds.clear()
            self._n_written = 0
        kind = _NUMBER.sub("#", record.getMessage())
        self._kinds[kind] += 1
        if self._kinds[kind] > MOST_ALIKE or self._n_written >= MOST_LINES:
            self._n_left_out += 1
        else:
            self._n_written += 1
            super().emit(record)

    def close(self) -> None:
        """Say what was left out last."""
        self._tell_left_out()
        super().close()

    def _tell_left_out(self) -> None:
        n, self._n_left_out = self._n_left_out, 0
        if n:
            said = f"{n} more log lines within {PERIOD_S:g} s were left out"
            super().emit(logging.LogRecord(__name__, logging.WARNING, "", 0, said, None, None))


class _Patient(io.TextIOBase):
    """Writes to a stream in a thread of its own; what it does not take in time is lost."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream, self._descriptor = stream, None
        with suppress(OSError, ValueError, AttributeError):
            # Not by the stream: at the end, Python would wait for a thread that hangs in it.
            self._descriptor = None if stream is None else stream.fileno()
        self._lines = queue.Queue[str | None](MOST_WAITING)
        self._begun, self._lock = "", threading.Lock()
        self._thread = threading.Thread(target=self._write, name="convdip-stderr", daemon=True)
        self._thread.start()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether a person reads it."""
        with suppress(OSError, ValueError):
            return self._stream is not None and self._stream.isatty()
        return False

    def fileno(self) -> int:
        """Return the descriptor of the stream."""
        if self._descriptor is None:
            raise io.UnsupportedOperation("no descriptor")
        return self._descriptor

    def writable(self) -> bool:
        """Whether it can be written to: always."""
        return True

    def write(self, text: str) -> int:
        """Take text; whole lines are on their way."""
        with self._lock:
            self._begun += text
        if text.endswith("\n"):
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Send what was begun on its way."""
        with self._lock, suppress(queue.Full):
            begun, self._begun = self._begun, ""
            if begun:
                self._lines.put_nowait(begun)

    def close(self) -> None:
        """Wait a moment for what is left."""
        if self.closed:
            return
        self.flush()
        with suppress(queue.Full):
            self._lines.put(None, timeout=PATIENCE_S)
        self._thread.join(PATIENCE_S)
        super().close()

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            with suppress(OSError, ValueError):  # full, closed, gone: perhaps not for ever
                if self._descriptor is not None:
                    left = line.encode(self.encoding, "backslashreplace")
                    while left:
                        left = left[os.write(self._descriptor, left) :]
                elif self._stream is not None:
                    self._stream.write(line)
                    self._stream.flush()


def _fill_closed() -> None:
    """Point standard streams that were closed at nothing: a socket would take their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
