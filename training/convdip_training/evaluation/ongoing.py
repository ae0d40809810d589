"""Ongoing EEG with known sources: patches that oscillate in background EEG.

Background EEG is synthetic (`convdip.sources.background`): 1/f activity of the whole cortex, an
alpha rhythm of its own and sensor noise. It goes on alone for a while before the sources set in,
so that a noise covariance can be had from the same recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from convdip.errors import ConfigError
from convdip.head import Head
from convdip.patches import fall_off, mesh_adjacency
from convdip.sources.background import background_eeg, coloured_noise
from numpy.typing import NDArray
from scipy import sparse
from scipy.signal import butter, hilbert, sosfilt

Float = NDArray[np.float64]

SFREQ_HZ = 250.0
SECONDS = 10.0
QUIET_S = 20.0
ORDERS = (2, 7)
MOMENT_NAM = (5.0, 10.0)
NAM = 1e-9
# A rhythm spreads this far to either side of its own frequency, which makes its envelope slow.
SPREAD_HZ = 1.0
# Seeds are no closer than that, as long as the rhythm's cortex has room.
APART_M = 0.03
# The chance that a source takes its course from the one drawn before.
SYNCHRONOUS = 0.5
# Second order at either edge, which lies this far outside the band.
FILTER_ORDER = 2
MARGIN_HZ = 1.0


@dataclass(frozen=True)
class Rhythm:
    """A band, and the cortex that oscillates in it.

    Attributes
    ----------
    name : str
    band_hz : tuple of float
    regions : tuple of str
        Desikan–Killiany regions, of both hemispheres, that seeds are drawn from; none: all.
    """

    name: str
    band_hz: tuple[float, float]
    regions: tuple[str, ...] = ()

    def cortex(self, head: Head) -> NDArray[np.intp]:
        """Return the dipoles that may be seeds; never on the medial wall.

        Raises
        ------
        ConfigError
            If the head's atlas has none of the regions.
        """
        allowed = head.is_cortex
        if self.regions:
            allowed = allowed & head.in_regions(self.regions)
        if not allowed.any():
            raise ConfigError(
                f"no dipole lies in {', '.join(self.regions) or 'cortex'}, where {self.name} comes "
                f"from: the head's regions are {', '.join(head.atlas_names)}"
            )
        return np.flatnonzero(allowed)


ALPHA = Rhythm("alpha", (8.0, 12.0))
MU = Rhythm("mu", (9.0, 13.0), ("precentral", "postcentral", "paracentral"))
BETA = Rhythm("beta", (15.0, 25.0))
RHYTHMS = (ALPHA, MU, BETA)


@dataclass(frozen=True)
class Ongoing:
    """A simulated recording and its truth.

    At sample ``t`` after the quiet stretch the moments are ``courses[t] @ maps``.

    Attributes
    ----------
    eeg : ndarray, shape (n_quiet + n_times, n_electrodes)
        Volts, average-referenced, not filtered.
    sfreq_hz : float
    n_quiet : int
        Number of samples at the start that hold only background.
    rhythm : Rhythm
    maps : ndarray, shape (n_sources, n_dipoles)
        Root mean square moment of each source, A·m; each has one sign, and none is on the
        medial wall.
    courses : ndarray, shape (n_times, n_sources)
        Of unit variance. Synchronous sources have the same.
    groups : tuple of int, length n_sources
        Sources of one number are synchronous, those of different numbers independent.
    snr : float
        Mean square over electrodes and samples of the sources' filtered EEG over that of the
        filtered background (`band_pass`).
    """

    eeg: Float
    sfreq_hz: float
    n_quiet: int
    rhythm: Rhythm
    maps: Float
    courses: Float
    groups: tuple[int, ...]
    snr: float

    @property
    def envelopes(self) -> Float:
        """Amplitude of each course, the modulus of its analytic signal, same shape."""
        return np.asarray(np.abs(hilbert(self.courses, axis=0)))


def simulate_ongoing(
    head: Head,
    rhythm: Rhythm,
    n_sources: int,
    snr: float,
    rng: np.random.Generator,
    *,
    seconds: float = SECONDS,
    quiet_s: float = QUIET_S,
    sfreq_hz: float = SFREQ_HZ,
) -> Ongoing:
    """Simulate patches of cortex that oscillate in background EEG.

    Patches are the paper's (orders 2–7, a Gaussian fall-off, 5–10 nAm at the seed, here root mean
    square), of random sign, cut at the medial wall; seeds lie at least 30 mm apart where there is
    room. A course is Gaussian noise within 1 Hz of a frequency drawn inside the band, so its
    envelope is random (Rayleigh) and slow. Each source but the first has, with a chance of one
    half, the course of the one before.

    Parameters
    ----------
    head : Head
        Whose lead field the EEG passes.
    rhythm : Rhythm
    n_sources : int
        1 or more.
    snr : float
        Power of the sources' EEG over that of the background, both filtered to the band.
    rng : Generator
    seconds, quiet_s : float
        Length with the sources, and before them.
    sfreq_hz : float

    Returns
    -------
    ongoing : Ongoing

    Raises
    ------
    ConfigError
        If the head has no cortex for this rhythm.
    """
    n_times, n_quiet = round(seconds * sfreq_hz), round(quiet_s * sfreq_hz)
    maps = _maps(head, _seeds(head, rhythm, n_sources, rng), rng)
    groups = np.concatenate([[0], np.cumsum(rng.random(n_sources - 1) >= SYNCHRONOUS)])
    courses = _courses(int(groups[-1]) + 1, n_times, sfreq_hz, rhythm, rng)[:, groups]
    signal = np.zeros((n_quiet + n_times, head.n_electrodes))
    signal[n_quiet:] = courses @ (maps @ head.lead_field.T.astype(float))
    background = background_eeg(head, len(signal), sfreq_hz, rng).astype(float)
    of_signal, of_background = (
        float(np.mean(band_pass(part, rhythm.band_hz, sfreq_hz)[n_quiet:] ** 2))
        for part in (signal, background)
    )
    eeg = signal + background * np.sqrt(of_signal / of_background / snr)
    return Ongoing(
        eeg - eeg.mean(axis=1, keepdims=True),  # rounding of the lead field aside, it is zero
        sfreq_hz,
        n_quiet,
        rhythm,
        maps,
        courses,
        tuple(groups.tolist()),
        snr,
    )


def band_pass(samples: Float, band_hz: tuple[float, float], sfreq_hz: float) -> Float:
    """Filter causally, as a live filter does: a Butterworth band-pass 1 Hz wider at either edge.

    Parameters
    ----------
    samples : ndarray, shape (n_times, …)
        The filter starts at rest.
    band_hz : tuple of float
    sfreq_hz : float
    """
    edges_hz = band_hz[0] - MARGIN_HZ, band_hz[1] + MARGIN_HZ
    sections = butter(FILTER_ORDER, edges_hz, "bandpass", fs=sfreq_hz, output="sos")
    return np.asarray(sosfilt(sections, samples, axis=0))


def _seeds(head: Head, rhythm: Rhythm, n_sources: int, rng: np.random.Generator) -> list[int]:
    """Draw seeds that are far enough apart; anywhere on the rhythm's cortex if it is full."""
    cortex = rhythm.cortex(head)
    gap_m = np.full(cortex.size, np.inf)
    seeds: list[int] = []
    for _ in range(n_sources):
        free = cortex[gap_m >= APART_M]
        seeds.append(int(rng.choice(free if free.size else cortex)))
        offsets_m = head.dipoles_m[cortex] - head.dipoles_m[seeds[-1]]
        gap_m = np.minimum(gap_m, np.linalg.norm(offsets_m, axis=1))
    return seeds


