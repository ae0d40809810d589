"""The soak test: source, service, client and a stalled client, for as long as you like.

It fails if a sample is lost or repeated, if memory grows, or if a backlog persists.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from math import isnan
from typing import Any

import cyclopts
import numpy as np
import pylsl
from pylsl.util import LostError

from convdip.bench.trial import MEMORY_LIMIT_MB, Between, Trial, run_trial
from convdip.bundle import DEFAULT_MODEL
from convdip.errors import ConfigError, ConvDipError, StreamError
from convdip.live.backlog import MAX_BATCH
from convdip.live.sender import resolve
from convdip.machine import memory_mb, processor_name
from convdip.processes import private_lsl
from convdip.streams import read_quality, stream_name
from convdip.terminal import in_a_line

# LSL's buffers and ONNX Runtime's arena fill first: growth counts from then on.
SETTLE_S = 60.0
GROWTH_MB = 10.0
# A backlog persists if so many reports in a row show one.
BACKLOG_REPORTS = 50
STATUS_S = 10.0


class Watch:
    """Watches the service while the soak runs.

    Parameters
    ----------
    name : str
        Name of the service.

    Attributes
    ----------
    memory_mb : list of float
        Every ten seconds.
    reports : list of dict
        Samples of the quality stream, every ten seconds.
    backlog_most : float
        Samples.
    backlog_reports : int
        Longest run of reports with a backlog.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._quality: pylsl.StreamInlet | None = None
        self._began_s = time.monotonic()
        self._due_s = self._began_s
        self._in_a_row = 0
        self.memory_mb: list[float] = []
        self.reports: list[dict[str, float]] = []
        self.backlog_most = 0.0
        self.backlog_reports = 0

    def __call__(self, pid: int) -> None:
        """Read the quality stream; called with the service's process id ten times a second."""
        if self._quality is None:
            try:
                stream = resolve(stream_name(self._name, "Quality"), 1.0, settle_s=0.0)
            except StreamError:  # not open yet; a service that failed is reported elsewhere
                return
            self._quality = pylsl.StreamInlet(stream, max_buflen=60, recover=False)
        try:
            rows, _ = self._quality.pull_chunk(timeout=0.0, as_numpy=True)
        except LostError:
            return
        for row in rows:
            backlog = read_quality(row)["backlog"]
            self._in_a_row = self._in_a_row + 1 if backlog >= MAX_BATCH else 0
            self.backlog_most = max(self.backlog_most, backlog)
            self.backlog_reports = max(self.backlog_reports, self._in_a_row)
        now_s = time.monotonic()
        if len(rows) and now_s >= self._due_s:
            self._due_s = now_s + STATUS_S
            last = read_quality(rows[-1])
            self.reports.append(last)
            self.memory_mb.append(memory_mb(pid))
            print(
                f"{(now_s - self._began_s) / 60:5.1f} min   age {last['age_p50']:.2f} ms "
                f"(p99 {last['age_p99']:.2f})   {last['rate_out']:.0f} Hz out   "
                f"{self.memory_mb[-1]:.0f} MB   backlog {last['backlog']:.0f}",
                file=sys.stderr,
                flush=True,
            )

    def growth_mb(self) -> float:
        """Return memory growth from the first settled tenth to the last; NaN if too short."""
        settled = self.memory_mb[round(SETTLE_S / STATUS_S) :]
        part = max(1, len(settled) // 10)
        if len(settled) < 2:
            return float("nan")
        return float(np.median(settled[-part:]) - np.median(settled[:part]))


def what_is_wrong(trial: Trial, watch: Watch) -> list[str]:
    """Return the failures, in words; empty if there are none."""
    service = trial.service
    growth_mb, most_mb = watch.growth_mb(), max(watch.memory_mb, default=0.0)
    found = (
        (trial.lost, f"{trial.lost} samples lost"),
        (trial.repeated, f"{trial.repeated} samples repeated or out of order"),
        (service["missing"], f"{service['missing']} samples missing in the service's input"),
        (service["overflowed"], f"{service['overflowed']} samples overflowed the input buffer"),
        (growth_mb > GROWTH_MB, f"memory grew by {growth_mb:.0f} MB"),
        (most_mb > MEMORY_LIMIT_MB, f"memory peaked at {most_mb:.0f} MB"),
        (watch.backlog_reports > BACKLOG_REPORTS, "a persistent backlog"),
        (not watch.reports, "no sample on the quality stream"),
    )
    return [words for is_wrong, words in found if is_wrong]


def soak(
    *,
    minutes: float = 30.0,
    rate_hz: float = 1000.0,
    model: str = DEFAULT_MODEL,
    realtime: bool = False,
) -> int:
    """Run source, service, client and a stalled client; exit with code 1 on any failure.

    Prints the verdict as one JSON object on the last line.

    Parameters
    ----------
    minutes : float
        Duration.
    rate_hz : float
        Sampling rate.
    model : str
        Model bundle.
    realtime : bool
        All processes take real-time priority.
    """
    if not (minutes > 0 and 1 <= rate_hz <= 10_000):
        raise ConfigError(
            f"--minutes is {minutes:g} and --rate-hz {rate_hz:g}: expected a duration "
            "above 0 and a rate of 1 to 10,000"
        )
    name = f"Soak{uuid.uuid4().hex[:8]}"
    watch = Watch(name)
    with private_lsl() as env:
        trial = run_trial(
            env,
            rate_hz,
            60 * minutes,
            Between(model),
            name=name,
            realtime=realtime,
            stalled=True,
            watch=watch,
        )
    settled_p50 = [report["age_p50"] for report in watch.reports[2:]]
    half = len(settled_p50) // 2
    wrong = what_is_wrong(trial, watch)
    growth_mb = watch.growth_mb()
    verdict: dict[str, Any] = {
        "ok": not wrong,
        "wrong": wrong,
        "minutes": minutes,
        "rate_hz": rate_hz,
        "machine": processor_name(),
        "sent": trial.sent,
        "lost": trial.lost,
        "repeated": trial.repeated,
        "age_ms_median": round(trial.median_ms, 3),
        "age_ms_p99": round(trial.p99_ms, 3),
        "age_ms_most": round(float(trial.ages_ms.max()), 1),
        "age_ms_first_half": round(float(np.median(settled_p50[:half] or [np.nan])), 3),
        "age_ms_second_half": round(float(np.median(settled_p50[half:] or [np.nan])), 3),
        "memory_mb_first_and_last": [watch.memory_mb[0], watch.memory_mb[-1]]
        if watch.memory_mb
        else None,
        "memory_mb_growth_after_a_minute": None if isnan(growth_mb) else round(growth_mb, 1),
        "memory_mb_most": max(watch.memory_mb, default=None),
        "backlog_most": watch.backlog_most,
        "service": trial.service,
    }
    print(json.dumps(verdict))
    return 1 if wrong else 0


if __name__ == "__main__":
    app = cyclopts.App(help_format="plaintext", default_command=soak, version_flags=())
    try:
        sys.exit(app())
    except ConvDipError as error:
        print(f"soak: {in_a_line(error)}", file=sys.stderr)
        sys.exit(2)
