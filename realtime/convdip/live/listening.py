"""Which streams there are, and since when: heard while other things are done."""

from __future__ import annotations

import threading
import time

import pylsl

POLL_S = 0.05


class Listening:
    """Looks for streams from when it is made, in a thread, and notes when each was first there.

    So that a search need not begin anew where one goes on already.

    Attributes
    ----------
    resolver : pylsl.ContinuousResolver
    """

    def __init__(self) -> None:
        self.resolver = pylsl.ContinuousResolver()
        self._first_s = dict[str, float]()
        self._is_over = threading.Event()
        threading.Thread(target=self._note, name="convdip-search", daemon=True).start()

    def since_s(self, uid: str) -> float:
        """Return since when a stream is there, on the monotonic clock; from now on, if unknown."""
        return self._first_s.get(uid, time.monotonic())

    def close(self) -> None:
        """Look no more."""
        self._is_over.set()

    def _note(self) -> None:
        while not self._is_over.wait(POLL_S):
            for info in self.resolver.results():
                try:
                    self._first_s.setdefault(info.uid(), time.monotonic())
                except UnicodeDecodeError:  # no stream of ours
                    continue
