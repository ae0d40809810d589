"""How a command is told to stop, how it shows what it does, and how it words a setting."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pylsl

_SETTING = re.compile(r"`([a-z_]+)(?:=([^`]+))?`")


def stop_on_signal() -> Callable[[], bool]:
    """Return whether Ctrl-C or a termination signal has come."""
    stop = threading.Event()
    call_on_signal(stop.set)
    return stop.is_set


def call_on_signal(end: Callable[[], None]) -> None:
    """Have Ctrl-C or a termination signal call a function."""
    for number in (signal.SIGINT, signal.SIGTERM):
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


def printable(text: str) -> str:
    r"""Show what a stream or a file says of itself, without what would steer the terminal.

    Examples
    --------
    >>> printable("Fp1\x1b[2J") == "Fp1\ufffd[2J"
    True
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


class FlagsFormatter(logging.Formatter):
    """Words log lines for the command line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return in_flags(super().format(record))


def exit_on_termination() -> None:
    """Let a termination signal end the program in order, as Ctrl-C does: no process is left."""

    def end(*_: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)


def quiet_lsl() -> None:
    """Keep liblsl's notes about sockets and interfaces out of the terminal; warnings stay.

    To be called before LSL is used. A user's own configuration stays in force, and keeps its log
    level where it sets one.
    """
    # liblsl's order.
    places = (
        os.environ.get("LSLAPICFG", ""),
        "lsl_api.cfg",
        "~/lsl_api/lsl_api.cfg",
        "/etc/lsl_api/lsl_api.cfg",
    )
    files = (Path(place).expanduser() for place in places if place)
    file = next((file for file in files if file.is_file()), None)
    content = "" if file is None else file.read_text(encoding="utf-8", errors="replace")
    if "[log]" not in content:
        pylsl.util.set_config_content(f"{content}\n[log]\nlevel = -1\n")


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
