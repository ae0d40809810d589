"""The service's health: samples in and out, gaps, backlog, and the age of its output."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from convdip.frame import Artefact, Frame, Invalid
from convdip.live.backlog import MAX_BATCH, Backlog
from convdip.live.gaps import GapDetector
from convdip.live.latency import Latency
from convdip.live.summary import Summary
from convdip.machine import memory_mb
from convdip.streams import AGE, PERCENTILES, QUALITY, STAGES

# Silence: no sample for this long, or for the time of 20 samples.
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
        Electrodes that are interpolated, or left out where none ever are.

    Attributes
    ----------
    n_bad : int
    invalid : Invalid
        Why nothing is imaged, if so.
    artefact : Artefact
        In the last half second.
    filter_delay_s : float
        Beside the age.
    feedback_delay_s : float
        From a step of a source to half its effect on the feedback; NaN without any.
    n_received, n_published, n_dropped : int
        Samples; what was received is published or dropped.
    n_batches : int
        In which they were imaged.
    n_unread : int
        Samples that were there when the stream ended or the service was stopped.
    n_overflowed : int
        Samples that came while the inlet's buffer was full.
    n_behind, n_behind_most : int
        Samples waiting behind the last one taken, and the most that ever did.
    is_over : bool
        Whether the backlog is too long.
    n_overloads : int
        How often that happened.
    gaps : GapDetector
    has_known_age : bool
        Whether stamps tell how old samples are.
    n_late, n_repaired : int
        Samples that came long after their stamps, and stamps that were replaced.
    n_losses : int
        How often the whole stream was lost.
    is_lost : bool
        Whether it is now.
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
        self.n_behind = 0
        self.n_behind_most = 0
        self.is_over = False
        self.n_overloads = 0
        self.gaps = GapDetector(sfreq_hz)
        self.has_known_age = True
        self.n_late = self.n_repaired = 0
        self.n_losses = 0
        self.is_lost = False
        self.outage_s = 0.0
        self._lost_at_s = 0.0
        self._sfreq_hz = sfreq_hz
        # What piled up while the service started is no measure of it: ages count from when the
        # inlet was empty once.
        self._is_settled = False
        self._last_news_s = now_s
        self._newest_stamp = np.nan
        self._latency = Latency()
        self.n_bad = n_bad
        self.invalid, self.artefact = Invalid.NOT, Artefact.NONE
        self.filter_delay_s, self.feedback_delay_s = 0.0, np.nan
        self._started_cpu_s = time.process_time()
        # Since the last report: its time, samples in and out, batches, fit and confidence.
        self._reported_s, self._n_in, self._n_out, self._n_runs = np.nan, 0, 0, 0
        self._fit, self._confidence = _Mean(), _Mean()

    def received(self, timestamps: NDArray[np.float64], n_dropped: int = 0) -> int:
        """Count samples that came in, and return how many are newly found missing.

        Parameters
        ----------
        timestamps : ndarray, shape (n_times,)
        n_dropped : int
            Samples that came before these and were dropped.
        """
        n = n_dropped + len(timestamps)
        self.n_received += n
        self.n_dropped += n_dropped
        self._n_in += n
        return self.gaps(timestamps, n_dropped)

    def published(self, frame: Frame, published_s: float) -> None:
        """Count samples that went out at an LSL time."""
        n = len(frame.timestamps)
        self.n_published += n
        self._n_out += n
        self.n_batches += 1
        self._n_runs += 1
        self._fit.add(frame.goodness_of_fit)
        self._confidence.add(frame.confidence)
        self._last_news_s = published_s
        self._newest_stamp = float(frame.timestamps[-1])
        if self._is_settled:
            self._latency.add(frame, published_s, has_age=self.has_known_age)

    def overflowed(self, missing: int) -> None:
        """Count samples found missing as lost by the inlet's full buffer instead."""
        self.gaps.n_gaps -= 1
        self.gaps.n_missing -= missing
        self.n_overflowed += missing

    def queued(self, backlog: Backlog) -> None:
        """Record the backlog; call after `published`."""
        self._is_settled |= backlog.n_behind < MAX_BATCH - 1
        self.n_behind = backlog.n_behind
        self.n_behind_most = max(self.n_behind_most, backlog.n_behind)
        self.n_overloads += backlog.is_over and not self.is_over
        self.is_over = backlog.is_over

    def ended(self, n_unread: int) -> int:
        """Count what is left at the end of the stream or of the service.

        Returns how many samples are newly found missing.
        """
        self.n_unread += n_unread
        self.is_over, self.n_behind = False, 0
        return self.gaps.close()

    def lost(self, now_s: float) -> None:
        """Count a loss of the whole stream, at an LSL time."""
        self.n_losses += 1
        self.is_lost = True
        self._lost_at_s = now_s

    def restarted(self, now_s: float) -> None:
        """Start over with the time stamps: the input is back, at an LSL time."""
        self.is_lost = False
        self.outage_s += now_s - self._lost_at_s
        self._is_settled = False
        self._last_news_s = now_s
        self.gaps.restart()

    @property
    def has_age(self) -> bool:
        """Whether samples were published whose age counts."""
        return self._latency.has_samples

    @property
    def last_news_s(self) -> float:
        """When a sample was published last, or the input opened: on LSL's clock."""
        return self._last_news_s

    def silence_s(self, now_s: float) -> float:
        """Return for how long nothing has come, 0 if no longer than usual."""
        quiet_s = now_s - self._last_news_s
        return quiet_s if quiet_s > max(SILENCE_S, 20 / self._sfreq_hz) else 0.0

    def stages_ms(self) -> dict[str, NDArray[np.float32]]:
        """Return 50th, 95th and 99th percentile of each stage's and the whole age."""
        return self._latency.percentiles_ms()

    def report(self, now_s: float) -> dict[str, float]:
        """Return what the quality stream says at an LSL time, and begin a new period of rates."""
        stages = self.stages_ms()
        period_s = now_s - self._reported_s
        n_in, n_out, n_runs = self._n_in, self._n_out, self._n_runs
        self._reported_s, self._n_in, self._n_out, self._n_runs = now_s, 0, 0, 0
        nan = float("nan")
        values = [
            self._age_now_s(now_s) * 1e3,
            *(float(ms) for stage in (AGE, *STAGES) for ms in stages[stage]),
            n_in / period_s,
            n_out / period_s,
            n_out / n_runs if n_runs else nan,
            self.n_behind,
            self.is_over,
            self.n_dropped,
            self.n_overflowed,
            self.gaps.n_missing,
            self.n_losses,
            self._fit.taken(),
            self._confidence.taken(),
            self.n_bad,
            self.invalid == Invalid.NOT,
            list(Invalid).index(self.invalid),
            list(Artefact).index(self.artefact),
            self.filter_delay_s * 1e3,
            self.feedback_delay_s * 1e3,
        ]
        return dict(zip(QUALITY, values, strict=True))

    def _age_now_s(self, now_s: float) -> float:
        """Return the age of the newest sample; where stamps do not tell it, of a silence alone."""
        if self.has_known_age:
            return now_s - self._newest_stamp
        return self.silence_s(now_s) or np.nan

    def summary(self) -> Summary:
        """Return counts, ages and what it took."""
        stages = self.stages_ms()
        return Summary(
            received=self.n_received,
            published=self.n_published,
            batches=self.n_batches,
            dropped=self.n_dropped,
            unread=self.n_unread,
            overflowed=self.n_overflowed,
            repaired=self.n_repaired,
            late=self.n_late,
            gaps=self.gaps.n_gaps,
            missing=self.gaps.n_missing,
            overloads=self.n_overloads,
            backlog_most=self.n_behind_most,
            stream_losses=self.n_losses,
            outage_s=round(self.outage_s, 3),
            latency_ms={
                stage: {f"p{p}": _json(ms) for p, ms in zip(PERCENTILES, values, strict=True)}
                for stage, values in stages.items()
            },
            cpu_s=round(time.process_time() - self._started_cpu_s, 3),
            memory_mb=memory_mb(),
        )


