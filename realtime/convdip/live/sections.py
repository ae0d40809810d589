"""Recursive filters as second-order sections: how they are designed, and what they do to a signal.

As SciPy's: the tests hold each against it. SciPy's own take seconds to import (``scipy.signal``
brings statistics, interpolation and optimisation), which a service that starts again would cost
everybody who waits for it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]


def high_pass(order: int, edge_hz: float, sfreq_hz: float) -> Float:
    """Design a Butterworth high-pass.

    Parameters
    ----------
    order : int
        Even.
    edge_hz : float
        Where the power is halved.
    sfreq_hz : float

    Returns
    -------
    sections : ndarray, shape (order / 2, 6)
        b₀, b₁, b₂, 1, a₁, a₂ of each.
    """
    edge = _analogue(edge_hz, sfreq_hz)
    return _sections(edge / _prototype(order), (1, -2, 1), -1.0, sfreq_hz)


def band_pass(order: int, edges_hz: tuple[float, float], sfreq_hz: float) -> Float:
    """Design a Butterworth band-pass.

    Parameters
    ----------
    order : int
        At each edge; even.
    edges_hz : tuple of two floats
        Where the power is halved.
    sfreq_hz : float

    Returns
    -------
    sections : ndarray, shape (order, 6)
    """
    low, high = (_analogue(edge_hz, sfreq_hz) for edge_hz in edges_hz)
    half = _prototype(order) * (high - low) / 2
    apart = np.sqrt(half**2 - low * high)
    poles = np.concatenate([half + apart, half - apart])
    # Of each pair of conjugates, whichever: the other one is taken with it.
    centre = np.exp(2j * np.arctan(np.sqrt(low * high) / (2 * sfreq_hz)))
    return _sections(poles, (1, 0, -1), centre, sfreq_hz)


def notch(centre_hz: float, width_hz: float, sfreq_hz: float) -> Float:
    """Design a notch, as wide as where the power is halved.

    Returns
    -------
    sections : ndarray, shape (1, 6)
    """
    gain = 1 / (1 + np.tan(np.pi * width_hz / sfreq_hz))
    turn = -2 * np.cos(2 * np.pi * centre_hz / sfreq_hz)
    return np.array([[gain, gain * turn, gain, 1, gain * turn, 2 * gain - 1]])


def at_rest(sections: Float) -> Float:
    """Return the states of all sections under a constant sample of 1, shape (2 n_sections,).

    In transposed direct form II: y = b₀x + z₀, z₀' = b₁x − a₁y + z₁, z₁' = b₂x − a₂y.
    """
    states, sample = list[float](), 1.0
    for b0, b1, b2, _, a1, a2 in sections.tolist():
        output = sample * (b0 + b1 + b2) / (1 + a1 + a2)
        states += [(b1 + b2) * sample - (a1 + a2) * output, b2 * sample - a2 * output]
        sample = output
    return np.array(states)


def step(sections: Float) -> Float:
    """Return the matrix that takes (sample, state) to (filtered sample, next state).

    Of a cascade in transposed direct form II, in which y is the next section's x.

    Returns
    -------
    step : ndarray, shape (1 + n_states, 1 + n_states)
    """
    n = 2 * len(sections)
    signal = np.eye(1 + n)[0]  # what the sample has become so far, by (sample, state)
    states = np.empty((n, 1 + n))
    for i, (b0, b1, b2, _, a1, a2) in enumerate(sections):
        z0, z1 = np.eye(1 + n)[1 + 2 * i : 3 + 2 * i]
        output = b0 * signal + z0
        states[2 * i] = b1 * signal - a1 * output + z1
        states[2 * i + 1] = b2 * signal - a2 * output
        signal = output
    return np.vstack([signal, states])


class Response:
    """What a filter makes of signals of one length that begin from silence.

    By its answer to an impulse, which for a length that is known is all of it.

    Parameters
    ----------
    sections : ndarray, shape (n_sections, 6)
    n_times : int
    """

    def __init__(self, sections: Float, n_times: int) -> None:
        self._n_times, self._n_fft = n_times, 2 ** int(np.ceil(np.log2(max(2 * n_times, 2))))
        now, each, impulse = np.eye(1 + 2 * len(sections))[0], step(sections), np.empty(n_times)
        for row in range(n_times):
            now = each @ now
            impulse[row], now[0] = now[0], 0.0
        self._spectrum = np.fft.rfft(impulse, self._n_fft)

    def __call__(self, signals: Float) -> Float:
        """Filter signals, shape (n_signals, n_times)."""
        spectra = np.fft.rfft(signals, self._n_fft) * self._spectrum
        return np.fft.irfft(spectra, self._n_fft)[:, : self._n_times]


def _analogue(hz: float, sfreq_hz: float) -> float:
    """Return the angular frequency that the bilinear transform brings to one in Hz."""
    return float(2 * sfreq_hz * np.tan(np.pi * hz / sfreq_hz))


def _prototype(order: int) -> Complex:
    """Return those poles of the low-pass of 1 rad/s that lie above the real axis."""
    if order % 2:
        raise ValueError(f"order {order}: expected an even one")
    angles = np.pi * (np.arange(order // 2) * 2 + 1 + order) / (2 * order)
    return np.asarray(np.exp(1j * angles), complex)


def _sections(
    poles: Complex, numerator: tuple[int, int, int], passed: complex, sfreq_hz: float
) -> Float:
    """Return sections of pairs of analogue poles, with a gain of 1 at a point of the circle."""
    digital = (2 * sfreq_hz + poles) / (2 * sfreq_hz - poles)
    digital = digital[np.argsort(np.abs(digital))]  # what rings most comes last
    sections = np.empty((len(digital), 6))
    sections[:, :3] = numerator
    sections[:, 3:] = np.column_stack(
        [np.ones(len(digital)), -2 * digital.real, np.abs(digital) ** 2]
    )
    powers = passed ** -np.arange(3)
    gain = np.abs((sections[:, :3] @ powers) / (sections[:, 3:] @ powers))
    sections[:, :3] /= gain[:, None]
    return sections
