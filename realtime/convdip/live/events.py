"""The stream ``NAME-Events``: what happened, and when."""

from __future__ import annotations

import logging
import time
from typing import Any, Protocol

import pylsl

from convdip.streams import Event, EventMessage, events_info

log = logging.getLogger(__name__)

# With a stream ends what a client has not read of it, though it was sent: a client that looks ten
# times a second has read it after this long.
LINGER_S = 0.25


class Say(Protocol):
    """Tells of an event at an LSL time."""

    def __call__(  # noqa: D102
        self, event: Event, text: str, now_s: float, level: int = logging.INFO, **facts: Any
    ) -> None: ...


def log_event(
    event: Event, text: str, now_s: float, level: int = logging.INFO, **facts: Any
) -> None:
    """Log an event."""
    log.log(level, "%s", text)


class EventOutlet:
    """Markers in JSON: ``{"event": "overload", "text": "…", …}``.

    Parameters
    ----------
    name : str
        Stem of the stream's name.
    """

    def __init__(self, name: str) -> None:
        self._outlet = pylsl.StreamOutlet(events_info(name))
        self._said_s = 0.0

    def linger(self) -> None:
        """Wait until clients that listen have heard the last event."""
        if self._outlet.have_consumers():
            time.sleep(max(0.0, self._said_s + LINGER_S - time.monotonic()))

    def say(
        self, event: Event, text: str, now_s: float, level: int = logging.INFO, **facts: Any
    ) -> None:
        """Publish an event, and log it."""
        log_event(event, text, now_s, level)
        self._outlet.push_sample([EventMessage(event, text, facts).to_json()], now_s)
        self._said_s = time.monotonic()
