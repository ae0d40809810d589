"""What waits between the inlet and the network, over real LSL."""

import time

import numpy as np
import pylsl
import pytest
from convdip.live.backlog import MAX_BATCH, Backlog
from convdip.live.inlet import Inlet
from convdip.live.sender import resolve

SFREQ_HZ = 1000.0


@pytest.fixture
def waiting(unique):
    """Open a stream and let so many samples wait in its inlet."""
    info = pylsl.StreamInfo(unique, "EEG", 1, SFREQ_HZ, pylsl.cf_float32, f"id-{unique}")
    sender = pylsl.StreamOutlet(info)
    inlet = Inlet(resolve(unique, 60.0, settle_s=0.0))
    assert sender.wait_for_consumers(60)
    sent = 0

    def fill(n):
        nonlocal sent
        samples = np.arange(sent, sent + n, dtype=np.float32)
        sender.push_chunk(samples[:, None], (10.0 + samples / SFREQ_HZ).tolist())
        sent += n
        deadline = time.monotonic() + 60
        while inlet.n_waiting() < n:
            assert time.monotonic() < deadline
        return inlet

    return fill


def take_all(backlog, inlet):
    taken = []
    while (chunk := backlog.take(inlet)) is not None:
        taken.append((chunk.samples[:, 0], backlog.n_behind, backlog.is_over, backlog.n_dropped))
    return taken


def test_batches_grow_with_what_waits_and_nothing_is_dropped(waiting):
    backlog = Backlog(SFREQ_HZ, "all", 0.25)
    [(samples, n_behind, is_over, _)] = take_all(backlog, waiting(10))
    assert (len(samples), n_behind, is_over) == (10, 9, False)
    inlet = waiting(500)
    taken = take_all(backlog, inlet)
    np.testing.assert_array_equal(np.concatenate([t[0] for t in taken]), np.arange(10, 510))
    assert {len(t[0]) for t in taken[:-1]} == {MAX_BATCH}
    assert [t[1] for t in taken] == [499, 435, 371, 307, 243, 179, 115, 51]
    assert sum(t[3] for t in taken) == 0


@pytest.mark.parametrize("overload", ["all", "latest"])
def test_what_comes_at_once_and_is_imaged_at_once_is_no_overload(waiting, overload):
    """As of a sender that delivers half a second at a time."""
    backlog = Backlog(SFREQ_HZ, overload, 0.25)
    for _ in range(3):
        taken = take_all(backlog, waiting(500))
        assert sum(len(t[0]) for t in taken) == 500
        assert not any(t[2] for t in taken)


def test_what_waits_too_long_is_an_overload(waiting):
    backlog = Backlog(SFREQ_HZ, "all", 0.25)
    inlet = waiting(200)
    backlog.take(inlet)
    time.sleep(0.3)  # as a slow network takes
    backlog.take(inlet)
    assert backlog.is_over
    deadline = time.monotonic() + 60
    while backlog.is_over:  # which is over when a second went without one
        backlog.take(inlet)
        assert time.monotonic() < deadline


def test_latest_drops_all_but_the_newest_beyond_the_bound(waiting):
    backlog = Backlog(SFREQ_HZ, "latest", 0.25)
    inlet = waiting(1000)
    np.testing.assert_array_equal(backlog.take(inlet).samples[:, 0], np.arange(64))
    time.sleep(0.3)
    chunk = backlog.take(inlet)
    np.testing.assert_array_equal(chunk.samples, [[999]])
    assert chunk.skipped is not None  # for the filters
    np.testing.assert_array_equal(chunk.skipped.samples[:, 0], np.arange(64, 999))
    assert len(chunk.skipped.timestamps) == 935
    assert (backlog.n_behind, backlog.is_over, backlog.n_dropped) == (935, True, 935)
    assert backlog.dropped == pytest.approx((10.064, 10.998))
    [(samples, _, _, n_dropped)] = take_all(backlog, waiting(3))
    np.testing.assert_array_equal(samples, [1000, 1001, 1002])
    assert (n_dropped, backlog.dropped) == (0, None)
    assert backlog.take(waiting(1)).skipped is None


def test_a_bound_within_one_batch_holds_too(waiting):
    backlog = Backlog(SFREQ_HZ, "latest", 0.02)
    inlet = waiting(40)
    time.sleep(0.03)
    chunk = backlog.take(inlet)
    np.testing.assert_array_equal(chunk.samples, [[39]])
    assert backlog.n_dropped == 39


def test_a_full_buffer_is_known(waiting):
    backlog = Backlog(SFREQ_HZ, "all", 0.25)
    assert not backlog.overflowed
    inlet = waiting(5000)
    found = []
    while backlog.take(inlet) is not None:
        found.append((backlog.overflowed, backlog.is_newly_full))
    assert found == [(True, True), *[(True, False)] * (len(found) - 1)]
