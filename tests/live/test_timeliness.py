"""Senders that freeze, lie about time or deliver in blocks: what a client is told of them."""

import threading
import time
from itertools import cycle

import convdip
import numpy as np
import pylsl
import pytest
from convdip.live.sender import resolve
from convdip.streams import EventMessage, read_quality

SFREQ_HZ = 250.0


class Sender:
    """Sends noise in microvolts, with whatever stamps, in time."""

    def __init__(self, outlet, n_channels):
        self.outlet, self._n_channels = outlet, n_channels
        self._rng = np.random.default_rng(0)
        self.n_sent, self._next_s = 0, 0.0

    def send(self, stamps):
        samples = self._rng.normal(0, 20, (len(stamps), self._n_channels))
        self.outlet.push_chunk(samples, np.asarray(stamps, float).tolist())
        self.n_sent += len(stamps)

    def for_s(self, seconds, stamped=lambda t: t, *, rate_hz=SFREQ_HZ, block_s=0.02):
        """Send samples as they come to be, a block at a time, from where it was or from now on."""
        n = round(block_s * rate_hz)
        if pylsl.local_clock() - self._next_s > 0.5:
            self._next_s = pylsl.local_clock()
        for _ in range(round(seconds / block_s)):
            times_s = self._next_s + (1 + np.arange(n)) / rate_hz
            self._next_s = times_s[-1]
            time.sleep(max(0.0, self._next_s - pylsl.local_clock()))
            self.send(stamped(times_s))


class Client:
    """Reads what the service publishes, in a thread."""

    def __init__(self, stem):
        self.frames, self.events, self.quality = [], [], []
        self.stem = stem
        self._inlets = {}
        for which in ("Events", "Quality"):
            self._inlets[which] = pylsl.StreamInlet(resolve(f"{stem}-{which}", 60.0, settle_s=0.0))
            self._inlets[which].open_stream(timeout=60)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        while not self._stop.is_set():
            for [marker] in self._inlets["Events"].pull_chunk(timeout=0.0)[0]:
                self.events.append(EventMessage.from_json(marker))
            self.quality += map(read_quality, self._inlets["Quality"].pull_chunk(timeout=0.0)[0])
            time.sleep(0.01)

    def close(self):
        self._stop.set()
        self._thread.join()

    def said(self, event):
        return [message for message in self.events if message.event == event]

    def until(self, is_so, meanwhile=lambda: time.sleep(0.02), timeout_s=60):
        deadline = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < deadline, [str(e.event) + ": " + e.text for e in self.events]
            meanwhile()

    @property
    def stamps(self):
        return np.concatenate([frame.timestamps for frame in self.frames])


@pytest.fixture
def connected(unique, shipped, doubles_outlet):
    """Run a service on a sender of this process; return both, and what a client reads."""
    ends = []

    def start(rate_hz=SFREQ_HZ, **settings):
        outlet = doubles_outlet(unique, shipped.head.channels, rate_hz, f"id-{unique}")
        sender = Sender(outlet, shipped.head.n_electrodes)
        frames = []
        service = convdip.Service(input=unique, name=unique, on_frame=frames.append, **settings)
        service.__enter__()
        client = Client(unique)
        client.frames = frames
        ends[:] = [lambda: service.__exit__(None, None, None), client.close]
        return sender, service, client

    yield start
    for end in reversed(ends):
        end()


def begin(sender, client):
    """Send until samples flow, and forget what was said of the time before."""
    client.until(lambda: client.frames, lambda: sender.for_s(0.1))
    sender.for_s(1.0)
    client.events.clear()


def test_a_sender_that_freezes_is_told_of_and_what_was_of_the_past_is_marked(connected):
    sender, service, client = connected()
    begin(sender, client)
    frozen_s = pylsl.local_clock()
    client.until(lambda: client.said("stalled"))
    assert client.said("stalled")[0].facts["silent_s"] == pytest.approx(1.0, abs=0.5)
    time.sleep(max(0.0, frozen_s + 1.5 - pylsl.local_clock()))
    burst = np.arange(frozen_s, pylsl.local_clock(), 1 / SFREQ_HZ)
    sender.send(burst)  # what it kept meanwhile comes at once
    client.until(lambda: client.said("flowing"), lambda: sender.for_s(0.1))
    client.until(lambda: client.said("late"), lambda: sender.for_s(0.1))
    assert not client.said("overload")
    assert not client.said("lost")
    assert len(client.said("stalled")) == len(client.said("flowing")) == 1
    # What was imaged all the same is marked, and the marks are told.
    client.until(lambda: len(client.stamps) >= sender.n_sent)
    is_late = np.concatenate([[f.flags.is_late] * len(f.timestamps) for f in client.frames])
    late = client.stamps[is_late]
    told = [message.facts for message in client.said("late")]
    assert sum(facts["late"] for facts in told) == len(late) == service.summary.late > 50
    assert (told[0]["stamps"][0], told[-1]["stamps"][1]) == (late[0], late[-1])
    assert late[0] == pytest.approx(burst[0])
    assert not is_late[-1]


