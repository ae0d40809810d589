"""The input's EEG as the service images it: filtered, without bad electrodes, re-referenced."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pylsl
from numpy.typing import NDArray

from convdip.head import Head
from convdip.live.channels import parse_channels
from convdip.live.conditioning import Conditioner, Filters
from convdip.live.montage import stream_montage
from convdip.live.topography import input_matrices
from convdip.streams import Provenance, read_eeg


class ShownEeg:
    """Turns samples of the input into microvolts at the model's electrodes.

    Parameters
    ----------
    info : pylsl.StreamInfo
        Of the input.
    head : Head
    provenance : Provenance
        What the service does to it.

    Raises
    ------
    ConvDipError
        If the input's channels are no electrodes, or its rate is too low for the filters.
    """

    def __init__(self, info: pylsl.StreamInfo, head: Head, provenance: Provenance) -> None:
        channels = provenance.input_channels
        self._head = head
        stream = read_eeg(info)
        self._montage = stream_montage(
            stream,
            head,
            unit=provenance.input_unit,
            channels=None if channels is None else parse_channels(channels),
            inverted=provenance.input_inverted,
        )
        self._conditioner = Conditioner(Filters.from_text(provenance.filter), stream.sfreq_hz)
        self._bad: frozenset[str] = frozenset()
        self._to_eeg = input_matrices(head, self._montage)[0]

    def leave_out(self, bad: Collection[str]) -> None:
        """Fill bad electrodes from the others from now on."""
        if self._bad != frozenset(bad):
            back = [n in self._bad and n not in bad for n in self._montage.names]
            self._conditioner.reseed(np.flatnonzero(back))
            self._bad = frozenset(bad)
            self._to_eeg = input_matrices(self._head, self._montage, bad)[0]

    def add_notch(self, hz: float) -> None:
        """Take mains out, too, as the service does from now on."""
        if self._conditioner.filters.notch_hz == "auto":
            self._conditioner.add_notch(hz)

    def __call__(self, samples: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return EEG in microvolts, shape (n_times, n_electrodes).

        Parameters
        ----------
        samples : ndarray, shape (n_times, n_stream_channels)
        """
        used = samples[:, self._montage.channels].astype(np.float64) * self._montage.volts
        eeg_v = self._conditioner(used) @ self._to_eeg.T
        return (eeg_v * 1e6).astype(np.float32)
