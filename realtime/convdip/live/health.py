"""How the service does: samples in and out, gaps, backlog, and how old its output is."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convdip.live.backlog import MAX_BATCH, Backlog
from convdip.live.latency import AGE, PERCENTILES, STAGES, Latency
from convdip.machine import memory_mb

# What the quality stream says, and in which units; counts are since the start.
QUALITY = {
    "age_now": "ms",
    **{f"{stage}_p{p}": "ms" for stage in (AGE, *STAGES) for p in PERCENTILES},
    "rate_in": "Hz",
    "rate_out": "Hz",
    "batch": "samples",
    "backlog": "samples",
    "overload": "boolean",
    "dropped": "samples",
    "overflowed": "samples",
    "missing": "samples",
    "stream_losses": "times",
    "goodness_of_fit": "ratio",
    "bad_channels": "electrodes",
}
# Missing samples are looked for over stretches of this length, or of 32 samples.
STRETCH_S = 1.0
LEAST_STRETCH = 32
# No sample for so long, or for 20 samples, is silence.
SILENCE_S = 1.0


class Health:
    """Counts samples and keeps the latest ages, stage by stage.

    Parameters
    ----------
    sfreq_hz : float
        Nominal rate of the input.
    now_s : float
        LSL time at which it begins.
    n_bad : int
        Electrodes that are interpolated.

    Attributes
    ----------
    n_received, n_published, n_dropped : int
        Samples; what was received is published or dropped.
    n_batches : int
        In which they were imaged.
    n_unread : int
        Samples that were there when the stream ended or the service was stopped.
    n_overflowed : int
        Samples that came while the inlet's buffer was full.
    n_unstamped : int
        Samples whose time stamp is not a number.
    n_behind, n_behind_most : int
        How many newer samples waited beside the last one taken, and the most that ever did.
    is_over : bool
        Whether too many wait.
    n_overloads : int
        How often that began.
    n_gaps, n_missing : int
        Stretches of the input in which samples are missing, and how many are.
    n_losses : int
        How often the whole stream was lost.
    outage_s : float
        For how long, in all.
    """

    def __init__(self, sfreq_hz: float, now_s: float, n_bad: int = 0) -> None:
        self.n_received = 0
        self.n_published = 0
        self.n_dropped = 0
        self.n_batches = 0
        self.n_unread = 0
        self.n_overflowed = 0
        self.n_unstamped = 0
        self.n_behind = 0
        self.n_behind_most = 0
        self.is_over = False
        self.n_overloads = 0
        self.n_gaps = 0
        self.n_missing = 0
        self.n_losses = 0
        self.outage_s = 0.0
        self._lost_at_s = 0.0
        self._sfreq_hz = sfreq_hz
        # What piled up while the service started is no measure of it: ages count from when the
        # inlet was empty once.
        self._is_settled = False
        self._last_stamp: float | None = None
        self._last_news_s = now_s
        self._newest_stamp = np.nan
        # In samples: how far the stamps are ahead of the count.
        self._advance = 0.0
        self._least = np.inf
        self._least_before = np.inf
        self._n_stretch = 0
        self._latency = Latency()
        self._n_bad = n_bad
        self._started_cpu_s = time.process_time()
        # Since the last report: its time, samples in and out, batches, sum of the fit.
        self._reported_s, self._n_in, self._n_out, self._n_runs, self._fit = np.nan, 0, 0, 0, 0.0

    def received(self, timestamps: NDArray[np.float64], n_dropped: int = 0) -> int:
        """Count samples that came in, and those that should have come between them.

        Parameters
        ----------
        timestamps : ndarray, shape (n_times,)
        n_dropped : int
            Samples that came before these and were dropped.

        Returns
        -------
        missing : int
            Samples newly found missing.

        Stamps run behind or ahead of the count of samples, since amplifiers stamp unevenly;
        but a lost sample puts them ahead for good. So the least advance in each stretch is
        compared with the one before: jitter leaves it where it is, loss raises it by whole
        samples.
        """
        n = n_dropped + len(timestamps)
        self.n_received += n
        self.n_dropped += n_dropped
        self._n_in += n
        # Plain floats: for a chunk of one or a few, NumPy's calls would cost ten times as much.
        stamps: list[float] = timestamps.tolist()
        if self._last_stamp is None:
            first = next(filter(math.isfinite, stamps), None)
            if first is None:
                self.n_unstamped += len(stamps)
                return 0
            self._last_stamp = first - stamps.index(first) / self._sfreq_hz - 1 / self._sfreq_hz
        last, advance, least = self._last_stamp, self._advance - n_dropped, self._least
        for stamp in stamps:
            if not math.isfinite(stamp):
                self.n_unstamped += 1
                advance -= 1  # its interval is in the next one's
                continue
            advance += (stamp - last) * self._sfreq_hz - 1
            last = stamp
            if advance < least:
                least = advance
        self._last_stamp, self._advance, self._least = last, advance, least
        self._n_stretch += len(stamps)
        if self._n_stretch >= max(LEAST_STRETCH, STRETCH_S * self._sfreq_hz):
            return self._close_stretch()
        return 0

    def _close_stretch(self) -> int:
        """Compare a stretch with the one before, and begin another."""
        missing = 0
        if self._n_stretch >= LEAST_STRETCH and math.isfinite(self._least):
            if self._least_before < math.inf:
                missing = max(0, round(self._least - self._least_before))
            self._least_before = self._least
        if missing:
            self.n_gaps += 1
            self.n_missing += missing
        self._least, self._n_stretch = math.inf, 0
        return missing

    def published(
        self,
        timestamps: NDArray[np.float64],
        reached_s: tuple[float, ...],
        goodness_of_fit: NDArray[np.float32],
    ) -> None:
        """Count samples that went out.

        Parameters
        ----------
        timestamps : ndarray, shape (n_times,)
        reached_s : tuple of float
            LSL time at which each stage was done with them, the last one being now.
        goodness_of_fit : ndarray, shape (n_times,)
        """
        self.n_published += len(timestamps)
        self._n_out += len(timestamps)
        self.n_batches += 1
        self._n_runs += 1
        self._fit += float(goodness_of_fit.sum())
        self._last_news_s = reached_s[-1]
        self._newest_stamp = float(timestamps[-1])
        if self._is_settled:
            self._latency.add(timestamps, reached_s)

    def overflowed(self, missing: int) -> None:
        """Say of samples found missing that the inlet's buffer had no place for them."""
        self.n_gaps -= 1
        self.n_missing -= missing
        self.n_overflowed += missing

    def queued(self, backlog: Backlog) -> None:
        """Take note of what waits; after `published`."""
        self._is_settled |= backlog.n_behind < MAX_BATCH - 1
        self.n_behind = backlog.n_behind
        self.n_behind_most = max(self.n_behind_most, backlog.n_behind)
        self.n_overloads += backlog.is_over and not self.is_over
        self.is_over = backlog.is_over

    def ended(self, n_unread: int) -> None:
        """Count what is left at the end of the stream or of the service."""
        self.n_unread += n_unread
        self._close_stretch()
        self.is_over, self.n_behind = False, 0

    def lost(self, now_s: float) -> None:
        """Count a loss of the whole stream, at an LSL time."""
        self.n_losses += 1
        self._lost_at_s = now_s

    def restarted(self, now_s: float) -> None:
        """Start over with the time stamps: the input is back, at an LSL time."""
        self.outage_s += now_s - self._lost_at_s
        self._is_settled = False
        self._last_news_s = now_s
        self._last_stamp = None
        self._advance = 0.0
        self._least = self._least_before = np.inf
        self._n_stretch = 0

    def silence_s(self, now_s: float) -> float:
        """Return for how long nothing has come, 0 where that is no longer than usual."""
        quiet_s = now_s - self._last_news_s
        return quiet_s if quiet_s > max(SILENCE_S, 20 / self._sfreq_hz) else 0.0

    def stages_ms(self) -> dict[str, NDArray[np.float32]]:
        """Return 50th, 95th and 99th percentile of each stage's and the whole age."""
        return self._latency.percentiles_ms()

    def report(self, now_s: float) -> dict[str, float]:
        """Return what the quality stream says at an LSL time, and begin a new period of rates."""
        stages = self.stages_ms()
        period_s = now_s - self._reported_s
        n_in, n_out, n_runs, fit = self._n_in, self._n_out, self._n_runs, self._fit
        self._reported_s, self._n_in, self._n_out, self._n_runs, self._fit = now_s, 0, 0, 0, 0.0
        nan = float("nan")
        values = [
            (now_s - self._newest_stamp) * 1e3,
            *(float(ms) for stage in (AGE, *STAGES) for ms in stages[stage]),
            n_in / period_s,
            n_out / period_s,
            n_out / n_runs if n_runs else nan,
            self.n_behind,
            self.is_over,
            self.n_dropped,
            self.n_overflowed,
            self.n_missing,
            self.n_losses,
            fit / n_out if n_out else nan,
            self._n_bad,
        ]
        return dict(zip(QUALITY, values, strict=True))

    def summary(self) -> dict[str, Any]:
        """Return counts, ages and what it took as JSON values."""
        stages = self.stages_ms()
        return {
            "received": self.n_received,
            "published": self.n_published,
            "batches": self.n_batches,
            "dropped": self.n_dropped,
            "unread": self.n_unread,
            "overflowed": self.n_overflowed,
            "unstamped": self.n_unstamped,
            "gaps": self.n_gaps,
            "missing": self.n_missing,
            "overloads": self.n_overloads,
            "backlog_most": self.n_behind_most,
            "stream_losses": self.n_losses,
            "outage_s": round(self.outage_s, 3),
            "latency_ms": {
                stage: {f"p{p}": _json(ms) for p, ms in zip(PERCENTILES, values, strict=True)}
                for stage, values in stages.items()
            },
            "cpu_s": round(time.process_time() - self._started_cpu_s, 3),
            "memory_mb": memory_mb(),
        }


def _json(value: np.float32) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)


def status_line(health: Health, now_s: float) -> str:
    """Return how the service does, for a terminal: what is wrong comes first, in capitals."""
    stages = health.stages_ms()
    median, _, p99 = stages[AGE]
    parts = " + ".join(f"{stage} {stages[stage][0]:.2f}" for stage in STAGES)
    age = f"age {median:.2f} ms (p99 {p99:.2f}) = {parts}"
    if np.isnan(median):
        age = "age –"
    if silence_s := health.silence_s(now_s):
        age = f"NO SAMPLE FOR {silence_s:.0f} s"
    if health.is_over:
        age = f"OVERLOAD, {health.n_behind} SAMPLES WAIT   {age}"
    return (
        f"{age}   {health.n_published} samples out, {health.n_dropped} dropped, "
        f"{health.n_missing} missing in the input"
    )
