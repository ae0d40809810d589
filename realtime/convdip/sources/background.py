"""Synthetic background EEG: what the head model's cortex and amplifier add to a signal.

Background activity is a sum of patches all over the cortex, each with its own 1/f^β
spectrum, plus an occipito-parietal alpha rhythm and white sensor noise, after the usual
generative models (Haufe and Ewald 2016; Barzegaran et al. 2019). Projecting cortical
activity through the lead field is what gives the noise its spatial covariance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convdip.head import Head
from convdip.patches import patch_dictionary

PATCH_ORDER = 3
N_PATCHES = 300
ALPHA_HZ = (8.0, 12.0)


def coloured_noise(
    n_series: int,
    n_times: int,
    sfreq_hz: float,
    exponents: NDArray[np.float64],
    rng: np.random.Generator,
    band_hz: tuple[float, float] = (0.1, np.inf),
) -> NDArray[np.float32]:
    """Return Gaussian noise with power spectra 1/f^β inside a band, each of unit variance.

    Parameters
    ----------
    n_series, n_times : int
    sfreq_hz : float
    exponents : ndarray, shape (n_series,)
        β of each series.
    rng : Generator
    band_hz : tuple of float
        Nothing outside.

    Returns
    -------
    noise : ndarray, shape (n_times, n_series)
    """
    frequencies_hz = np.fft.rfftfreq(n_times, 1 / sfreq_hz)
    inside = (frequencies_hz >= band_hz[0]) & (frequencies_hz <= band_hz[1])
    amplitude = np.zeros((frequencies_hz.size, n_series))
    amplitude[inside] = frequencies_hz[inside, None] ** (-exponents / 2)
    phases = rng.standard_normal((*amplitude.shape, 2)) @ [1, 1j]
    noise = np.fft.irfft(amplitude * phases, n_times, axis=0)
    scaled: NDArray[np.float32] = (noise / noise.std(axis=0)).astype(np.float32)
    return scaled


def background_eeg(
    head: Head,
    n_times: int,
    sfreq_hz: float,
    rng: np.random.Generator,
    alpha_share: float | None = None,
) -> NDArray[np.float32]:
    """Return one synthetic recording without a signal, average-referenced.

    The mix is drawn anew for each recording: spectra (β 0.5–2), white sensor noise (5–30 % of
    the power without the rhythm), place and strength of the alpha rhythm (up to half of that
    power, on top of it).

    Parameters
    ----------
    head : Head
    n_times : int
    sfreq_hz : float
    rng : Generator
    alpha_share : float, optional
        Strength of the alpha rhythm, in place of one that is drawn.

    Returns
    -------
    eeg : ndarray, shape (n_times, n_electrodes)
        Of unit variance, averaged over electrodes and time.
    """
    topographies = head.lead_field @ patch_dictionary(head.triangles, head.dipoles_m, PATCH_ORDER).T
    seeds = rng.choice(head.n_dipoles, min(N_PATCHES, head.n_dipoles), replace=False)
    exponents = rng.uniform(0.5, 2.0, seeds.size)
    cortex = coloured_noise(seeds.size, n_times, sfreq_hz, exponents, rng)
    brain = cortex @ topographies[:, seeds].T

    # The third of the cortex that lies farthest back.
    posterior = np.flatnonzero(head.dipoles_m[:, 1] < np.quantile(head.dipoles_m[:, 1], 1 / 3))
    alpha_seeds = rng.choice(posterior, 6)
    rhythm = coloured_noise(6, n_times, sfreq_hz, np.zeros(6), rng, ALPHA_HZ)
    alpha = rhythm @ topographies[:, alpha_seeds].T

    white = rng.standard_normal((n_times, head.n_electrodes)).astype(np.float32)
    white -= white.mean(axis=1, keepdims=True)

    drawn_share = rng.uniform(0.0, 0.5)
    alpha_share = drawn_share if alpha_share is None else alpha_share
    white_share = rng.uniform(0.05, 0.3)
    shares = ((brain, 1 - white_share), (alpha, alpha_share), (white, white_share))
    total = sum(np.sqrt(share) * part / part.std() for part, share in shares)
    mixed: NDArray[np.float32] = (total / total.std()).astype(np.float32)
    return mixed
