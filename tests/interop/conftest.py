"""A laboratory: an amplifier, a service of it, and what a client with pylsl gets of that."""

import threading
import time
from typing import Any

import numpy as np
import pylsl
import pytest
from convdip import Service
from convdip.live.sender import resolve
from convdip.sources.background import background_eeg
from convdip.sources.player import eeg_outlet
from convdip.streams import Event, EventMessage, read_eeg

RATE_HZ = 80.0
SETTINGS: Any = {"roi": "cuneus", "provider": "cpu", "precision": "fp32", "wait_s": 60}
READ = ("Sources", "ROI", "Quality", "Events")
UNPLUGGED = "C3"


class Lab:
    """Sends EEG for as long as it is open, and keeps all that a service of it publishes.

    Attributes
    ----------
    name : str
        Of the amplifier, and stem of the service's streams.
    labels : tuple of str
    eeg_uv : ndarray of float32
        What is sent, again and again.
    is_unplugged : bool
        Set it: from then on an electrode sends no numbers.
    """

    def __init__(self, head, name):
        self.name, self.labels = name, head.channels
        rng = np.random.default_rng(0)
        self.eeg_uv = (10 * background_eeg(head, 500, RATE_HZ, rng)).astype(np.float32)
        self.is_unplugged = False
        self._is_over = threading.Event()
        self._got = {which: [] for which in READ}
        self._inlets = {}
        self._outlet = eeg_outlet(name, head.channels, RATE_HZ, f"id-{name}")
        self._threads = [threading.Thread(target=self._send)]
        self._threads[0].start()

    def listen(self):
        """Open a client of the service's streams; return once it gets their samples."""
        for which in READ:
            found = resolve(f"{self.name}-{which}", 60.0, settle_s=0.0)
            inlet = pylsl.StreamInlet(found, max_buflen=10, recover=False)
            inlet.open_stream(timeout=60)
            self._inlets[which] = inlet
        self._threads.append(threading.Thread(target=self._read))
        self._threads[1].start()
        self.wait_for(lambda: all(self._got[which] for which in READ[:3]))

    def wait_for(self, is_there, timeout_s=60):
        """Wait until something is as it should be."""
        deadline = time.monotonic() + timeout_s
        while not is_there():
            assert time.monotonic() < deadline, {
                which: len(got) for which, got in self._got.items()
            }
            time.sleep(0.05)

    def unplug(self):
        """Let an electrode fail and come back; return once the service has said both."""
        self.wait_for(lambda: not self._is_bad())
        self.is_unplugged = True
        try:
            self.wait_for(self._is_bad)
        finally:
            self.is_unplugged = False
        self.wait_for(lambda: not self._is_bad())

    def close(self):
        """End client and amplifier."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def got(self, which):
        """Return the rows that the client has got so far, and their stamps."""
        rows, stamps = zip(*self._got[which].copy(), strict=True)
        return np.concatenate(rows), np.concatenate(stamps)

    def catch_up(self):
        """Wait until the client has what was published before."""
        now_s = pylsl.local_clock()
        self.wait_for(lambda: all(self._got[which][-1][1][-1] > now_s for which in READ[:3]))

    def described(self, which):
        """Return what a stream says of its channels."""
        return read_eeg(self._inlets[which].info())

    def _is_bad(self):
        """Tell what the service said last of the electrode."""
        texts = (text for rows, _ in self._got["Events"].copy() for [text] in rows)
        told = (EventMessage.from_json(text) for text in texts)
        of_it = [one.event for one in told if one.facts.get("electrode") == UNPLUGGED]
        return of_it[-1:] == [Event.BAD]

    def _send(self):
        begin_s, n, unplugged = pylsl.local_clock(), 0, self.labels.index(UNPLUGGED)
        while not self._is_over.wait(max(0.0, begin_s + n / RATE_HZ - pylsl.local_clock())):
            row = self.eeg_uv[n % len(self.eeg_uv)].copy()
            if self.is_unplugged:
                row[unplugged] = np.nan
            self._outlet.push_chunk(row[None], [begin_s + n / RATE_HZ])
            n += 1

    def _read(self):
        while not self._is_over.wait(0.02):
            for which, inlet in self._inlets.items():
                rows, stamps = inlet.pull_chunk(timeout=0.0, as_numpy=which != "Events")
                if len(stamps):
                    self._got[which].append((np.array(rows), np.array(stamps)))


@pytest.fixture(scope="module")
def lab(shipped):
    """A laboratory at work."""
    lab = Lab(shipped.head, f"Lab{time.monotonic_ns()}")
    try:
        with Service(input=lab.name, name=lab.name, **SETTINGS):
            lab.listen()
            yield lab
            lab.close()  # before the streams that it reads
    finally:
        lab.close()
