"""Spectra of the last seconds, and the background that rhythms rise from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

# Length of a spectrum's segments: half a hertz from point to point.
SEGMENT_S = 2.0
# The background is a line through the spectrum on logarithmic axes, of this range.
FITTED_HZ = (2.0, 40.0)
# Points along that line, evenly spaced in the logarithm.
N_POINTS = 40

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """Power densities.

    Attributes
    ----------
    hz : ndarray, shape (n_frequencies,)
    density : ndarray, shape (n_frequencies, n_signals)
        In the signals' unit squared, per Hz.
    """

    hz: Float
    density: Float

    @property
    def mean(self) -> Spectrum:
        """Of all signals together."""
        return Spectrum(self.hz, self.density.mean(axis=1, keepdims=True))

    def background(self) -> Spectrum:
        """Return what the spectra would be without rhythms: a power law each.

        It goes through the medians of slopes (Theil and Sen), so that a peak, which is a small part
        of the logarithmic axis, does not lift it.
        """
        low, high = FITTED_HZ
        is_fitted = (self.hz >= low) & (self.hz <= high)
        log_hz = np.log(self.hz[is_fitted])
        log_density = np.log(np.maximum(self.density[is_fitted], 1e-30))
        at = np.linspace(log_hz[0], log_hz[-1], N_POINTS)
        values = np.transpose([np.interp(at, log_hz, signal) for signal in log_density.T])
        first, second = np.triu_indices(N_POINTS, 1)
        slopes = np.median(
            (values[second] - values[first]) / (at[second] - at[first])[:, None], axis=0
        )
        levels = np.median(values, axis=0) - slopes * np.median(at)
        everywhere = np.log(np.maximum(self.hz, self.hz[1]))[:, None]
        return Spectrum(self.hz, np.exp(levels + slopes * everywhere))

    def power(self, band_hz: tuple[float, float]) -> Float:
        """Return the power in a band, shape (n_signals,)."""
        is_inside = (self.hz >= band_hz[0]) & (self.hz <= band_hz[1])
        total: Float = self.density[is_inside].sum(axis=0) * (self.hz[1] - self.hz[0])
        return total


def spectrum_of(signals: NDArray[np.floating], sfreq_hz: float) -> Spectrum | None:
    """Return the spectra of signals, by Welch's method; None for less than a segment of them.

    Parameters
    ----------
    signals : ndarray, shape (n_times, n_signals)
        What is not finite counts as nothing.
    sfreq_hz : float
    """
    n_segment = round(SEGMENT_S * sfreq_hz)
    if len(signals) < n_segment or sfreq_hz / 2 <= FITTED_HZ[0] * 2:
        return None
    hz, density = welch(
        np.nan_to_num(signals.astype(np.float64)), sfreq_hz, nperseg=n_segment, axis=0
    )
    return Spectrum(hz, density)


def over_background(spectrum: Spectrum, band_hz: tuple[float, float]) -> float:
    """Return how many times the background's power all signals together have in a band."""
    mean = spectrum.mean
    ratio = mean.power(band_hz) / np.maximum(mean.background().power(band_hz), 1e-30)
    return float(ratio[0])
