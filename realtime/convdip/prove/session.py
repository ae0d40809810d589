"""The session that is played: pulses and rhythms in every region, one place at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from convdip.errors import ConfigError
from convdip.feedback.regions import Region, atlas_regions
from convdip.head import Head
from convdip.sources.signs import Signs
from convdip.sources.simulator import (
    MOMENT_NAM,
    ORDERS,
    SNR,
    Patches,
    Session,
    TrueSource,
    in_background,
)

BANDS: dict[str, tuple[float, float]] = {"theta": (4, 8), "alpha": (8, 12), "beta": (13, 30)}
SLOWEST_HZ, FASTEST_HZ = 80.0, 1000.0
# Background alone, while filters settle.
LEAD_IN_S = 4.0
# A plateau outlasts the window over which regions are measured.
RAMP_S, PLATEAU_S = 0.05, 0.26
# A rhythm outlasts filter and window; what is left of it after the gap is the next one's ghost.
BURST_S, GAP_S = 0.8, 0.2
TAIL_S = 0.3
# What is farther off than this is no neighbour.
FAR_MM = 40.0
QUICK_REGIONS = 17


@dataclass(frozen=True)
class Trial:
    """One simulated source, and what is to be found.

    Attributes
    ----------
    source : TrueSource
        A pulse from the first to the last sample of its plateau, a rhythm from its first sample,
        a step, to its last.
    region : int
        Place of its seed's region among `atlas_regions`.
    band : str or None
        Of a rhythm; None for a pulse.
    phase : float
        Of a rhythm at its first sample, in radians.
    """

    source: TrueSource
    region: int
    band: str | None = None
    phase: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What is played when; the same for the process that plays and the one that judges.

    Attributes
    ----------
    trials : tuple of Trial
        In the order of their first samples.
    sfreq_hz : float
    n_times : int
    """

    trials: tuple[Trial, ...]
    sfreq_hz: float
    n_times: int

    @property
    def pulses(self) -> list[Trial]:
        """Those that are no rhythms."""
        return [trial for trial in self.trials if trial.band is None]

    def rhythms(self, band: str) -> list[Trial]:
        """Those of a band."""
        return [trial for trial in self.trials if trial.band == band]


def plan_session(
    head: Head, seed: int, sfreq_hz: float, signs: Signs, *, is_quick: bool = False
) -> Plan:
    """Draw the sources of a session.

    First a pulse of each sign in each region, in random order; then a rhythm of each band in each
    region, those of different bands at the same time, in regions that are far from one another.

    Parameters
    ----------
    head : Head
    seed : int
        0 or more.
    sfreq_hz : float
        Sessions of one seed have the same sources at every rate.
    signs : 'random' or 'positive'
        Of the pulses: one of each sign in each region, or one positive.
    is_quick : bool
        Only in some regions, drawn at random.

    Raises
    ------
    ConfigError
        If the seed or the rate is out of range.
    """
    if seed < 0:
        raise ConfigError(f"`seed` is {seed}: expected 0 or more")
    if not SLOWEST_HZ <= sfreq_hz <= FASTEST_HZ:
        raise ConfigError(
            f"`sfreq_hz` is {sfreq_hz:g}: expected {SLOWEST_HZ:g} to {FASTEST_HZ:g}, fast enough "
            "for all bands"
        )
    rng = np.random.default_rng(seed)
    regions = atlas_regions(head)
    chosen = np.arange(len(regions))
    if is_quick:
        chosen = rng.choice(chosen, min(QUICK_REGIONS, chosen.size), replace=False)
    draw = _Draw(head, regions, rng)
    lead_in, ramp, plateau, burst, gap, tail = (
        round(seconds * sfreq_hz)
        for seconds in (LEAD_IN_S, RAMP_S, PLATEAU_S, BURST_S, GAP_S, TAIL_S)
    )
    both = [(int(r), sign) for r in chosen for sign in ((1, -1) if signs == "random" else (1,))]
    at, trials = lead_in, []
    for i in rng.permutation(len(both)):
        region, sign = both[i]
        trials.append(draw(region, at + ramp, plateau, sign))
        at += plateau + 2 * ramp
    at += gap
    for slot in _slots(regions, chosen, head, rng):
        trials += [
            draw(int(region), at, burst, 1, band) for band, region in zip(BANDS, slot, strict=True)
        ]
        at += burst + gap
    return Plan(tuple(trials), sfreq_hz, at + tail)


