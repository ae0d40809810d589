"""The demo's verdict: what a client received, compared with what was simulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convdip.errors import StreamError
from convdip.head import Head
from convdip.sources.signs import Signs
from convdip.streams import PlayedSource

N_DRAWS = 1000
# The simulated sources, in words.
KINDS: dict[Signs, str] = {
    "random": "sources of random sign",
    "positive": "positive sources (the model holds for one polarity)",
}


@dataclass(frozen=True)
class PlayedSession:
    """The simulated session: sample ``i`` has time stamp ``first_stamp + i / sfreq_hz``."""

    n_samples: int
    first_stamp: float
    sfreq_hz: float
    sources: tuple[PlayedSource, ...]


class Received:
    """What a client received, sample by sample.

    Parameters
    ----------
    head : Head

    Attributes
    ----------
    n : int
        Samples so far.
    """

    def __init__(self, head: Head) -> None:
        self._head = head
        self.n = 0
        # Filled up to n, doubled when full, so that the measuring client costs little.
        self._stamps = np.empty(4096)
        self._ages_s = np.empty(4096)
        self._strongest = np.empty(4096, np.int64)
        self._signs = np.empty(4096)

    def add(self, sources: NDArray[np.float32], stamps: NDArray[np.float64], now_s: float) -> None:
        """Record time stamp, age, strongest dipole and its sign for each sample of a chunk.

        Parameters
        ----------
        sources : ndarray, shape (n_times, n_dipoles)
            Any unit.
        stamps : ndarray, shape (n_times,)
        now_s : float
            LSL time of arrival.
        """
        after = self.n + len(stamps)
        while after > len(self._stamps):
            for name in ("_stamps", "_ages_s", "_strongest", "_signs"):
                full = getattr(self, name)
                setattr(self, name, np.concatenate([full, np.empty_like(full)]))
        self._stamps[self.n : after] = stamps
        self._ages_s[self.n : after] = now_s - stamps
        strongest = self._head.strongest(sources)
        self._strongest[self.n : after] = strongest
        self._signs[self.n : after] = np.sign(sources[np.arange(len(strongest)), strongest])
        self.n = after

    @property
    def stamps(self) -> NDArray[np.float64]:
        """Time stamps, shape (n,)."""
        return self._stamps[: self.n]

    def ages_ms(self, since_stamp: float) -> NDArray[np.float64]:
        """Return the ages of all samples from a time stamp on."""
        return self._ages_s[np.searchsorted(self.stamps, since_stamp) : self.n] * 1e3

    def strongest_during(self, source: PlayedSource, sfreq_hz: float) -> NDArray[np.int64]:
        """Return the strongest dipole of each sample while a source was at full strength."""
        return self._strongest[self._during(source, sfreq_hz)]

    def signs_during(self, source: PlayedSource, sfreq_hz: float) -> NDArray[np.float64]:
        """Return the sign of the strongest dipole's moment in the same samples: −1, 0 or 1."""
        return self._signs[self._during(source, sfreq_hz)]

    def _during(self, source: PlayedSource, sfreq_hz: float) -> slice:
        half_step_s = 0.5 / sfreq_hz
        bounds = (source.first_stamp - half_step_s, source.last_stamp + half_step_s)
        first, last = np.searchsorted(self.stamps, bounds)
        return slice(int(first), int(last))


@dataclass(frozen=True)
class Report:
    """The outcome of a demo.

    Attributes
    ----------
    sent : int
        EEG samples sent since the client connected.
    received, lost, out_of_order : int
        Source maps that the client received, missed, and received late or twice.
    n_sources : int
        Simulated sources active while the client listened.
    error_mm_median : float
        Localisation error: distance from the strongest dipole to the seed of the simulated
        source, over all samples of all sources.
    error_mm_by_chance : float
        The same for seeds drawn at random from the cortex: median over 1,000 draws.
    better_than_chance : bool
        Whether the error is below that of 99 % of the draws.
    signs : 'random' or 'positive'
        Of the simulated sources.
    sign_right : float
        Share of these samples in which the strongest dipole's moment has the source's sign.
    age_ms_median, age_ms_p99 : float
        From the time stamp of an EEG sample until the client has its source map. It counts from
        the first source on, since samples pile up while the three programs connect.
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
    signs: Signs
    sign_right: float
    age_ms_median: float
    age_ms_p99: float
    provider: str
    model: str

    @property
    def ok(self) -> bool:
        """No sample lost or repeated, and localisation better than chance."""
        return not self.complaint

    @property
    def complaint(self) -> str:
        """What failed, in words; empty if nothing did."""
        return ", ".join(
            words
            for wrong, words in (
                (self.lost, "samples lost"),
                (self.out_of_order, "samples out of order or repeated"),
                (not self.better_than_chance, "localisation no better than chance"),
            )
            if wrong
        )


def judge(
    received: Received,
    played: PlayedSession,
    head: Head,
    signs: Signs,
    provider: str,
    model: str,
) -> Report:
    """Compare what was received with what was simulated.

    Raises
    ------
    StreamError
        If no source was active while the client listened.
    """
    # From the first sample received on, all must arrive.
    places = np.round((received.stamps - played.first_stamp) * played.sfreq_hz).astype(int)
    sent = played.n_samples - int(places[0])

    seen = [
        (strongest, source.dipole)
        for source in played.sources
        if (strongest := received.strongest_during(source, played.sfreq_hz)).size
    ]
    if not seen:
        raise StreamError("no source was active during the demo: run it for at least 3 seconds")
    estimates = np.concatenate([strongest for strongest, _ in seen])
    is_right = np.concatenate(
        [
            received.signs_during(source, played.sfreq_hz) == np.sign(source.moment_nam)
            for source in played.sources
        ]
    )
    n_each = [strongest.size for strongest, _ in seen]

    def median_error_mm(dipoles: NDArray[np.int64]) -> float:
        return float(np.median(distances_mm(estimates, np.repeat(dipoles, n_each), head)))

    error_mm = median_error_mm(np.array([dipole for _, dipole in seen]))
    rng, cortex = np.random.default_rng(0), np.flatnonzero(head.is_cortex)
    chance_mm = [median_error_mm(rng.choice(cortex, size=len(seen))) for _ in range(N_DRAWS)]
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
        signs=signs,
        sign_right=round(float(is_right.mean()), 4),
        age_ms_median=round(float(np.median(ages_ms)), 3),
        age_ms_p99=round(float(np.percentile(ages_ms, 99)), 3),
        provider=provider,
        model=model,
    )


def distances_mm(
    estimates: NDArray[np.int64], dipoles: int | NDArray[np.int64], head: Head
) -> NDArray[np.float64]:
    """Return distances of dipoles from one dipole, or of each from its own, in millimetres."""
    offsets_m = head.dipoles_m[estimates] - head.dipoles_m[dipoles]
    distances: NDArray[np.float64] = np.linalg.norm(offsets_m.astype(float), axis=1) * 1e3
    return distances