def test_where_the_newest_alone_counts_the_past_is_dropped_and_counted(connected):
    sender, service, client = connected(overload="latest")
    begin(sender, client)
    frozen_s = pylsl.local_clock()
    client.until(lambda: client.said("stalled"))
    time.sleep(max(0.0, frozen_s + 2.0 - pylsl.local_clock()))
    burst = np.arange(frozen_s, pylsl.local_clock(), 1 / SFREQ_HZ)
    sender.send(burst)
    client.until(lambda: client.said("dropped"), lambda: sender.for_s(0.1))
    client.until(lambda: client.stamps[-1] > burst[-1], lambda: sender.for_s(0.1))
    client.until(lambda: service.summary.received == sender.n_sent)
    dropped = service.summary.dropped
    client.until(lambda: sum(m.facts["dropped"] for m in client.said("dropped")) == dropped)
    # Half of the burst is more than a second old; of each part that comes, the last is left.
    past = burst[burst < frozen_s + 0.9]
    assert np.isin(past, client.stamps).sum() < 0.2 * len(past)
    assert dropped > 0.8 * len(past)
    client.until(lambda: service.summary.published + dropped == sender.n_sent)


def test_a_rate_stated_wrongly_is_said_once_and_nothing_called_missing(connected):
    true_hz = 250.0
    sender, service, client = connected(rate_hz=256.0)
    client.until(lambda: client.said("rate"), lambda: sender.for_s(0.1, rate_hz=true_hz))
    sender.for_s(1.5, rate_hz=true_hz)
    [message] = client.said("rate")
    assert message.facts["stated_hz"] == 256
    assert message.facts["measured_hz"] == pytest.approx(true_hz, rel=0.02)
    assert not client.said("gap")
    assert service.summary.missing == 0


def test_a_sender_that_delivers_half_a_second_at_a_time_is_told_as_that(connected):
    # Less than a block, and far more than it takes.
    sender, service, client = connected(overload="latest", max_backlog_s=0.45)
    client.until(lambda: client.said("blocks"), lambda: sender.for_s(0.5, block_s=0.5))
    [message] = client.said("blocks")
    assert message.facts["block_s"] == pytest.approx(0.5, abs=0.1)
    client.until(lambda: service.summary.received == sender.n_sent)
    assert service.summary.dropped == service.summary.overloads == service.summary.missing == 0
    assert not client.said("overload")
    assert not client.said("late")


def test_stamps_that_cannot_be_are_replaced_and_said(connected):
    lies = cycle([np.nan, np.inf, 0.0, 1e6, -np.inf, -3600.0])
    sender, service, client = connected()
    begin(sender, client)

    def stamped(times_s):
        times_s = times_s.copy()
        times_s[1:3] = next(lies)
        return times_s

    client.until(lambda: client.said("stamps"), lambda: sender.for_s(0.2, stamped))
    sender.for_s(1.2, stamped)
    client.until(lambda: service.summary.published == sender.n_sent)
    stamps = client.stamps
    assert np.isfinite(stamps).all()
    assert (np.diff(stamps) >= 0).all()
    assert np.diff(stamps).max() < 1
    assert client.said("stamps")[0].facts["replaced"] > 0
    assert not client.said("clock")
    assert service.summary.repaired > 0
    assert service.summary.missing == 0


def test_a_clock_of_the_senders_own_is_said_and_no_age_is_given(connected):
    sender, _, client = connected()
    own_s = 1.7e9 - pylsl.local_clock()
    client.until(lambda: client.said("clock"), lambda: sender.for_s(0.1, lambda t: t + own_s))
    client.quality.clear()
    sender.for_s(0.5, lambda t: t + own_s)
    client.until(lambda: client.quality)
    assert all(np.isnan(q["age_p50"]) and np.isnan(q["arrival_p50"]) for q in client.quality)
    assert np.isnan(client.quality[0]["age_now"])
    assert client.quality[-1]["inference_p50"] > 0
    assert len(client.said("clock")) == 1
    np.testing.assert_array_equal(client.stamps > 1.6e9, True)  # the input's own, all the same
    # Of a silence it is known how long it lasts at least.
    client.until(lambda: client.quality[-1]["age_now"] > 1000)


def test_a_stream_that_never_sends_is_told_as_stalled(connected):
    sender, _, client = connected()
    client.until(lambda: client.said("stalled"))
    assert sender.n_sent == 0


def test_the_successor_of_a_sender_that_hangs_is_taken_up(
    connected, doubles_outlet, shipped, unique
):
    sender, service, client = connected()
    begin(sender, client)
    client.until(lambda: client.said("stalled"))
    n_before = sender.n_sent
    # The first one is still there, and says nothing; it was started again all the same.
    again = Sender(
        doubles_outlet(unique, shipped.head.channels, SFREQ_HZ, f"id-{unique}"),
        shipped.head.n_electrodes,
    )
    client.until(lambda: client.said("back"))
    client.until(lambda: service.summary.published > n_before, lambda: again.for_s(0.1))
    assert [m.event for m in client.events if m.event in ("lost", "back")] == ["lost", "back"]
    assert "hangs" in client.said("lost")[0].text
    assert any(frame.flags.is_resumed for frame in client.frames)
    assert service.summary.stream_losses == 1
    assert sender.outlet.have_consumers() is False