class _Mean:
    """The mean of what is added, as far as it is a number."""

    def __init__(self) -> None:
        self._sum, self._n = 0.0, 0

    def add(self, values: NDArray[np.float32]) -> None:
        is_number = np.isfinite(values)
        self._sum += float(values.sum(where=is_number))
        self._n += int(np.count_nonzero(is_number))

    def taken(self) -> float:
        """Return the mean, NaN of nothing, and begin anew."""
        mean = self._sum / self._n if self._n else float("nan")
        self._sum, self._n = 0.0, 0
        return mean


def _json(value: np.float32) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)


def status_line(health: Health, now_s: float) -> str:
    """Return the health as a line for the terminal, problems first and in capitals."""
    stages = health.stages_ms()
    median, _, p99 = stages[AGE]
    parts = " + ".join(f"{stage} {stages[stage][0]:.2f}" for stage in STAGES)
    age = f"age {median:.2f} ms (p99 {p99:.2f}) = {parts}"
    if round(health.filter_delay_s * 1e3):
        age += f"; filter {health.filter_delay_s * 1e3:.0f} ms"
    if np.isnan(median):
        age = "age –"
    if silence_s := health.silence_s(now_s):
        age = f"NO SAMPLE FOR {silence_s:.0f} s"
    if health.invalid != Invalid.NOT:
        age = f"NOT VALID: {health.invalid}   {age}"
    if health.is_over:
        age = f"OVERLOAD, {health.n_behind} SAMPLES WAIT   {age}"
    return (
        f"{age}   {health.n_published} samples out, {health.n_dropped} dropped, "
        f"{health.gaps.n_missing} missing in the input, {health.n_bad} electrodes bad or missing"
    )
