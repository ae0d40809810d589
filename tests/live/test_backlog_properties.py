"""Whatever comes is imaged or counted as dropped, once and in order: any arrivals, real LSL."""

from __future__ import annotations

import time
import uuid

import numpy as np
import pylsl
import pytest
from convdip.live.backlog import MAX_BATCH, Backlog
from convdip.live.inlet import Inlet
from convdip.live.sender import resolve
from hypothesis import given, settings
from hypothesis import strategies as st

SFREQ_HZ = 1000.0


class Line:
    """An outlet and an inlet, and what must wait between them."""

    def __init__(self) -> None:
        name = f"Test{uuid.uuid4().hex[:10]}"
        info = pylsl.StreamInfo(name, "EEG", 1, SFREQ_HZ, pylsl.cf_float32, f"id-{name}")
        self._sender = pylsl.StreamOutlet(info)
        self.inlet = Inlet(resolve(name, 60.0, settle_s=0.0))
        assert self._sender.wait_for_consumers(60)
        self.sent = 0

    def send(self, n: int) -> None:
        waiting = self.inlet.n_waiting() + n
        samples = np.arange(self.sent, self.sent + n, dtype=np.float32)
        self._sender.push_chunk(samples[:, None], self.stamps(self.sent, n).tolist())
        self.sent += n
        deadline = time.monotonic() + 60
        while self.inlet.n_waiting() < waiting:
            assert time.monotonic() < deadline, "samples got lost on the way"

    @staticmethod
    def stamps(first: int, n: int) -> np.ndarray:
        return 10.0 + np.arange(first, first + n) / SFREQ_HZ

    def empty(self) -> None:
        while n := self.inlet.n_waiting():
            self.inlet.pull(n, wait=False)


@pytest.fixture(scope="module")
def line() -> Line:
    return Line()


# How many samples come before each take; now and then many more than a batch.
arrivals = st.lists(
    st.integers(0, 20) | st.integers(0, 3 * MAX_BATCH) | st.just(900), min_size=1, max_size=12
)


@settings(max_examples=40)
@given(
    arrivals=arrivals,
    overload=st.sampled_from(["all", "latest"]),
    max_s=st.sampled_from([0.0, 1e-4, 1e-3, 0.25, float("inf")]),
)
def test_whatever_comes_is_imaged_or_counted_as_dropped(line, arrivals, overload, max_s):
    line.empty()
    backlog = Backlog(SFREQ_HZ, overload, max_s)
    next_, waiting = line.sent, 0
    for n in [*arrivals, *[0] * 20]:
        if n:
            line.send(n)
        waiting += n
        if not waiting:
            continue
        chunk = backlog.take(line.inlet)
        n_imaged, n_dropped = len(chunk.timestamps), backlog.n_dropped
        assert backlog.n_behind == waiting - 1
        is_over = waiting > 1 and backlog.delivery.waited_s > max_s
        if overload == "latest" and (is_over or n_dropped):  # or of the past, by its stamps
            assert (n_imaged, n_dropped) == (1, waiting - 1)
            stamps = line.stamps(next_, n_dropped)
            assert backlog.dropped == pytest.approx((stamps[0], stamps[-1]), abs=1e-9)
        else:
            assert (n_imaged, n_dropped) == (min(waiting, MAX_BATCH), 0)
            assert backlog.dropped is None
        next_ += n_dropped
        np.testing.assert_array_equal(chunk.samples[:, 0], np.arange(next_, next_ + n_imaged))
        np.testing.assert_array_equal(chunk.timestamps, line.stamps(next_, n_imaged))
        next_ += n_imaged
        waiting -= n_imaged + n_dropped
        assert line.inlet.n_waiting() == waiting
    assert (waiting, next_) == (line.inlet.n_waiting(), line.sent - waiting)


@settings(max_examples=20)
@given(arrivals=arrivals)
def test_nothing_is_ever_dropped_where_all_is_asked_for(line, arrivals):
    line.empty()
    backlog, first = Backlog(SFREQ_HZ, "all", 0.0), line.sent
    for n in filter(None, arrivals):
        line.send(n)
    taken = []
    while line.inlet.n_waiting():
        taken.append(backlog.take(line.inlet).samples[:, 0])
    np.testing.assert_array_equal(
        np.concatenate([*taken, np.zeros(0)]), np.arange(first, line.sent)
    )
