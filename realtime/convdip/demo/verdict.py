"""The demo's verdict: what a client received, held against what was played."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convdip.errors import StreamError
from convdip.head import Head

N_DRAWS = 1000


@dataclass(frozen=True)
class PlayedSource:
    """A source of the session: its seed dipole, and when it was fully on (LSL time)."""

    dipole: int
    region: str
    first_stamp: float
    last_stamp: float


@dataclass(frozen=True)
class PlayedSession:
    """What was sent: sample ``i`` carried the stamp ``first_stamp + i / sfreq_hz``."""

    n_samples: int
    first_stamp: float
    sfreq_hz: float
    sources: tuple[PlayedSource, ...]


class Received:
    """What a client got, sample by sample.

    Attributes
    ----------
    n : int
        Samples so far.
    """

    def __init__(self) -> None:
        self.n = 0
        # Filled up to n, doubled when full: the client that measures must cost nothing itself.
        self._stamps = np.empty(4096)
        self._ages_s = np.empty(4096)
        self._strongest = np.empty(4096, np.int64)

    def add(self, sources: NDArray[np.float32], stamps: NDArray[np.float64], now_s: float) -> None:
        """Keep time stamp, age and strongest dipole of each sample of a chunk."""
        after = self.n + len(stamps)
        while after > len(self._stamps):
            for name in ("_stamps", "_ages_s", "_strongest"):
                full = getattr(self, name)
                setattr(self, name, np.concatenate([full, np.empty_like(full)]))
        self._stamps[self.n : after] = stamps
        self._ages_s[self.n : after] = now_s - stamps
        self._strongest[self.n : after] = np.abs(sources).argmax(axis=1)
        self.n = after

    @property
    def stamps(self) -> NDArray[np.float64]:
        """Time stamps, shape (n,)."""
        return self._stamps[: self.n]

    def ages_ms(self, since_stamp: float) -> NDArray[np.float64]:
        """Return the ages of the samples from a time stamp on."""
        return self._ages_s[np.searchsorted(self.stamps, since_stamp) : self.n] * 1e3

    def strongest_during(self, source: PlayedSource, sfreq_hz: float) -> NDArray[np.int64]:
        """Return the strongest dipole of each sample on a source's plateau."""
        half_step_s = 0.5 / sfreq_hz
        bounds = (source.first_stamp - half_step_s, source.last_stamp + half_step_s)
        first, last = np.searchsorted(self.stamps, bounds)
        return self._strongest[first:last]


@dataclass(frozen=True)
class Report:
    """The outcome of a demo.

    Attributes
    ----------
    sent : int
        EEG samples sent since the client was connected.
    received, lost, out_of_order : int
        Source vectors that the client got, that it missed, that came late or twice.
    n_sources : int
        True sources seen.
    error_mm_median : float
        Distance from the strongest dipole to the true seed, over all samples of all plateaus.
    error_mm_by_chance : float
        The same with true sources anywhere on the cortex: the median over 1,000 draws.
    better_than_chance : bool
        Whether the error is below that of 99 % of the draws.
    age_ms_median, age_ms_p99 : float
        Time stamp of an EEG sample → the client has its sources, from the first source on:
        what piled up while the three programs found each other is no measure of them.
    provider, model : str
    """

    sent: int
    received: int
    lost: int
    out_of_order: int
    n_sources: int
    error_mm_median: float
    error_mm_by_chance: float
    better_than_chance: bool
    age_ms_median: float
    age_ms_p99: float
    provider: str
    model: str

    @property
    def ok(self) -> bool:
        """No sample lost or repeated, and sources found."""
        return not self.complaint

    @property
    def complaint(self) -> str:
        """What is wrong, in words; empty for nothing."""
        return ", ".join(
            words
            for wrong, words in (
                (self.lost, "samples were lost"),
                (self.out_of_order, "samples came late or twice"),
                (not self.better_than_chance, "sources were found no better than by chance"),
            )
            if wrong
        )


def judge(
    received: Received, played: PlayedSession, head: Head, provider: str, model: str
) -> Report:
    """Hold what came out against what went in.

    Raises
    ------
    StreamError
        If no source was on while the client listened.
    """
    # From the first sample that came on, all must come.
    places = np.round((received.stamps - played.first_stamp) * played.sfreq_hz).astype(int)
    sent = played.n_samples - int(places[0])

    seen = [
        (strongest, source.dipole)
        for source in played.sources
        if (strongest := received.strongest_during(source, played.sfreq_hz)).size
    ]
    if not seen:
        raise StreamError("no source was seen: let the demo run for 3 seconds or more")
    estimates = np.concatenate([strongest for strongest, _ in seen])
    n_each = [strongest.size for strongest, _ in seen]

    def median_error_mm(dipoles: NDArray[np.int64]) -> float:
        return float(np.median(distances_mm(estimates, np.repeat(dipoles, n_each), head)))

    error_mm = median_error_mm(np.array([dipole for _, dipole in seen]))
    rng = np.random.default_rng(0)
    chance_mm = [
        median_error_mm(rng.integers(head.n_dipoles, size=len(seen))) for _ in range(N_DRAWS)
    ]
    ages_ms = received.ages_ms(played.sources[0].first_stamp)
    return Report(
        sent=sent,
        received=received.n,
        lost=sent - np.unique(places).size,
        out_of_order=int((np.diff(places) <= 0).sum()),
        n_sources=len(seen),
        error_mm_median=round(error_mm, 2),
        error_mm_by_chance=round(float(np.median(chance_mm)), 2),
        better_than_chance=bool(error_mm < np.percentile(chance_mm, 1)),
        age_ms_median=round(float(np.median(ages_ms)), 3),
        age_ms_p99=round(float(np.percentile(ages_ms, 99)), 3),
        provider=provider,
        model=model,
    )


def distances_mm(
    estimates: NDArray[np.int64], dipoles: int | NDArray[np.int64], head: Head
) -> NDArray[np.float64]:
    """Return how far dipoles are from one dipole, or each from its own."""
    offsets_m = head.dipoles_m[estimates] - head.dipoles_m[dipoles]
    distances: NDArray[np.float64] = np.linalg.norm(offsets_m.astype(float), axis=1) * 1e3
    return distances
