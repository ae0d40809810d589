"""Noise that no training draws from: a whole cortex at work, parcel by parcel, on another head.

Every cortical dipole is active on its own, with the strength of its parcel of the
Desikan-Killiany atlas; the parcels' strengths are drawn anew for each session. The electrodes add
white noise.
"""

from __future__ import annotations

import numpy as np
from convdip.head import Head
from convdip.sources.background import coloured_noise
from numpy.typing import NDArray

from convdip_training.config import NoiseConfig
from convdip_training.noise import levelled

# Of the power, averaged over electrodes; the rest is white.
BRAIN_SHARE = 0.8
# The strengths of a session's parcels lie between this and 1, on a logarithmic scale.
WEAKEST = 0.1
# Power falls off as 1/f.
EXPONENT = 1.0


def brain_noise(
    head: Head, config: NoiseConfig, n_sessions: int, n_segments: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw sessions of brain noise, cut into segments of one second.

    Parameters
    ----------
    head : Head
        Gives cortex, parcels and lead field.
    config : NoiseConfig
        Gives band, sampling rate and baseline.
    n_sessions, n_segments : int
        Number of sessions, and of segments in each.
    rng : Generator

    Returns
    -------
    segments : ndarray, shape (n_sessions · n_segments, n_times, n_electrodes)
        Session by session. Average-referenced, without the mean of their baselines; the largest
        channel SD of each is 1.
    """
    length = round(config.sfreq_hz)
    sessions = [_session(head, config, n_segments * length, rng) for _ in range(n_sessions)]
    segments = np.concatenate(sessions).reshape(-1, length, head.n_electrodes)
    return levelled(segments, config)


def _session(
    head: Head, config: NoiseConfig, n_times: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return one session, shape (n_times, n_electrodes), its mean variance being 1."""
    strengths = np.exp(rng.uniform(np.log(WEAKEST), 0.0, len(head.atlas_names)))
    gain = head.lead_field * (strengths[head.atlas] * head.is_cortex)
    variances, directions = np.linalg.eigh(gain @ gain.T)
    # As many independent courses as electrodes have the covariance that all dipoles would give.
    root = directions * np.sqrt(variances.clip(min=0))
    n, band_hz = head.n_electrodes, (config.band_hz[0], config.band_hz[1])
    courses, white = (
        coloured_noise(n, n_times, config.sfreq_hz, np.full(n, exponent), rng, band_hz)
        for exponent in (EXPONENT, 0.0)
    )
    brain = courses @ root.T
    white = white - white.mean(axis=1, keepdims=True)
    return np.asarray(
        np.sqrt(BRAIN_SHARE) * brain / brain.std() + np.sqrt(1 - BRAIN_SHARE) * white / white.std()
    )
