"""Closed loops over LSL: an amplifier with a rhythm in it, and a client of the feedback."""

import time

import numpy as np
import pylsl
import pytest
from convdip.feedback.features import Suspended
from convdip.patches import patch_dictionary
from convdip.sources.background import background_eeg
from convdip.streams import EventMessage, read_feedback, stream_name

SFREQ_HZ, PACE = 125.0, 12


def cuneus(head):
    """Return a dipole in the middle of the left cuneus."""
    own = np.flatnonzero(head.in_regions(["cuneus"]) & (np.arange(head.n_dipoles) < head.n_left))
    middle = head.dipoles_m[own].mean(axis=0)
    return own[np.linalg.norm(head.dipoles_m[own] - middle, axis=1).argmin()]


def alpha(head, n, strength, seed=0):
    """Return EEG in µV with a rhythm of the cuneus whose strength is given sample by sample."""
    rng = np.random.default_rng(seed)
    course = strength * np.sin(2 * np.pi * 10 * np.arange(n) / SFREQ_HZ)
    patch = patch_dictionary(head.triangles, head.dipoles_m, 3)[[cuneus(head)]].toarray()[0]
    eeg_uv = course[:, None] * (head.lead_field @ patch) * 1e-3
    return eeg_uv + 1.5 * background_eeg(head, n, SFREQ_HZ, rng)


class Listener:
    """Reads a service's feedback, features and events."""

    def __init__(self, stem):
        self.inlets = {}
        for which in ("Feedback", "Features", "ROI", "Events"):
            [info] = pylsl.resolve_byprop("name", stream_name(stem, which), timeout=60)
            self.inlets[which] = pylsl.StreamInlet(info)
            self.inlets[which].open_stream(timeout=60)
        self.rows = {which: [] for which in self.inlets}
        self.stamps = {which: [] for which in self.inlets}

    def read(self):
        for which, inlet in self.inlets.items():
            rows, stamps = inlet.pull_chunk(timeout=0.0, max_samples=4096)
            self.rows[which] += rows
            self.stamps[which] += stamps

    def until(self, is_enough, timeout_s=60):
        deadline = time.monotonic() + timeout_s
        while not is_enough():
            assert time.monotonic() < deadline, [
                (which, len(rows), rows[-1:]) for which, rows in self.rows.items()
            ]
            self.read()
            time.sleep(0.005)

    def until_heard(self, service, *said):
        """Wait until markers wait in a service for the samples that they belong to.

        All samples before have to be out: with each, the service takes what it has heard.
        """
        markers = service._feedback._markers
        self.until(lambda: {*said} <= {text for text, _ in markers._heard.copy()})

    @property
    def feedback(self):
        return [read_feedback(row) for row in self.rows["Feedback"]]

    @property
    def is_steady(self):
        """Of each sample: whether features need not fill anew, after a pause of a busy computer."""
        found, is_anew = [], False
        for row in self.feedback:
            is_pause = row["reason"] == Suspended.SILENCE.code
            is_anew = is_pause or (is_anew and row["reason"] == Suspended.FILLING.code)
            if not is_pause:
                found.append(not is_anew)
        return np.array(found)

    @property
    def last(self):
        return read_feedback(self.rows["Feedback"][-1]) if self.rows["Feedback"] else {}

    @property
    def events(self):
        return [EventMessage.from_json(row[0]) for row in self.rows["Events"]]


class Sender:
    """Announces a stream and sends it."""

    def __init__(self, outlet):
        self.outlet = outlet

    def __call__(self, eeg_uv):
        """Send as an amplifier does, sample by sample; return the stamps."""
        stamps = pylsl.local_clock() + np.arange(len(eeg_uv)) / SFREQ_HZ
        for at in range(len(eeg_uv)):
            self.push(eeg_uv, stamps, slice(at, at + 1))
            time.sleep(1 / SFREQ_HZ)
        return stamps

    def keep_pace(self, eeg_uv, listener, begin_s=None):
        """Send no more than can wait without being late, on whatever computer; return the stamps.

        And no slower than that: a pause is silence. The last one is stamped no later than now,
        since what is ahead of time is no stamp.
        """
        if begin_s is None:
            begin_s = pylsl.local_clock() - len(eeg_uv) / SFREQ_HZ
        stamps = begin_s + np.arange(len(eeg_uv)) / SFREQ_HZ
        n_before = len(listener.rows["Features"])
        for first in range(0, len(eeg_uv), PACE):
            n = n_before + first
            listener.until(lambda n=n: len(listener.rows["Features"]) >= n - PACE)
            self.push(eeg_uv, stamps, slice(first, first + PACE))
        listener.until(lambda: len(listener.rows["Features"]) >= n_before + len(eeg_uv))
        return stamps

    def push(self, eeg_uv, stamps, rows):
        self.outlet.push_chunk(np.ascontiguousarray(eeg_uv[rows]), stamps[rows].tolist())


@pytest.fixture
def sender(unique, shipped, doubles_outlet):
    return Sender(doubles_outlet(unique, shipped.head.channels, SFREQ_HZ, f"id-{unique}"))


@pytest.fixture
def listen():
    return Listener


@pytest.fixture(name="alpha")
def alpha_fixture():
    return alpha
