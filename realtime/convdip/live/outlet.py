"""Step 9: publish source estimates over LSL."""

from __future__ import annotations

from dataclasses import replace

import pylsl

from convdip.bundle import Bundle
from convdip.frame import Frame
from convdip.head import Head
from convdip.live.network import Network
from convdip.live.rhythms import Rhythm
from convdip.live.window import Window
from convdip.streams import NONE, EegDescription, Provenance, power_info, sources_info
from convdip.text import shown

# What is kept for a client that does not read: 5,124 channels at 500 Hz are 10 MB a second.
BUFFER_S = 2
# Power goes out no more often than this, and takes no larger share of the time; rhythms are for
# the eye alone, and there are several.
POWER_HZ, POWER_TIME_SHARE = 60.0, 0.25
RHYTHM_HZ, RHYTHM_TIME_SHARE = 20.0, 0.1
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

    Or ``<name>-Power-8-13``: the same in a band.

    Parameters
    ----------
    name : str
        Stem of the stream's name.
    head : Head
    past : Window or Rhythm
    provenance : Provenance
        Of the samples.
    """

    def __init__(
        self, name: str, head: Head, past: Window | Rhythm, provenance: Provenance
    ) -> None:
        self._past, self._due_s = past, 0.0
        if isinstance(past, Rhythm):
            self._least_s, self._share = 1 / RHYTHM_HZ, RHYTHM_TIME_SHARE
            before, own = provenance.filter, str(past.filters)
            provenance = replace(
                provenance,
                filter=before if own == NONE else own if before == NONE else f"{before}; {own}",
                filter_delay_s=provenance.filter_delay_s + past.delay_s,
            )
            info = power_info(name, head, past.seconds, provenance, past.band_hz)
        else:
            self._least_s, self._share = 1 / POWER_HZ, POWER_TIME_SHARE
            info = power_info(name, head, past.seconds, provenance)
        self._outlet = pylsl.StreamOutlet(info, max_buffered=POWER_BUFFER)

    def push_if_due(self, stamp: float, now_s: float) -> None:
        """Publish how strong each dipole was lately, as often as there is time for.

        Parameters
        ----------
        stamp : float
            Of the last sample; it is on its way already.
        now_s : float
            On LSL's clock.
        """
        if now_s < self._due_s:
            return
        rms_nam = self._past.power() if self._outlet.have_consumers() else None
        if rms_nam is not None:
            self._outlet.push_sample(rms_nam, stamp)
        took_s = pylsl.local_clock() - now_s
        self._due_s = now_s + max(self._least_s, took_s / self._share)


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
        input_name=shown(stream.name),
        input_source_id=shown(stream.source_id),
        input_hostname=shown(stream.hostname),
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
