"""A service in the test's own process: its real outlets, fed by the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pylsl
import pytest
from convdip.bundle import Bundle
from convdip.display.follower import OPEN_TIMEOUT_S
from convdip.frame import Frame, StageTimes
from convdip.live.events import EventOutlet
from convdip.live.health import Health
from convdip.live.network import Network
from convdip.live.outlet import SourceOutlet, provenance_of
from convdip.live.quality import QualityOutlet
from convdip.live.tuning import open_network
from convdip.patches import patch_dictionary
from convdip.sources.player import eeg_outlet
from convdip.streams import read_eeg

SFREQ_HZ = 250.0


class Publisher:
    """Publishes source maps and EEG that a test decides on."""

    sfreq_hz = SFREQ_HZ

    def __init__(
        self,
        name: str,
        bundle: Bundle,
        network: Network,
        n_missing: int = 0,
        announce: Callable[..., pylsl.StreamOutlet] = eeg_outlet,
    ) -> None:
        head = bundle.head
        self.name, self.head = name, head
        self._labels = head.channels[: len(head.channels) - n_missing]
        source_id = f"{name}-eeg"
        self._eeg = announce(f"{name}EEG", self._labels, SFREQ_HZ, source_id)
        interpolated = head.channels[len(self._labels) :]
        stream = read_eeg(self._eeg.get_info())
        self.provenance = provenance = provenance_of(stream, bundle, network, interpolated)
        self._sources = SourceOutlet(name, head, SFREQ_HZ, provenance)
        self._quality, self.events = QualityOutlet(name, f"{name}EEG"), EventOutlet(name)
        self.health = Health(SFREQ_HZ, pylsl.local_clock(), n_bad=n_missing)
        self.moments_nam = np.zeros(head.n_dipoles, np.float32)
        self.late_s = 0.0
        self.rails = ""  # an electrode of the EEG that is at a rail
        self._sent_s = pylsl.local_clock()

    def patch(self, dipole: int, peak_nam: float) -> None:
        """From now on a patch around a dipole is active."""
        shape = patch_dictionary(self.head.triangles, self.head.dipoles_m, 5)[[dipole]]
        self.moments_nam = (shape.toarray()[0] * peak_nam).astype(np.float32)

    def send(self) -> None:
        """Publish what is due by now."""
        now_s = pylsl.local_clock()
        n = int((now_s - self._sent_s) * SFREQ_HZ)
        if not n:
            return
        stamps = self._sent_s + (1 + np.arange(n)) / SFREQ_HZ
        self._sent_s = float(stamps[-1])
        eeg_uv = self.head.lead_field @ self.moments_nam * 1e-3
        ripple = 5 * np.sin(2 * np.pi * 10 * stamps)[:, None] * np.ones(len(self._labels))
        dtype = np.float32 if self._eeg.channel_format == pylsl.cf_float32 else np.float64
        samples = np.ascontiguousarray(eeg_uv[: len(self._labels)] + ripple, dtype)
        if self.rails:
            samples[:, self._labels.index(self.rails)] = 375_000
        self._eeg.push_chunk(samples, (stamps - self.late_s).tolist())
        moments_nam, fit = np.tile(self.moments_nam, (n, 1)), np.full(n, 0.9, np.float32)
        frame = Frame(moments_nam, fit, fit, stamps - self.late_s, StageTimes(*(now_s,) * 4))
        self._sources.push(frame)
        self.health.received(stamps - self.late_s, 0)
        self.health.published(frame, now_s)
        self._quality.push_if_due(self.health, now_s)


@pytest.fixture(scope="session")
def network(shipped: Bundle) -> Network:
    return open_network(shipped, "cpu", "fp32")


@pytest.fixture
def publish(shipped: Bundle, network: Network, unique: str) -> Iterator[Callable[..., Publisher]]:
    """Open a service's streams; they close with the test."""
    opened: list[Publisher] = []

    def start(bundle: Bundle = shipped, **how: Any) -> Publisher:
        opened.append(Publisher(unique, bundle, network, **how))
        return opened[-1]

    yield start
    # liblsl has crashed where an outlet went while its own process was still connecting to it.
    for thread in threading.enumerate():
        if thread.name == "convdip-follower":
            thread.join(3 * OPEN_TIMEOUT_S)
    opened.clear()


def wait_until(is_so: Callable[[], bool], step: Callable[[], object], timeout_s: float) -> None:
    """Step until something is so."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it never came"
        step()
        time.sleep(0.01)


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_until
