"""The demo: a simulated session through the real service, seen as a client sees it.

Three processes, as in a lab: ``convdip simulate`` plays known sources over LSL, ``convdip
run`` images them, and this one reads what the service publishes and compares it with the
truth.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from realtime.bundle import load_bundle
from realtime.errors import StreamError
from realtime.head import Head
from realtime.inlet import resolve
from realtime.network import Provider
from realtime.outlet import sources_stream_name
from realtime.simulation import LEAD_IN_S, truth_stream_name

log = logging.getLogger(__name__)

SFREQ_HZ = 500.0
START_S = 30.0
PATIENCE_S = 5.0
STOP_S = 10.0
N_SHUFFLES = 1000


@dataclass
class Received:
    """What the client got: one entry a sample."""

    stamps: list[NDArray[np.float64]] = field(default_factory=list)
    ages_s: list[NDArray[np.float64]] = field(default_factory=list)
    strongest: list[NDArray[np.int64]] = field(default_factory=list)

    def add(
        self, sources: NDArray[np.float32], stamps: NDArray[np.float64], now_s: float
    ) -> None:
        """Keep the age and the strongest dipole of each sample."""
        self.stamps.append(stamps)
        self.ages_s.append(now_s - stamps)
        self.strongest.append(np.abs(sources).argmax(axis=1))

    @property
    def n(self) -> int:
        """Samples so far."""
        return sum(len(stamps) for stamps in self.stamps)


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
        The same with the true sources shuffled: the median over shuffles.
    better_than_chance : bool
        Whether the error is below that of 99 % of the shuffles.
    age_ms_median, age_ms_p99 : float
        Time stamp of the EEG sample → the client has its sources.
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
        return self.lost == 0 and self.out_of_order == 0 and self.better_than_chance


def run_demo(
    model: str, seconds: float, seed: int, provider: Provider, on_status: Callable[[str], None]
) -> Report:
    """Play, image, compare.

    Parameters
    ----------
    model : str
        Model bundle.
    seconds : float
        Length of the session, after two seconds of lead-in.
    seed : int
        Of the session.
    provider : 'auto', 'cuda' or 'cpu'
    on_status : callable
        Gets one line a second.
    """
    bundle = load_bundle(model)
    name = f"ConvDipDemo{uuid.uuid4().hex[:6]}"
    with ExitStack() as stack:
        # Streams of the demo stay on this computer and out of other sessions. Child processes
        # read the same settings; in this process LSL has not been used yet.
        settings = stack.enter_context(_private_lsl())
        on_status("simulating a session")
        simulate = ["simulate", "--name", name, "--seconds", str(seconds), "--seed", str(seed)]
        simulate += ["--sfreq-hz", str(SFREQ_HZ), "--model", model]
        simulator = stack.enter_context(_Process(simulate, settings))
        run = ["run", "--input", name, "--name", name, "--model", model, "--json"]
        run += ["--provider", provider, "--wait-s", str(START_S)]
        service = stack.enter_context(_Process(run, settings))
        # The truth first: the session starts as soon as the service listens to its EEG.
        truth = _inlet(truth_stream_name(name), (simulator, service))
        sources = _inlet(sources_stream_name(name), (simulator, service))
        received, true_sources, end = _watch(
            sources, truth, bundle.head, LEAD_IN_S + seconds, (simulator, service), on_status
        )
        summary = json.loads(service.end().splitlines()[-1])
    return _compare(received, true_sources, end, bundle.head, summary["provider"], bundle.name)


@contextmanager
def _private_lsl() -> Iterator[dict[str, str]]:
    """Keep LSL on this computer and in a session of its own; return the environment for it."""
    content = (
        f"[multicast]\nResolveScope = machine\n[lab]\nKnownPeers = {{127.0.0.1}}\n"
        f"SessionID = convdip-demo-{uuid.uuid4().hex}\n[log]\nlevel = -3\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lsl_api.cfg"
        path.write_text(content)
        pylsl.util.set_config_filename(str(path))
        yield {**os.environ, "LSLAPICFG": str(path)}


class _Process:
    """A command of this program beside this process; it ends with the block."""

    def __init__(self, arguments: list[str], env: dict[str, str]) -> None:
        self.name = f"convdip {arguments[0]}"
        # A file, not a pipe: nobody reads it unless the command fails.
        self._messages = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realtime", *arguments],
            env=env,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
        )

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._messages.close()

    def check_alive(self) -> None:
        """Raise what the command said last if it has failed."""
        if self._process.poll() not in (None, 0):
            self._messages.seek(0)
            said = self._messages.read().strip().splitlines() or ["nothing"]
            raise StreamError(f"'{self.name}' failed: {said[-1]}")

    def end(self) -> str:
        """Stop the command and return what it printed."""
        self._process.terminate()
        try:
            return self._process.communicate(timeout=STOP_S)[0]
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.communicate()[0]
        except ValueError:  # ended before
            return ""


def _inlet(name: str, processes: tuple[_Process, ...]) -> pylsl.StreamInlet:
    """Connect to a stream of the demo's own processes."""
    deadline = time.monotonic() + START_S
    while True:
        for process in processes:
            process.check_alive()
        try:
            stream = resolve(name, wait_s=1.0, settle_s=0.0)
            break
        except StreamError:
            if time.monotonic() > deadline:
                raise
    inlet = pylsl.StreamInlet(stream, max_buflen=10, recover=False)
    inlet.open_stream(timeout=START_S)
    return inlet


