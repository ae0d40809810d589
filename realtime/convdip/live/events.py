"""The stream ``NAME-Events``: what happened, and when."""

from __future__ import annotations

import json
import logging

import pylsl

log = logging.getLogger(__name__)


def events_stream_name(name: str) -> str:
    """Return the name of the stream that carries events."""
    return f"{name}-Events"


class EventOutlet:
    """Markers in JSON: ``{"event": "overload", "text": "…", …}``.

    The kinds are ``lost``, ``back``, ``gap``, ``overflow``, ``overload``, ``dropped``,
    ``caught up``, ``clock`` and ``stop``.

    Parameters
    ----------
    name : str
        Stem of the stream's name.
    """

    def __init__(self, name: str) -> None:
        info = pylsl.StreamInfo(
            name=events_stream_name(name),
            type="Markers",
            channel_count=1,
            nominal_srate=pylsl.IRREGULAR_RATE,
            channel_format=pylsl.cf_string,
            source_id=f"convdip-{name}-events",
        )
        self._outlet = pylsl.StreamOutlet(info)

    def say(
        self, event: str, text: str, now_s: float, level: int = logging.INFO, **facts: object
    ) -> None:
        """Publish an event at an LSL time, and log it."""
        log.log(level, "%s", text)
        message = json.dumps({"event": event, "text": text, **facts}, ensure_ascii=False)
        self._outlet.push_sample([message], now_s)
