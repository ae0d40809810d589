"""A trial: source, service and client in separate processes, or several services in turns."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convdip.bench.source import turn_of
from convdip.bundle import DEFAULT_MODEL
from convdip.errors import StreamError
from convdip.live.network import Precision
from convdip.live.runtime import Provider
from convdip.machine import n_cores
from convdip.processes import START_S, Process, wait_for
from convdip.streams import stream_name

# Not counted: processes connect and fill their caches.
WARM_UP_S = 2.5
# Resident memory that the service must stay below.
MEMORY_LIMIT_MB = 400.0


@dataclass(frozen=True)
class Trial:
    """The outcome of a trial.

    Attributes
    ----------
    rate_hz : float
    ages_ms : ndarray, shape (n_samples,)
        From the time stamp of a sample until a client in another process has it; after the
        warm-up.
    received_s : ndarray, shape (n_samples,)
        LSL time of their arrival at the client.
    sent, lost, repeated : int
        Samples since the client's first. Lost includes those that had not arrived 1.5 s after the
        last was sent; repeated includes those out of order.
    service : dict
        The service's summary; empty for the relay.
    """

    rate_hz: float
    ages_ms: NDArray[np.float64]
    received_s: NDArray[np.float64]
    sent: int
    lost: int
    repeated: int
    service: dict[str, Any] = field(default_factory=dict)

    @property
    def median_ms(self) -> float:
        """Median age."""
        return float(np.median(self.ages_ms))

    @property
    def p99_ms(self) -> float:
        """99th percentile of the age."""
        return float(np.percentile(self.ages_ms, 99))

    @property
    def jitter_ms(self) -> NDArray[np.float64]:
        """Deviation of the intervals between samples received from the sampling interval."""
        return np.diff(self.received_s) * 1e3 - 1e3 / self.rate_hz


@dataclass(frozen=True)
class Between:
    """What runs between source and client: the service, or the bare relay.

    Attributes
    ----------
    model : str
        Bundle.
    provider, precision : str
        Where the network runs, and precision of its weights.
    is_bare : bool
        The relay, see `convdip.bench.relay`.
    """

    model: str = DEFAULT_MODEL
    provider: Provider = "auto"
    precision: Precision = "auto"
    is_bare: bool = False

    def command(self, name: str, realtime: bool) -> list[str]:
        """Return the arguments of ``python -m`` that start it on a stream."""
        how = ["--provider", self.provider, "--precision", self.precision]
        if self.is_bare:
            relay = ["convdip.bench.relay", name, stream_name(name, "Sources"), self.model]
            return [*relay, *how, *(["--rt"] if realtime else [])]
        run = ["convdip", "run", "--input", name, "--name", name, "--model", self.model]
        run += ["--wait-s", str(START_S), "--json"]
        return [*run, *how, *(["--realtime"] if realtime else [])]


def run_trial(
    env: dict[str, str], rate_hz: float, seconds: float, between: Between, **how: Any
) -> Trial:
    """Run a trial of one service; see `run_trials`."""
    return run_trials(env, rate_hz, seconds, [between], **how)[0]


def run_trials(
    env: dict[str, str],
    rate_hz: float,
    seconds: float,
    betweens: Sequence[Between],
    *,
    realtime: bool = False,
    stalled: bool = False,
    name: str = "",
    watch: Callable[[int], None] = lambda pid: None,
) -> list[Trial]:
    """Run several services side by side, on streams that take turns of one second.

    Parameters
    ----------
    env : dict
        From `convdip.processes.private_lsl`.
    rate_hz, seconds : float
        Of each.
    betweens : sequence of Between
    realtime : bool
        All processes take real-time priority.
    stalled : bool
        A second client connects to the first service and never reads.
    name : str
        Stem of the stream names; unique if empty.
    watch : callable
        Called with the first service's process id ten times a second while the source runs.

    Raises
    ------
    StreamError
        If a process fails, or nothing is received.
    """
    name = name or f"Bench{uuid.uuid4().hex[:8]}"
    names = [name if n == 0 else f"{name}x{n}" for n in range(len(betweens))]
    rt = ["--rt"] if realtime else []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def start(arguments: list[str], *, apart: bool = False) -> Process:
            return stack.enter_context(Process(arguments, env, apart=apart))

        def client(n: int, *how: str) -> list[str]:
            watched = stream_name(names[n], "Sources")
            return ["convdip.bench.client", watched, str(folder / f"{n}.npz"), *how]

        length_s = WARM_UP_S + seconds * len(names)
        stamps_file = folder / "stamps.npy"
        source = [",".join(names), str(rate_hz), str(length_s), str(stamps_file), *rt]
        playing = start(["convdip.bench.source", *source])
        imaging = [
            start(between.command(each, realtime))
            for each, between in zip(names, betweens, strict=True)
        ]
        clients = [start(client(n, *rt)) for n in range(len(names))]
        # Apart: the kernel resumes suspended processes when the shell that started them exits.
        stuck = [start(client(0, "--stall"), apart=True)] if stalled else []
        wait_for(
            playing,
            [playing, *imaging, *clients, *stuck],
            START_S + length_s + 10,
            lambda: watch(imaging[0].pid),
        )
        if not all(process.is_suspended for process in stuck):
            raise StreamError("the stalled client was resumed during the trial: run it again")
        for process in clients:
            process.end()
        summaries = [process.end_with_json() for process in imaging]
        sent = np.load(stamps_file)
        turns = np.array([turn_of(k, rate_hz, len(names)) for k in range(len(sent))])
        trials = []
        for n, summary in enumerate(summaries):
            with np.load(folder / f"{n}.npz") as got:
                stamps, received_s = got["stamps"], got["received"]
            trials.append(_count(rate_hz, sent[turns == n], stamps, received_s, summary))
        return trials


def _count(
    rate_hz: float,
    sent: NDArray[np.float64],
    stamps: NDArray[np.float64],
    received_s: NDArray[np.float64],
    summary: dict[str, Any],
) -> Trial:
    if not len(stamps):
        raise StreamError("the client received no samples: the service did not keep up")
    expected = sent[sent >= stamps[0]]
    counted = stamps >= sent[0] + WARM_UP_S
    return Trial(
        rate_hz,
        (received_s - stamps)[counted] * 1e3,
        received_s[counted],
        sent=len(expected),
        lost=len(np.setdiff1d(expected, stamps)),
        repeated=int((np.diff(stamps) <= 0).sum()),
        service=summary,
    )


@contextmanager
def busy_cores() -> Iterator[None]:
    """Keep all cores busy with other work."""
    burners = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n_cores())
    ]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
