"""Real-time priority: the loop goes before everything else on the computer."""

from __future__ import annotations

import getpass
import os

from convdip.errors import PriorityError

# Any real-time priority is above all ordinary programs; the kernel's own threads stand at 50.
PRIORITY = 20


def take_realtime_priority() -> None:
    """Give this process real-time priority (``SCHED_FIFO``), before LSL starts its threads.

    They inherit it. The loop blocks between samples, so others still get the processor.

    Raises
    ------
    PriorityError
        If the system has no such priority, or the user is not allowed it.
    """
    if not hasattr(os, "sched_setscheduler"):
        raise PriorityError("--realtime needs Linux: start without it")
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container's user without a name
            user = f"#{os.getuid()}"
        raise PriorityError(
            f"--realtime is not allowed for {user}: an administrator adds the line '{user} - "
            f"rtprio {PRIORITY}' to /etc/security/limits.d/realtime.conf, then log in anew; or "
            "start without --realtime"
        ) from None
