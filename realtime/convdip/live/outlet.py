"""Step 6: publish source estimates over LSL."""

from __future__ import annotations

import pylsl

from convdip.head import Head
from convdip.live.frame import Frame
from convdip.streams import Provenance, sources_info

# What is kept for a client that does not read: 5,124 channels at 500 Hz are 10 MB a second.
BUFFER_S = 2


class SourceOutlet:
    """The stream ``<name>-Sources``: 5,124 dipole moments in nAm a sample.

    Each sample carries the time stamp of the EEG sample it was computed from.

    Parameters
    ----------
    name : str
        Stem of the stream's name.
    head : Head
    sfreq_hz : float
        Of the input.
    provenance : Provenance
    """

    def __init__(self, name: str, head: Head, sfreq_hz: float, provenance: Provenance) -> None:
        info = sources_info(name, head, sfreq_hz, provenance)
        self._outlet = pylsl.StreamOutlet(info, max_buffered=BUFFER_S)

    def push(self, frame: Frame) -> None:
        """Publish a frame."""
        # One call for all rows; their stamps as a list, or one as a float, which is quicker.
        stamps = frame.timestamps.tolist()
        self._outlet.push_chunk(frame.moments_nam, stamps if len(stamps) > 1 else stamps[0])
