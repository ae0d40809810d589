"""How a command is told to stop, and how it shows what it does."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable


def stop_on_signal() -> Callable[[], bool]:
    """Return whether Ctrl-C or a termination signal has come."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop.is_set


def exit_on_termination() -> None:
    """Let a termination signal end the program in order, as Ctrl-C does: no process is left."""

    def end(*_: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)


def status_printer(period_s: float = 0.0) -> Callable[[str], None]:
    """Return a function that shows a line on stderr, over the last one on a terminal.

    Lines that come within ``period_s`` of the last one are left out.
    """
    start, end = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
    due = 0.0

    def show(line: str) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + period_s
            print(f"{start}{line}", end=end, file=sys.stderr, flush=True)

    return show
