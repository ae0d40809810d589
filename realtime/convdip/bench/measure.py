"""The lines of the benchmark's table: each is measured and compared with its target."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from convdip.bench.trial import MEMORY_LIMIT_MB, Between, Trial, busy_cores, run_trial, run_trials
from convdip.bundle import Bundle, load_bundle
from convdip.errors import ConvDipError, StreamError
from convdip.live.imager import Imager
from convdip.live.network import Network, Precision
from convdip.live.runtime import Provider
from convdip.machine import n_cores

RATES_HZ = (250.0, 500.0, 1000.0)
USUAL_HZ = 500.0
LOSSLESS_HZ = 2000
HIGH_HZ = (2000.0, 5000.0)
# Long enough for several batches per core.
N_OFFLINE = 8192
OFFLINE_BATCH = 64
OFFLINE_TURNS = 6
N_CUDA = 2000


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes
    ----------
    what, found, bar : str
        Texts of the table; ``bar`` is the target, empty if there is none.
    met : bool or None
        None if there is no target, or nothing was measured.
    numbers : dict
        The same for programs.
    """

    what: str
    found: str
    bar: str = ""
    met: bool | None = None
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """What is measured, and how.

    Attributes
    ----------
    model : str
        Bundle.
    provider, precision : str
        As the service's.
    realtime : bool
        All processes take real-time priority.
    quick : bool
        Main lines only.
    env : dict
        From `convdip.processes.private_lsl`.
    trials : dict
        By label; filled by `lines`.
    """

    model: str
    provider: Provider
    precision: Precision
    realtime: bool
    quick: bool
    env: dict[str, str]
    trials: dict[str, Trial] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length of a trial after its warm-up."""
        return 4.0 if self.quick else 8.0

    def between(self, **other: Any) -> Between:
        """Return the service to be measured, with changes."""
        return replace(Between(self.model, self.provider, self.precision), **other)

    def trial(self, label: str, rate_hz: float, between: Between, **how: Any) -> Trial:
        """Run a trial and keep it by its label."""
        how.setdefault("realtime", self.realtime)
        found = run_trial(self.env, rate_hz, self.seconds, between, **how)
        self.trials[label] = found
        return found

    def lines(self, on_status: Callable[[str], None]) -> Iterator[Line]:
        """Measure, one line after another; a line that fails does not stop the others."""
        bundle = load_bundle(self.model)
        full = not self.quick
        steps = [
            (f"{rate_hz:g} Hz: service and bare relay", self._ages(rate_hz))
            for rate_hz in (RATES_HZ if full else (USUAL_HZ,))
        ]
        if full:
            steps.append(("all cores busy", self._busy()))
        steps += [
            (f"{rate_hz:g} Hz", self._high(rate_hz))
            for rate_hz in (HIGH_HZ if full else HIGH_HZ[1:])
        ]
        steps.append(("cost of the service", self._cost()))
        if full:
            steps.append(("int8 weights", self._int8(bundle)))
        steps += [
            ("offline: a recording in memory", self._offline(bundle)),
            ("GPU", self._cuda(bundle)),
        ]
        if full:
            steps.append(("baseline methods: MNE, eLORETA, LCMV", self._baselines()))
        steps.append(("losses", self._complete()))
        for words, step in steps:
            on_status(words)
            try:
                yield from step
            except ConvDipError as error:
                yield Line(words, f"failed: {error}", "", False)

    def _ages(self, rate_hz: float) -> Iterator[Line]:
        trial = self.trial(f"{rate_hz:g} Hz", rate_hz, self.between())
        yield _age_line(f"age, {rate_hz:g} Hz", trial, 0.9, 2.0)
        pair = [self.between(), self.between(is_bare=True)]
        ours, bare = run_trials(self.env, rate_hz, self.seconds, pair, realtime=self.realtime)
        self.trials[f"{rate_hz:g} Hz, in turns"] = ours
        ratio = ours.median_ms / bare.median_ms
        yield Line(
            f"age relative to a bare relay (two LSL hops, one run), in turns, {rate_hz:g} Hz",
            f"{ratio:.2f}×  (median {ours.median_ms:.2f} vs {bare.median_ms:.2f} ms, p99 "
            f"{ours.p99_ms:.2f} vs {bare.p99_ms:.2f})",
            "≤ 1.25×",
            ratio <= 1.25,
            {"ratio": ratio, "service": _numbers(ours), "bare": _numbers(bare)},
        )

    def _int8(self, bundle: Bundle) -> Iterator[Line]:
        what = "age, 500 Hz, int8 weights (faster; maps change slightly)"
        if bundle.int8 is None:
            yield Line(what, "skipped: the model has no int8 weights")
            return
        between = self.between(provider="cpu", precision="int8")
        yield _age_line(what, self.trial("int8", USUAL_HZ, between))

    def _busy(self) -> Iterator[Line]:
        for realtime in (False, True):
            words = "all cores busy" + (", real-time priority" if realtime else "")
            with busy_cores():
                trial = self.trial(words, USUAL_HZ, self.between(), realtime=realtime)
            yield _age_line(f"age, 500 Hz, {words}", trial, 0.9, 2.0 if realtime else None)

    def _high(self, rate_hz: float) -> Iterator[Line]:
        trial = self.trial(f"{rate_hz:g} Hz", rate_hz, self.between())
        batch = trial.service["published"] / max(1, trial.service["batches"])
        has_bar = rate_hz == 5000
        yield Line(
            f"age and losses, {rate_hz:g} Hz",
            f"median {trial.median_ms:.2f} ms, p99 {trial.p99_ms:.2f} ms, {trial.lost} lost, "
            f"{batch:.1f} samples per batch",
            "0 lost, median ≤ 2 ms" if has_bar else "",
            (trial.lost == 0 and trial.median_ms <= 2.0) if has_bar else None,
            {**_numbers(trial), "batch": batch},
        )

    def _cost(self) -> Iterator[Line]:
        rate_hz = 500.0 if self.quick else 1000.0
        if not {f"{USUAL_HZ:g} Hz", f"{rate_hz:g} Hz"} <= set(self.trials):
            raise StreamError("no trial of the service alone to compare with: it failed")
        used = self.trials[f"{USUAL_HZ:g} Hz"].service
        percent = 100 * used["cpu_s"] / used["published"] * USUAL_HZ
        yield Line(
            "CPU load of the service, 500 Hz",
            f"{percent:.0f} % of a core",
            "≤ 45 %",
            percent <= 45,
            {"percent": percent},
        )
        alone = self.trials[f"{rate_hz:g} Hz"]
        beside = self.trial("with a stalled client", rate_hz, self.between(), stalled=True)
        memory_mb = beside.service["memory_mb"]
        yield Line(
            f"with a stalled client, {rate_hz:g} Hz",
            f"{beside.lost} lost, median {beside.median_ms:.2f} ms (without: "
            f"{alone.median_ms:.2f}), {memory_mb:.0f} MB",
            f"0 lost, < {MEMORY_LIMIT_MB:g} MB",
            beside.lost == 0 and memory_mb < MEMORY_LIMIT_MB,
            {**_numbers(beside), "median_ms_alone": alone.median_ms, "memory_mb": memory_mb},
        )

    def _offline(self, bundle: Bundle) -> Iterator[Line]:
        labels = bundle.head.channels
        network = Network(bundle.model, bundle.head, self.provider)
        imager = Imager(labels, model=bundle, network=network)
        whole = Network(bundle.model, bundle.head, self.provider, n_cores())
        rng = np.random.default_rng(0)
        samples = 20 * rng.standard_normal((N_OFFLINE, len(labels)), np.float32)
        inputs = rng.standard_normal((N_OFFLINE, network.n_inputs), np.float32) * 1e-5

        def bare(batch: int) -> list[np.ndarray[Any, Any]]:
            """Run the network only, and keep its output, as the Imager does."""
            starts = range(0, N_OFFLINE, batch)
            return [whole(inputs[first : first + batch]) for first in starts]

        rates: dict[int, list[float]] = {n: [] for n in (0, OFFLINE_BATCH, whole.batch)}
        for _ in range(OFFLINE_TURNS):
            for batch, times in rates.items():
                start = time.perf_counter()
                if batch:
                    bare(batch)
                else:
                    imager(samples)
                times.append(N_OFFLINE / (time.perf_counter() - start))
        best = {batch: max(times) for batch, times in rates.items()}
        imaged = best.pop(0)
        batch, run = max(best.items(), key=lambda item: item[1])
        least = 1e6 if network.provider == "CUDAExecutionProvider" else 25_000
        yield Line(
            "offline throughput of the Imager, relative to bare runs at the best batch size",
            f"{imaged / run:.2f}×  ({imaged:,.0f} vs {run:,.0f} samples/s, batch {batch})",
            f"≥ 0.85×, ≥ {least:,.0f} samples/s",
            imaged / run >= 0.85 and imaged >= least,
            {"ratio": imaged / run, "samples_a_second": imaged, "bare": run, "batch": batch},
        )

    def _cuda(self, bundle: Bundle) -> Iterator[Line]:
        what = "GPU: one sample with the CUDA provider"
        network = Network(bundle.model, bundle.head, self.provider)
        if network.provider != "CUDAExecutionProvider":
            why = "the provider is cpu" if self.provider == "cpu" else "no GPU"
            yield Line(what, f"skipped: {why}", "≤ 0.25 ms")
            return
        sample = np.zeros((1, network.n_inputs), np.float32)
        times_ms = []
        for _ in range(N_CUDA):
            start = time.perf_counter()
            network(sample)
            times_ms.append((time.perf_counter() - start) * 1e3)
        median = float(np.median(times_ms))
        yield Line(what, f"{median:.3f} ms", "≤ 0.25 ms", median <= 0.25, {"median_ms": median})

    def _baselines(self) -> Iterator[Line]:
        if any(find_spec(name) is None for name in ("mne", "onnx")):
            yield Line(
                "baseline methods", "skipped: MNE is not installed (scripts/install training)"
            )
            return
        with tempfile.TemporaryDirectory() as folder:
            made = _export_baselines(self.model, Path(folder))
            times_ms = made["mne_apply_inverse_raw_ms"]
            for words, key in (
                ("MNE's apply_inverse_raw, eLORETA, one sample per call", "unprepared"),
                ("the same with a prepared operator", "prepared"),
            ):
                yield Line(words, f"{times_ms[key]:.2f} ms", "", None, {"median_ms": times_ms[key]})
            for name, path in made["bundles"].items():
                between = self.between(model=path, provider="cpu", precision="fp32")
                trial = self.trial(name, USUAL_HZ, between)
                yield _age_line(f"age, 500 Hz, {name} in this service", trial)

    def _complete(self) -> Iterator[Line]:
        trials = [trial for trial in self.trials.values() if trial.rate_hz <= LOSSLESS_HZ]
        sent, lost, repeated = (
            sum(getattr(trial, name) for trial in trials) for name in ("sent", "lost", "repeated")
        )
        yield Line(
            f"samples lost or repeated, all trials up to {LOSSLESS_HZ:,} Hz",
            f"{lost} and {repeated} of {sent:,}",
            "0",
            lost == repeated == 0,
            {"sent": sent, "lost": lost, "repeated": repeated},
        )


def _numbers(trial: Trial) -> dict[str, Any]:
    return {
        "rate_hz": trial.rate_hz,
        "age_ms_median": trial.median_ms,
        "age_ms_p99": trial.p99_ms,
        "age_ms_most": float(trial.ages_ms.max()),
        "sent": trial.sent,
        "lost": trial.lost,
        "repeated": trial.repeated,
        "service": trial.service,
    }


def _age_line(
    what: str, trial: Trial, median_bar: float | None = None, p99_bar: float | None = None
) -> Line:
    bars = [("median", trial.median_ms, median_bar), ("p99", trial.p99_ms, p99_bar)]
    with_bar = [(name, value, bar) for name, value, bar in bars if bar is not None]
    return Line(
        what,
        f"median {trial.median_ms:.2f} ms, p99 {trial.p99_ms:.2f} ms",
        ", ".join(f"{name} ≤ {bar:g} ms" for name, _, bar in with_bar),
        all(value <= bar for _, value, bar in with_bar) if with_bar else None,
        _numbers(trial),
    )


def _export_baselines(model: str, folder: Path) -> dict[str, Any]:
    """Have convdip-train export the linear baseline methods and time MNE.

    MNE gets one BLAS thread, with which it is faster than with its default.
    """
    command = [sys.executable, "-m", "convdip_training", "baselines", "--model", model]
    done = subprocess.run(
        [*command, "--out", str(folder), "--json"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ConvDipError(
            f"'convdip-train baselines' failed: {done.stderr.strip().splitlines()[-1]}"
        )
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made