def _watch(
    sources: pylsl.StreamInlet,
    truth: pylsl.StreamInlet,
    head: Head,
    seconds: float,
    processes: tuple[_Process, ...],
    on_status: Callable[[str], None],
) -> tuple[Received, list[dict[str, Any]], dict[str, Any]]:
    """Read the service's output and the truth until the session's end."""
    received = Received()
    true_sources: list[dict[str, Any]] = []
    end: dict[str, Any] | None = None
    last_news = time.monotonic()
    status_due = 0.0
    while end is None or not received.n or received.stamps[-1][-1] < end["last_stamp"] - 1e-6:
        chunk, stamps = sources.pull_chunk(
            timeout=0.2, max_samples=256, min_samples=1, as_numpy=True
        )
        if len(stamps):
            received.add(chunk, stamps, pylsl.local_clock())
            last_news = time.monotonic()
        messages, message_stamps = truth.pull_chunk(timeout=0.0)
        for [text], stamp in zip(messages, message_stamps, strict=True):
            message = json.loads(text)
            end = message.get("end", end)
            if "end" not in message:
                true_sources.append({**message, "first_stamp": stamp})
        if time.monotonic() - last_news > (PATIENCE_S if received.n else START_S):
            for process in processes:
                process.check_alive()
            if end is None:
                raise StreamError("the demo's streams went silent before the session's end")
            break  # the missing samples are counted as lost
        if received.n and time.monotonic() > status_due:
            status_due = time.monotonic() + 1.0
            on_status(_status(received, true_sources, head, seconds))
    assert end is not None
    return received, true_sources, end


def _status(
    received: Received, true_sources: list[dict[str, Any]], head: Head, seconds: float
) -> str:
    """Return one line: how far, how old, where."""
    ages_ms = np.concatenate(received.ages_s[-500:]) * 1e3
    line = (
        f"{received.n / SFREQ_HZ:5.1f} of {seconds:g} s   {received.n} samples   "
        f"age {np.median(ages_ms):.2f} ms (p99 {np.percentile(ages_ms, 99):.2f})"
    )
    if true_sources:
        true = true_sources[-1]
        distance_mm = _distances_mm(received.strongest[-1][-1:], true["dipole"], head)[0]
        line += f"   source in {true['region']}, found {distance_mm:.0f} mm away"
    return line


def _distances_mm(estimates: NDArray[np.int64], dipole: int, head: Head) -> NDArray[np.float64]:
    offsets_m = head.dipoles_m[estimates] - head.dipoles_m[dipole]
    distances: NDArray[np.float64] = np.linalg.norm(offsets_m.astype(float), axis=1) * 1e3
    return distances


def _compare(
    received: Received,
    true_sources: list[dict[str, Any]],
    end: dict[str, Any],
    head: Head,
    provider: str,
    model: str,
) -> Report:
    """Hold what came out against what went in."""
    stamps = np.concatenate(received.stamps)
    ages_ms = np.concatenate(received.ages_s) * 1e3
    strongest = np.concatenate(received.strongest)
    # Stamps are first_stamp + i / rate: from the first one that came, all must come.
    places = np.round((stamps - end["first_stamp"]) * SFREQ_HZ).astype(int)
    sent = end["n_samples"] - int(places[0])
    lost = sent - np.unique(places).size
    out_of_order = int((np.diff(places) <= 0).sum())

    half_step = 0.5 / SFREQ_HZ
    estimates = [
        strongest[
            (stamps > true["first_stamp"] - half_step)
            & (stamps < true["last_stamp"] + half_step)
        ]
        for true in true_sources
    ]
    seen = [(e, t["dipole"]) for e, t in zip(estimates, true_sources, strict=True) if e.size]
    if not seen:
        raise StreamError("no source was seen: let the demo run for 3 seconds or more")
    error_mm = _median_error_mm(seen, head)
    rng = np.random.default_rng(0)
    dipoles = [dipole for _, dipole in seen]
    shuffled_mm = [
        _median_error_mm(
            list(zip((e for e, _ in seen), rng.permutation(dipoles), strict=True)), head
        )
        for _ in range(N_SHUFFLES)
    ]
    return Report(
        sent=sent,
        received=len(stamps),
        lost=lost,
        out_of_order=out_of_order,
        n_sources=len(seen),
        error_mm_median=round(error_mm, 2),
        error_mm_by_chance=round(float(np.median(shuffled_mm)), 2),
        better_than_chance=bool(error_mm < np.percentile(shuffled_mm, 1)),
        age_ms_median=round(float(np.median(ages_ms)), 3),
        age_ms_p99=round(float(np.percentile(ages_ms, 99)), 3),
        provider=provider,
        model=model,
    )


def _median_error_mm(seen: list[tuple[NDArray[np.int64], int]], head: Head) -> float:
    return float(np.median(np.concatenate([_distances_mm(e, d, head) for e, d in seen])))