class _Draw:
    """Draws a patch in a region."""

    def __init__(self, head: Head, regions: list[Region], rng: np.random.Generator) -> None:
        self._names, self._rng = [region.name for region in regions], rng
        places = Patches(head).dipoles
        self._seeds = [np.intersect1d(region.dipoles, places) for region in regions]

    def __call__(
        self, region: int, first: int, n_samples: int, sign: int, band: str | None = None
    ) -> Trial:
        rng = self._rng
        dipole = int(rng.choice(self._seeds[region]))
        order = int(rng.integers(ORDERS[0], ORDERS[1] + 1))
        moment_nam = sign * float(rng.uniform(*MOMENT_NAM))
        phase = float(rng.uniform(0, 2 * np.pi))
        last = first + n_samples - 1
        source = TrueSource(dipole, order, moment_nam, self._names[region], first, last)
        return Trial(source, region, band, phase)


def _slots(
    regions: list[Region], chosen: NDArray[np.intp], head: Head, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return which regions have rhythms at the same time, shape (n_slots, n_bands).

    Each region once in each band; those of a slot far apart where that can be.
    """
    distances_mm = between_mm(regions, head)
    slots = [rng.permutation(chosen)]
    for _ in range(1, len(BANDS)):
        nearest_mm = np.min([distances_mm[chosen][:, taken] for taken in slots], axis=0)
        # Any order is as good as another, unless it brings neighbours together.
        cost = rng.random(nearest_mm.shape) + chosen.size * (nearest_mm <= FAR_MM)
        rows, columns = linear_sum_assignment(cost)
        slots.append(chosen[rows[np.argsort(columns)]])
    return np.stack(slots, axis=1)


def between_mm(regions: list[Region], head: Head) -> NDArray[np.float64]:
    """Return how far the middles of regions are from one another, in millimetres."""
    centres_m = np.array([region.centroid_m(head) for region in regions])
    distances: NDArray[np.float64] = np.linalg.norm(centres_m[:, None] - centres_m, axis=2) * 1e3
    return distances


def topographies_v(plan: Plan, head: Head) -> NDArray[np.float32]:
    """Return what the electrodes measure of each source, shape (n_trials, n_electrodes)."""
    patches = Patches(head)
    place_of = {int(dipole): place for place, dipole in enumerate(patches.dipoles)}
    return np.array(
        [
            patches.topography_v(place_of[one.dipole], one.order, one.moment_nam)
            for one in (trial.source for trial in plan.trials)
        ]
    )


def peak_snrs(plan: Plan, head: Head) -> NDArray[np.float64]:
    """Return the peak SNR of each source, shape (n_trials,): the noise is one for the session."""
    peaks_v = np.abs(topographies_v(plan, head)).max(axis=1).astype(float)
    snrs: NDArray[np.float64] = SNR * peaks_v / np.median(peaks_v)
    return snrs


def simulate_plan(plan: Plan, head: Head, seed: int) -> Session:
    """Return the EEG of a plan: its sources in the simulator's background, at its SNR."""
    signal_v = np.zeros((plan.n_times, head.n_electrodes), np.float32)
    topographies = topographies_v(plan, head)
    for trial, topography_v in zip(plan.trials, topographies, strict=True):
        first, course = _course(trial, plan.sfreq_hz)
        signal_v[first : first + course.size] += course[:, None] * topography_v
    rng = np.random.default_rng([seed, 1])  # another one than the plan's
    peaks_v = np.abs(topographies).max(axis=1).tolist()
    eeg_uv = in_background(signal_v, peaks_v, head, plan.sfreq_hz, rng)
    return Session(eeg_uv, tuple(trial.source for trial in plan.trials), plan.sfreq_hz)


def _course(trial: Trial, sfreq_hz: float) -> tuple[int, NDArray[np.float32]]:
    """Return the first sample of a source, and its course from there on, 1 at most."""
    source = trial.source
    n = source.last - source.first + 1
    if trial.band is None:
        ramp = round(RAMP_S * sfreq_hz)
        rise = (1 - np.cos(np.pi * (np.arange(ramp) + 0.5) / ramp)) / 2
        course = np.concatenate([rise, np.ones(n), rise[::-1]])
        return source.first - ramp, course.astype(np.float32)
    angle = 2 * np.pi * middle_hz(trial.band) * np.arange(n) / sfreq_hz + trial.phase
    return source.first, np.sin(angle).astype(np.float32)


def middle_hz(band: str) -> float:
    """Return the middle of a band, as its delay is stated for."""
    low, high = BANDS[band]
    return float(np.sqrt(low * high))


def feature_name(band: str, region: str) -> str:
    """Return the name of a feature, which is one in a settings file.

    Examples
    --------
    >>> feature_name("theta", "cuneus-lh")
    'theta_cuneus_lh'
    """
    return f"{band}_{region}".replace("-", "_")
