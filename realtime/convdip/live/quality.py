"""The stream ``NAME-Quality``: whether what a client sees is true, and how old it is."""

from __future__ import annotations

import numpy as np
import pylsl

from convdip.live.health import Health
from convdip.streams import QUALITY_HZ, quality_info

BUFFER_S = 60


class QualityOutlet:
    """Publishes the health ten times a second, also while no sample comes.

    While a lost stream is being opened again, a report may be some seconds late.

    Parameters
    ----------
    name : str
        Stem of the stream's name.
    input_name : str
        Of the EEG stream.
    """

    def __init__(self, name: str, input_name: str) -> None:
        self._outlet = pylsl.StreamOutlet(quality_info(name, input_name), max_buffered=BUFFER_S)
        self._due_s = 0.0

    def push_if_due(self, health: Health, now_s: float) -> None:
        """Publish a report where a tenth of a second has passed (LSL time)."""
        if now_s < self._due_s:
            return
        # In step where it can be; never two in a row after a delay: rates need a period.
        is_late = now_s - self._due_s > 0.5 / QUALITY_HZ
        self._due_s = (now_s if is_late else self._due_s) + 1 / QUALITY_HZ
        values = np.array([list(health.report(now_s).values())], np.float32)
        self._outlet.push_chunk(values, now_s)
