"""The demo: a simulated session, imaged by the real service and judged by a client.

Three processes, as in a lab: ``convdip simulate`` streams EEG of known sources over LSL, ``convdip
run`` images it, and this process reads what the service publishes, as any client would.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pylsl
from pylsl.util import LostError

from convdip.bundle import load_bundle
from convdip.demo.verdict import (
    KINDS,
    PlayedSession,
    Received,
    Report,
    distances_mm,
    judge,
)
from convdip.display.app import check_installed, has_screen
from convdip.errors import DisplayError, StreamError
from convdip.head import Head
from convdip.live.runtime import Provider
from convdip.processes import START_S, Process, connect, private_lsl
from convdip.sources.signs import signs_for
from convdip.sources.simulator import LEAD_IN_S, check_session
from convdip.streams import PlayedSource, read_sources, stream_name

if TYPE_CHECKING:
    from convdip.demo.filmstrip import Filmstrip

SFREQ_HZ = 500.0
PICTURE = Path("convdip-demo.png")
PATIENCE_S = 5.0


def run_demo(
    model: str,
    seconds: float,
    seed: int,
    provider: Provider,
    on_status: Callable[[str], None],
    *,
    is_displayed: bool = False,
) -> Report:
    """Simulate, image and judge a session.

    Its sources are those that the model holds for: of random sign, or positive.

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
        Called with one line of progress a second.
    is_displayed : bool
        Open the live cortex; without a screen, write `PICTURE` instead.

    Raises
    ------
    DisplayError
        If the live cortex is not installed, or `PICTURE` cannot be written.
    """
    if is_displayed:
        check_installed()
    has_window = is_displayed and has_screen()
    check_session(seconds, SFREQ_HZ, seed)
    bundle = load_bundle(model)
    signs = signs_for(bundle.polarity)
    name = f"ConvDipDemo{uuid.uuid4().hex[:6]}"
    with ExitStack() as stack:
        # The demo's streams stay on this computer, in an LSL session of their own.
        settings = stack.enter_context(private_lsl())
        on_status(f"simulating {KINDS[signs]}")
        simulate = ["convdip", "simulate", "--name", name, "--model", model]
        simulate += ["--seconds", str(seconds), "--seed", str(seed), "--sfreq-hz", str(SFREQ_HZ)]
        simulate += ["--signs", signs]
        processes = []
        if has_window:
            display = ["convdip", "display", "--name", name, "--model", model]
            processes.append(stack.enter_context(Process(display, settings)))
        simulator = stack.enter_context(Process(simulate, settings))
        run = ["convdip", "run", "--input", name, "--name", name, "--model", model, "--json"]
        run += ["--provider", provider, "--wait-s", str(START_S)]
        service = stack.enter_context(Process(run, settings))
        processes += [simulator, service]
        # The truth first: the session starts as soon as the service reads its EEG.
        truth = connect(stream_name(name, "Truth"), processes)
        sources = connect(stream_name(name, "Sources"), processes)
        provenance = read_sources(sources.info(timeout=START_S)).provenance
        on_status(f"the service runs on {provenance.provider}")
        filmstrip = _filmstrip() if is_displayed and not has_window else None
        received, played = _watch(
            sources, truth, bundle.head, LEAD_IN_S + seconds, processes, on_status, filmstrip
        )
        provider_used = service.end_with_json()["provider"]
    if filmstrip is not None and filmstrip.maps:
        try:
            filmstrip.save(bundle.head, PICTURE)
        except OSError as error:
            raise DisplayError(f"{PICTURE.resolve()}: {error.strerror}") from None
        on_status(f"no screen: the first source maps are drawn in {PICTURE.resolve()}")
    return judge(received, played, bundle.head, signs, provider_used, bundle.name)


def _filmstrip() -> Filmstrip:
    from convdip.demo.filmstrip import Filmstrip  # Pillow is an extra's

    return Filmstrip()


def _watch(
    sources: pylsl.StreamInlet,
    truth: pylsl.StreamInlet,
    head: Head,
    seconds: float,
    processes: Sequence[Process],
    on_status: Callable[[str], None],
    filmstrip: Filmstrip | None,
) -> tuple[Received, PlayedSession]:
    """Read the service's output and the ground truth until the session ends."""
    received = Received(head)
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
                if filmstrip is not None:
                    filmstrip.see(chunk, stamps)
                last_news = time.monotonic()
            messages = [] if end else truth.pull_chunk(timeout=0.0)[0]
        except LostError:
            messages, last_news = [], -np.inf
        for [text] in messages:
            source = PlayedSource.from_json(text)
            if source is None:
                end = json.loads(text)["end"]
            else:
                played.append(source)
                if filmstrip is not None:
                    filmstrip.announce(source)
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
    """Return a line of progress: time, samples, age, error of the last source."""
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
        line += f"   {over[-1].region}: error {distance_mm:.0f} mm"
    return line
