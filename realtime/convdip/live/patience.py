"""Work that takes as long as a file makes it take: waited for so long, and no longer.

A graph may loop for ever, and Python hears no Ctrl-C while ONNX Runtime works in its thread. So it
works in another one, and is told to stop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.05
# How long work that was told to end may take to do so, before it is left to itself.
GRACE_S = 2.0


class GivenUpError(Exception):
    """What was waited for was not wanted any more."""


def never() -> bool:
    """Nothing stops it."""
    return False


def within(
    limit_s: float,
    work: Callable[[], T],
    give_up: Callable[[], None],
    stop: Callable[[], bool] = never,
) -> T:
    """Do some work in a thread of its own, and wait for it where Ctrl-C is heard.

    Parameters
    ----------
    limit_s : float
    work : callable
        What it returns or raises, this does.
    give_up : callable
        Tells the work to end; called from the waiting thread.
    stop : callable
        Asked meanwhile; if true, the work is given up.

    Raises
    ------
    TimeoutError
        If it took longer.
    GivenUpError
        If it was stopped.
    """
    results, failures, is_done = list[T](), list[BaseException](), threading.Event()

    def do() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)
        finally:
            is_done.set()

    deadline = time.monotonic() + limit_s
    # What heeds nothing is left behind, and ends with the process.
    threading.Thread(target=do, name="convdip-load", daemon=True).start()
    try:
        while not is_done.wait(POLL_S):
            if stop():
                raise GivenUpError
            if time.monotonic() > deadline:
                raise TimeoutError(f"it took longer than {limit_s:g} s")
    except BaseException:
        give_up()
        is_done.wait(GRACE_S)
        raise
    for failure in failures:
        raise failure
    return results[0]
