"""Whether there is mains in the EEG, and at which frequency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

# What disturbs the image, and so many times what is beside it: no rhythm of the brain.
LEAST_V = 2e-6
LEAST_RATIO = 4.0
BESIDE_HZ = (-6.0, -4.0, 4.0, 6.0)


def mains_hz(
    window_v: Float, times_s: Float, sfreq_hz: float, candidates_hz: Sequence[float]
) -> float | None:
    """Return the frequency at which most electrodes have mains; None for none.

    Parameters
    ----------
    window_v : ndarray, shape (n_times, n_electrodes)
        A second of EEG without mean and slope.
    times_s : ndarray, shape (n_times,)
    sfreq_hz : float
        Of the stream; above half of it nothing is looked for.
    candidates_hz : sequence of float
    """
    strongest_hz, strongest_v = None, LEAST_V
    for candidate_hz in candidates_hz:
        if candidate_hz >= 0.49 * sfreq_hz:
            continue
        frequencies_hz = candidate_hz + np.array((0.0, *BESIDE_HZ))
        frequencies_hz = frequencies_hz[frequencies_hz < 0.49 * sfreq_hz]
        # Against a reference of its own, each electrode has its share: the median has, too.
        here, *beside = np.median(amplitudes_v(window_v, times_s, frequencies_hz), axis=1)
        if here > max(strongest_v, LEAST_RATIO * max(beside)):
            strongest_hz, strongest_v = candidate_hz, here
    return strongest_hz


def mains_waves(times_s: Float, frequencies_hz: Sequence[float]) -> Float:
    """Return orthonormal waves of some frequencies, shape (n_times, 2 n_frequencies).

    What is left of a signal without its projection on them has no mains.
    """
    phases = [2 * np.pi * hz * times_s for hz in frequencies_hz]
    waves = [wave(phase) for phase in phases for wave in (np.sin, np.cos)]
    return np.asarray(np.linalg.qr(np.transpose(waves))[0])


def amplitudes_v(window_v: Float, times_s: Float, frequencies_hz: Float) -> Float:
    """Return the amplitudes of sine waves in a window, shape (n_frequencies, n_electrodes).

    Parameters
    ----------
    window_v : ndarray, shape (n_times, n_electrodes)
        A second of EEG without mean and slope.
    times_s : ndarray, shape (n_times,)
    frequencies_hz : ndarray, shape (n_frequencies,)
    """
    taper = np.hanning(len(times_s))
    waves = np.exp(-2j * np.pi * frequencies_hz[:, None] * times_s) * taper
    return np.asarray(2 * np.abs(waves @ window_v) / taper.sum())
