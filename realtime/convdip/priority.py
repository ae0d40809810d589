"""What changes the whole process: for the command line alone, never done to a host program."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import getpass
import os

import numpy as np
from threadpoolctl import threadpool_limits

from convdip.errors import PriorityError

# Any real-time priority is above all ordinary programs; the kernel's own threads stand at 50.
PRIORITY = 20
# Of what only looks on: the service comes first where cores are few.
NICENESS = 10
# The first is glibc's name of the setting.
M_ARENA_MAX, N_ARENAS = -8, 2


def dedicate_process(*, realtime: bool = False) -> None:
    """Prepare a process that does nothing but image samples.

    Parameters
    ----------
    realtime : bool
        Take real-time priority.

    Raises
    ------
    PriorityError
        If it cannot be had.
    """
    if realtime:
        take_realtime_priority()
    # A sample's products are too small to share: a second thread would only wake up for them.
    threadpool_limits(1, "blas")
    _share_memory()
    # What comes from outside may be no number or beyond all numbers: that is judged, not warned of.
    np.seterr(all="ignore")


def _share_memory() -> None:
    """Let all threads take memory from two places, where the C library is glibc.

    It would give each of many threads one of its own, and what one has freed is not the others':
    descriptions of foreign streams, read in threads that end, would fill all of them in hours.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # others have no such call
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, N_ARENAS)


def give_way() -> None:
    """Take low priority: for what only looks on, beside a service."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)


def keep_collector_off() -> None:
    """Keep the garbage collector off what is there: it lives as long as the process."""
    gc.collect()
    gc.freeze()


def take_realtime_priority() -> None:
    """Give this process real-time priority (``SCHED_FIFO``), before LSL starts its threads.

    They inherit it. The loop blocks between samples, so others still get the processor.

    Raises
    ------
    PriorityError
        If the system has no such priority, or the user is not allowed it.
    """
    if not hasattr(os, "sched_setscheduler"):
        raise PriorityError("`realtime` needs Linux: start without it")
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container's user without a name
            user = f"#{os.getuid()}"
        raise PriorityError(
            f"`realtime` is not allowed for {user}: an administrator adds the line '{user} - "
            f"rtprio {PRIORITY}' to /etc/security/limits.d/realtime.conf, then log in anew; or "
            "start without `realtime`"
        ) from None
