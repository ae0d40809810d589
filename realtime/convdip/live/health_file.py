"""A file with how the service goes, for whoever supervises it."""

from __future__ import annotations

import json
import logging
import os
import threading
from contextlib import suppress
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from convdip.errors import ConfigError
from convdip.live.health import Health
from convdip.live.state import State, state_of
from convdip.streams import AGE

log = logging.getLogger(__name__)

CLOSE_S = 0.5


class HealthFile:
    """A JSON object in a file that is always whole: written beside it, then put in its place.

    In a thread of its own, so that a disk that hangs delays no sample; of what waits meanwhile the
    newest is written.

    Parameters
    ----------
    path : Path
    name : str
        Stem of the published streams' names.

    Attributes
    ----------
    input_name : str or None
        The EEG stream, once it is there.

    Raises
    ------
    ConfigError
        If the file's folder is not there.
    """

    def __init__(self, path: Path, name: str) -> None:
        if not path.parent.is_dir() or (path.exists() and not path.is_file()):
            raise ConfigError(
                f"`health_file` is {path}: expected a file, in a folder that is there already"
            )
        self._path, self._beside = path, path.with_name(f".{path.name}.{os.getpid()}")
        self.input_name: str | None = None
        self._name = name
        self._newest: dict[str, Any] | None = None
        self._is_over = self._is_told = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._follow, name="convdip-health", daemon=True)
        self._thread.start()
        self.put(State.WAITING)

    def report(self, health: Health, now_s: float) -> None:
        """Write how it goes at an LSL time."""
        self.put(state_of(health, now_s), **numbers(health, now_s))

    def put(self, state: State, **more: object) -> None:
        """Write a state and what belongs to it."""
        time = datetime.now().astimezone().isoformat(timespec="milliseconds")
        with self._news:
            self._newest = {
                "time": time,
                "state": str(state),
                "name": self._name,
                "input": self.input_name,
                "pid": os.getpid(),
                **more,
            }
            self._news.notify()

    def close(self) -> None:
        """Write that the service was stopped; nothing may follow."""
        self.put(State.STOPPED)
        with self._news:
            self._is_over = True
            self._news.notify()
        self._thread.join(CLOSE_S)

    def _follow(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._newest is not None or self._is_over)
                newest, self._newest = self._newest, None
            if newest is None:
                return
            try:
                self._beside.write_text(json.dumps(newest) + "\n")
                self._beside.replace(self._path)
            except OSError as error:
                with suppress(OSError):
                    self._beside.unlink()
                if not self._is_told:
                    self._is_told = True
                    log.warning("`health_file`: %s cannot be written: %s", self._path, error)


def numbers(health: Health, now_s: float) -> dict[str, float | str | None]:
    """Return counts since the start, and ages, at an LSL time."""
    median, _, p99 = (float(ms) for ms in health.stages_ms()[AGE])
    return {
        "received": health.n_received,
        "published": health.n_published,
        "dropped": health.n_dropped,
        "overflowed": health.n_overflowed,
        "missing": health.gaps.n_missing,
        "stream_losses": health.n_losses,
        "backlog": health.n_behind,
        "bad_electrodes": health.n_bad,
        "invalid": str(health.invalid),
        "silence_s": round(health.silence_s(now_s), 3),
        "age_ms": round(median, 3) if isfinite(median) else None,
        "age_p99_ms": round(p99, 3) if isfinite(p99) else None,
    }
