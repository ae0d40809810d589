"""Who watches over a running service: a person at the terminal, systemd, a file for other programs.

All are told from the service's own loop, so that none is told that it runs while it does not.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from pylsl import local_clock

from convdip import systemd
from convdip.errors import ConvDipError
from convdip.live.health import Health, status_line
from convdip.live.health_file import HealthFile
from convdip.processes import Process

log = logging.getLogger(__name__)


class Attendance:
    """Tells them once a second, as ``on_status`` of a `Service`.

    Parameters
    ----------
    name : str
        Stem of the published streams' names.
    health_file : Path or None
    show : callable
        Gets the status line.

    Attributes
    ----------
    window : Process or None
        A display beside the service, looked after too.

    Raises
    ------
    ConfigError
        If there can be no such file.
    """

    def __init__(self, name: str, health_file: Path | None, show: Callable[[str], None]) -> None:
        self.window: Process | None = None
        self._show = show
        self._file = None if health_file is None else HealthFile(health_file, name)

    def __enter__(self) -> Attendance:
        systemd.notify(STATUS="looking for the input")
        return self

    def __exit__(self, *_: object) -> None:
        systemd.notify(STOPPING=1, STATUS="stopped")
        if self._file is not None:
            self._file.close()

    def is_ready(self, input_name: str) -> None:
        """Tell that the streams are there."""
        systemd.notify(READY=1)
        if self._file is not None:
            self._file.input_name = input_name

    def __call__(self, health: Health) -> None:
        """Tell how it goes."""
        now_s = local_clock()
        line = status_line(health, now_s)
        # A log begins with the first line that has an age, or a problem, to tell of.
        if sys.stderr.isatty() or health.has_age or health.silence_s(now_s) or health.is_over:
            self._show(line)
        systemd.notify(WATCHDOG=1, STATUS=line)
        if self._file is not None:
            self._file.report(health, now_s)
        try:
            if self.window is not None:
                self.window.check_alive()
        except ConvDipError as error:  # the service goes on without it
            log.warning("%s", error)
            self.window = None