def _maps(head: Head, seeds: list[int], rng: np.random.Generator) -> Float:
    """Return a patch of each seed, shape (n_sources, n_dipoles), in A·m."""
    adjacency = mesh_adjacency(head.triangles, head.n_dipoles)
    maps = np.zeros((len(seeds), head.n_dipoles))
    for row, seed in zip(maps, seeds, strict=True):
        at = _patch(adjacency, seed, int(rng.integers(ORDERS[0], ORDERS[1] + 1)))
        distances_m = np.linalg.norm(head.dipoles_m[at] - head.dipoles_m[seed], axis=1)
        relative = fall_off((distances_m / distances_m.max()).astype(np.float32))
        row[at] = relative * rng.uniform(*MOMENT_NAM) * NAM * rng.choice((-1, 1))
    return np.where(head.is_cortex, maps, 0.0)


def _patch(adjacency: sparse.csr_array, seed: int, order: int) -> NDArray[np.intp]:
    """Return the dipoles within so many mesh edges of a seed, as `patch_dictionary` has them."""
    inside = np.zeros(adjacency.shape[0], np.float32)
    inside[seed] = 1
    for _ in range(order):
        inside += adjacency @ inside
    return np.flatnonzero(inside)


def _courses(
    n_courses: int, n_times: int, sfreq_hz: float, rhythm: Rhythm, rng: np.random.Generator
) -> Float:
    """Return independent courses, shape (n_times, n_courses), each of unit variance."""
    low_hz, high_hz = rhythm.band_hz
    courses = []
    for _ in range(n_courses):
        own_hz = rng.uniform(low_hz + SPREAD_HZ, high_hz - SPREAD_HZ)
        band_hz = own_hz - SPREAD_HZ, own_hz + SPREAD_HZ
        courses.append(coloured_noise(1, n_times, sfreq_hz, np.zeros(1), rng, band_hz)[:, 0])
    return np.stack(courses, axis=1).astype(float)
