"""The stream ``NAME-Quality``: whether what a client sees is true, and how old it is."""

from __future__ import annotations

import numpy as np
import pylsl

from convdip.live.health import QUALITY, Health
from convdip.live.inlet import StreamDescription

RATE_HZ = 10.0
BUFFER_S = 60


def quality_stream_name(name: str) -> str:
    """Return the name of the stream that says how the service does."""
    return f"{name}-Quality"


class QualityOutlet:
    """Publishes the health ten times a second, also while no sample comes.

    While a lost stream is being opened again, a report may be some seconds late.

    Parameters
    ----------
    name : str
        Stem of the stream's name.
    stream : StreamDescription
        The input.
    """

    def __init__(self, name: str, stream: StreamDescription) -> None:
        info = pylsl.StreamInfo(
            name=quality_stream_name(name),
            type="QC",
            channel_count=len(QUALITY),
            nominal_srate=RATE_HZ,
            channel_format=pylsl.cf_float32,
            source_id=f"convdip-{name}-quality",
        )
        desc = info.desc()
        desc.append_child_value("input_name", stream.name)
        channels = desc.append_child("channels")
        for label, unit in QUALITY.items():
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", unit)
            channel.append_child_value("type", "quality")
        self._outlet = pylsl.StreamOutlet(info, max_buffered=BUFFER_S)
        self._due_s = 0.0

    def push_if_due(self, health: Health, now_s: float) -> None:
        """Publish what there is to say, where a tenth of a second has passed (LSL time)."""
        if now_s < self._due_s:
            return
        # In step where it can be; never two in a row after a delay: rates need a period.
        is_late = now_s - self._due_s > 0.5 / RATE_HZ
        self._due_s = (now_s if is_late else self._due_s) + 1 / RATE_HZ
        values = np.array([list(health.report(now_s).values())], np.float32)
        self._outlet.push_chunk(values, now_s)
