"""The service's state, in one word."""

from __future__ import annotations

from enum import StrEnum

from convdip.frame import Invalid
from convdip.live.health import Health


class State(StrEnum):
    """What the service does."""

    WAITING = "waiting"  # for the input, before anything is published
    READY = "ready"
    STALLED = "stalled"  # no sample comes
    LOST = "lost"  # the input ended
    OVERLOAD = "overload"
    INVALID = "invalid"  # nothing can be imaged
    STOPPED = "stopped"


def state_of(health: Health, now_s: float) -> State:
    """Return the worst that holds at an LSL time."""
    if health.is_lost:
        return State.LOST
    if health.silence_s(now_s):
        return State.STALLED
    if health.is_over:
        return State.OVERLOAD
    if health.invalid != Invalid.NOT:
        return State.INVALID
    return State.READY
