"""The demo: a simulated session through the real service, seen as a client sees it.

Three processes, as in a lab: ``convdip simulate`` plays known sources over LSL, ``convdip
run`` images them, and this one reads what the service publishes, as any client would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from realtime.bundle import load_bundle
from realtime.errors import StreamError
from realtime.head import Head
from realtime.inlet import resolve
from realtime.network import Provider
from realtime.outlet import sources_stream_name
from realtime.simulation import LEAD_IN_S, truth_stream_name
from realtime.verdict import PlayedSession, PlayedSource, Received, Report, distances_mm, judge

SFREQ_HZ = 500.0
START_S = 30.0
PATIENCE_S = 5.0
STOP_S = 10.0


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
        # Held while it is read: its XML elements point into it.
        info = sources.info(timeout=START_S)
        runs_on = info.desc().child("provenance").child_value("provider")
        on_status(f"the service runs on {runs_on}")
        received, played = _watch(
            sources, truth, bundle.head, LEAD_IN_S + seconds, (simulator, service), on_status
        )
        printed = service.end().splitlines()
        if not printed:
            raise StreamError("the service did not end as it should: no summary from it")
        provider_used = json.loads(printed[-1])["provider"]
    return judge(received, played, bundle.head, provider_used, bundle.name)


@contextmanager
def _private_lsl() -> Iterator[dict[str, str]]:
    """Keep LSL on this computer and in a session of its own; return the environment for it."""
    content = (
        f"[multicast]\nResolveScope = machine\n[lab]\nKnownPeers = {{127.0.0.1}}\n"
        f"SessionID = convdip-demo-{uuid.uuid4().hex}\n[log]\nlevel = -3\n"
    )
    # Content takes precedence over any file that the environment names already.
    pylsl.util.set_config_content(content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lsl_api.cfg"
        path.write_text(content)
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
    try:
        inlet.open_stream(timeout=START_S)
    except (LslTimeoutError, LostError):
        raise StreamError(f"the demo's stream {name!r} does not answer") from None
    return inlet


def _watch(
    sources: pylsl.StreamInlet,
    truth: pylsl.StreamInlet,
    head: Head,
    seconds: float,
    processes: tuple[_Process, ...],
    on_status: Callable[[str], None],
) -> tuple[Received, PlayedSession]:
    """Read the service's output and the truth until the session's end."""
    received = Received()
    played: list[PlayedSource] = []
    end: dict[str, Any] | None = None
    last_news = time.monotonic()
    status_due = 0.0
    while not _is_over(received, end):
        try:
            chunk, stamps = sources.pull_chunk(
                timeout=0.2, max_samples=256, min_samples=1, as_numpy=True
            )
            if len(stamps):
                received.add(chunk, stamps, pylsl.local_clock())
                last_news = time.monotonic()
            messages = [] if end else truth.pull_chunk(timeout=0.0)[0]
        except LostError:
            messages, last_news = [], -np.inf
        for [text] in messages:
            message = json.loads(text)
            if "end" in message:
                end = message["end"]
            else:
                played.append(PlayedSource(**message))
        if time.monotonic() - last_news > (PATIENCE_S if received.n else START_S):
            for process in processes:
                process.check_alive()
            if end is None or not received.n:
                raise StreamError("the demo's streams ended before the session did")
            break  # the missing samples are counted as lost
        if received.n and time.monotonic() > status_due:
            status_due = time.monotonic() + 1.0
            on_status(_status(received, played, head, seconds))
    assert end is not None  # the loop is not left without
    session = PlayedSession(end["n_samples"], end["first_stamp"], SFREQ_HZ, tuple(played))
    return received, session


def _is_over(received: Received, end: dict[str, Any] | None) -> bool:
    if end is None or not received.n:
        return False
    return bool(received.stamps[-1] > end["last_stamp"] - 0.5 / SFREQ_HZ)


def _status(received: Received, played: list[PlayedSource], head: Head, seconds: float) -> str:
    """Return one line: how far, how old, and where the last source was found."""
    first, last = received.stamps[0], received.stamps[-1]
    ages_ms = received.ages_ms(last - 1.0)
    n_in = round((last - first) * SFREQ_HZ) + 1
    line = (
        f"{n_in / SFREQ_HZ:5.1f} of {seconds:g} s   {n_in} samples in, {received.n} out   "
        f"age {np.median(ages_ms):.2f} ms (p99 {np.percentile(ages_ms, 99):.2f})"
    )
    over = [source for source in played[-2:] if source.last_stamp <= last]
    if over and (estimates := received.strongest_during(over[-1], SFREQ_HZ)).size:
        distance_mm = np.median(distances_mm(estimates, over[-1].dipole, head))
        line += f"   {over[-1].region}: found {distance_mm:.0f} mm away"
    return line
