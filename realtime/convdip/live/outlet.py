"""Step 9: publish source estimates over LSL."""

from __future__ import annotations

import pylsl

from convdip.bundle import Bundle
from convdip.frame import Frame
from convdip.head import Head
from convdip.live.network import Network
from convdip.live.window import Window
from convdip.streams import EegDescription, Provenance, power_info, sources_info

# What is kept for a client that does not read: 5,124 channels at 500 Hz are 10 MB a second.
BUFFER_S = 2
# Power goes out no more often than this, and takes no larger share of the time.
POWER_HZ, POWER_TIME_SHARE = 60.0, 0.25
POWER_BUFFER = 120


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


class PowerOutlet:
    """The stream ``<name>-Power``: how strong each dipole was over the window, in nAm.

    Parameters
    ----------
    name : str
        Stem of the stream's name.
    head : Head
    window : Window
    provenance : Provenance
    """

    def __init__(self, name: str, head: Head, window: Window, provenance: Provenance) -> None:
        info = power_info(name, head, window.seconds, provenance)
        self._outlet = pylsl.StreamOutlet(info, max_buffered=POWER_BUFFER)
        self._window, self._due_s = window, 0.0

    def push_if_due(self, frame: Frame, now_s: float) -> None:
        """Publish the power of the window that ends with a frame, as often as there is time for.

        Parameters
        ----------
        frame : Frame
            The last; it is on its way already.
        now_s : float
            On LSL's clock.
        """
        if now_s < self._due_s or not self._outlet.have_consumers():
            return
        found = self._window.power()
        if found is not None:
            self._outlet.push_sample(found[0], float(frame.timestamps[-1]))
        took_s = pylsl.local_clock() - now_s
        self._due_s = now_s + max(1 / POWER_HZ, took_s / POWER_TIME_SHARE)


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
