"""A thread beside the loop, whose failure is the loop's."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker:
    """Does something in a thread of its own, until it is done.

    A thread that dies unheard would leave streams up that nothing feeds: whoever takes what it
    does asks with `check`.

    Parameters
    ----------
    work : callable
    name : str
        Of the thread.
    """

    def __init__(self, work: Callable[[], None], name: str) -> None:
        self._work = work
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what ended it, if it failed."""
        if self._failure is not None:
            raise self._failure

    def join(self, timeout_s: float) -> None:
        """Wait until it is done."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._failure = error
