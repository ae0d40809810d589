"""Step 9: publish source estimates over LSL."""

from __future__ import annotations

import pylsl

from convdip.bundle import Bundle
from convdip.head import Head
from convdip.live.frame import Frame
from convdip.live.network import Network
from convdip.streams import EegDescription, Provenance, sources_info

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


def provenance_of(
    stream: EegDescription,
    bundle: Bundle,
    network: Network,
    interpolated: tuple[str, ...],
    unit: str | None = None,
) -> Provenance:
    """Return where estimates come from: the input, the model, and how it runs.

    Parameters
    ----------
    stream : EegDescription
    bundle : Bundle
    network : Network
    interpolated : tuple of str
        Electrodes that are interpolated.
    unit : str, optional
        Set by the user; without it, as the stream states it.
    """
    return Provenance(
        input_name=stream.name,
        input_source_id=stream.source_id,
        input_hostname=stream.hostname,
        input_unit=unit,
        model=bundle.name,
        model_sha256=bundle.sha256,
        head_sha256=bundle.card["sha256"]["head.npz"],
        provider=network.provider,
        precision=network.precision,
        threads=network.threads,
        polarity=bundle.polarity,
        interpolated=interpolated,
    )
