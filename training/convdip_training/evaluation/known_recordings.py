"""Recordings of ongoing EEG at the model's electrodes, filtered as a live service would filter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mne
import numpy as np
from convdip.head import Head
from convdip.live.montage import match_montage
from convdip.live.topography import input_matrices
from convdip.sources.recordings import read_recording
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, sosfilt_zi

Float = NDArray[np.float64]

# Per edge of the band. A causal filter of higher order is steeper but later.
FILTER_ORDER = 2


@dataclass(frozen=True)
class KnownRecording:
    """A recording as the live path hands it to a model, band-pass filtered.

    Attributes
    ----------
    eeg : ndarray, shape (n_times, n_electrodes)
        Volts, average-referenced; electrodes that were not recorded are interpolated.
    sfreq_hz : float
    white : ndarray, shape (n_channels, n_electrodes)
        What one volt at each recorded electrode in turn becomes on the same way, so that
        ``white.T @ white`` is the covariance of sensor noise.
    cues : dict of ndarray of int
        Samples at which each kind of annotation begins.
    n_recorded : int
        Number of the model's electrodes that the recording has.
    """

    eeg: Float
    sfreq_hz: float
    white: Float
    cues: dict[str, NDArray[np.intp]]
    n_recorded: int


def prepare(path: Path, head: Head, band_hz: tuple[float, float]) -> KnownRecording:
    """Read a recording and prepare it with the live service's own matrices.

    Parameters
    ----------
    path : Path
    head : Head
        Of the model.
    band_hz : tuple of float
        Passed by the filter, which runs before any imaging.

    Raises
    ------
    RecordingError
        If the recording cannot be read.
    MontageError
        If it has too few electrodes.
    """
    raw = read_recording(path)
    sfreq_hz = float(raw.info["sfreq"])
    with mne.use_log_level("error"):
        events, kinds = mne.events_from_annotations(raw)
        raw.pick("eeg", exclude=())
    montage = match_montage(raw.ch_names, ["volts"] * len(raw.ch_names), head)
    white = input_matrices(head, montage)[0].T
    eeg = raw.get_data()[montage.channels].T @ white
    at = events[:, 0] - raw.first_samp
    return KnownRecording(
        causal_band_pass(eeg, band_hz, sfreq_hz),
        sfreq_hz,
        white,
        {name: at[events[:, 2] == code] for name, code in kinds.items()},
        head.n_electrodes - len(montage.missing),
    )


def causal_band_pass(eeg: Float, band_hz: tuple[float, float], sfreq_hz: float) -> Float:
    """Return EEG through a Butterworth band-pass that uses no later sample.

    It starts as if the first sample had always been there, so that an offset gives no transient.

    Parameters
    ----------
    eeg : ndarray, shape (n_times, n_electrodes)
    band_hz : tuple of float
    sfreq_hz : float
    """
    sos = butter(FILTER_ORDER, band_hz, "bandpass", output="sos", fs=sfreq_hz)
    state = sosfilt_zi(sos)[:, :, None] * eeg[0]
    return np.asarray(sosfilt(sos, eeg, axis=0, zi=state)[0])
