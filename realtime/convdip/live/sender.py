"""Which stream is the input: found by name, told apart from others."""

from __future__ import annotations

import time
from collections.abc import Callable

import pylsl

from convdip.errors import StreamError

# After the first hit, how long to listen for a second stream that fits: liblsl asks the
# network every half second, and not every answer comes to the first question.
SETTLE_S = 1.0
POLL_S = 0.05


def find_streams(wait_s: float) -> list[pylsl.StreamInfo]:
    """Return all streams that answer within a time."""
    resolver = pylsl.ContinuousResolver()
    time.sleep(wait_s)
    return list(resolver.results())


def resolve(
    name: str | None,
    wait_s: float,
    *,
    settle_s: float = SETTLE_S,
    stop: Callable[[], bool] = lambda: False,
) -> pylsl.StreamInfo | None:
    """Find the one stream to read; None if stopped before.

    Parameters
    ----------
    name : str or None
        None: the only EEG stream there is.
    wait_s : float
        How long to look.
    settle_s : float
        How long to go on looking for a second one, which is an error.
    stop : callable
        Ends the search when true.

    Raises
    ------
    StreamError
        If no stream, or more than one, fits.
    """
    resolver = pylsl.ContinuousResolver()
    deadline = time.monotonic() + wait_s
    found = None
    while found is None and not stop():
        if time.monotonic() > deadline:
            raise StreamError(_not_found(resolver.results(), name, wait_s))
        time.sleep(POLL_S)
        found = only_one(resolver, name)
    if stop():
        return None
    if settle_s:
        time.sleep(settle_s)
        found = only_one(resolver, name)
    if found is None:
        raise StreamError("the stream disappeared while connecting: restart the sender")
    return found


def _not_found(there: list[pylsl.StreamInfo], name: str | None, wait_s: float) -> str:
    wanted = f"named {name!r}" if name else "of type EEG"
    seen = ", ".join(sorted({f"{stream.name()} ({stream.type()})" for stream in there})) or "none"
    eeg = sorted({stream.name() for stream in there if _fits(stream, name=None)})
    advice = "start the amplifier's LSL app first, or wait longer with `wait_s`"
    if eeg:
        advice = f"use `input='{eeg[0]}'`, or start the sender of {name!r} first"
    return f"no stream {wanted} within {wait_s:g} s; on the network: {seen}; {advice}"


def only_one(
    resolver: pylsl.ContinuousResolver, name: str | None, source_id: str = ""
) -> pylsl.StreamInfo | None:
    """Return the stream that fits, None for none yet.

    Parameters
    ----------
    resolver : pylsl.ContinuousResolver
    name : str or None
        None: any EEG stream.
    source_id : str
        Where given, the stream must have it.

    Raises
    ------
    StreamError
        If several fit.
    """
    fitting = [stream for stream in resolver.results() if _fits(stream, name, source_id)]
    if len(fitting) > 1:
        listed = "; ".join(
            f"{s.name()} on {s.hostname()}, source id {s.source_id() or 'none'}" for s in fitting
        )
        raise StreamError(
            f"{len(fitting)} streams fit: {listed}; give one a name of its own and choose it with "
            "`input`"
        )
    return fitting[0] if fitting else None


def _fits(stream: pylsl.StreamInfo, name: str | None, source_id: str = "") -> bool:
    if source_id and stream.source_id() != source_id:
        return False
    return bool(stream.name() == name) if name else stream.type().lower() == "eeg"
