"""How a command is told to stop, and how it words a setting."""

from __future__ import annotations

import logging
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from convdip.text import shown_line, shown_lines

# Those of them that the system has: Windows has no SIGHUP, and it alone Ctrl-Break.
ENDINGS = tuple(
    number
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if (number := getattr(signal, name, None)) is not None
)

_SETTING = re.compile(r"`([a-z_]+)(?:=([^`]+))?`")


def stop_on_signal() -> Callable[[], bool]:
    """Return whether Ctrl-C or a termination signal has come."""
    stop = threading.Event()
    call_on_signal(stop.set)
    return stop.is_set


def call_on_signal(end: Callable[[], None]) -> None:
    """Have Ctrl-C, a termination signal, or the end of the terminal call a function.

    Of a program that was started to outlive its terminal (``nohup``), that end stays ignored.
    """
    for number in ENDINGS:
        if number != getattr(signal, "SIGHUP", None) or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: end())


def in_flags(text: str) -> str:
    """Word a message of the library for the command line: its settings are flags there.

    Examples
    --------
    >>> in_flags("`max_backlog_s` is 9: expected less; give `unit='microvolts'`")
    '--max-backlog-s is 9: expected less; give --unit microvolts'
    """

    def flag(match: re.Match[str]) -> str:
        value = f" {match[2].strip(chr(39))}" if match[2] else ""
        return f"--{match[1].replace('_', '-')}{value}"

    return _SETTING.sub(flag, text)


def in_a_line(text: object) -> str:
    """Word a message of the library for the command line, in one line that steers no terminal."""
    return shown_line(in_flags(str(text)))


class FlagsFormatter(logging.Formatter):
    """Words log lines for the command line; a message is one line, whatever it quotes."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line."""
        record.message = in_a_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return the lines of a traceback."""
        return shown_lines(super().formatException(ei))


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
            print(f"{start}{shown_line(line)}", end=end, file=sys.stderr, flush=True)

    return show
