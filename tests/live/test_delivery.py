"""How long samples have waited since they arrived, and whether they come in blocks."""

from __future__ import annotations

import pytest
from convdip.live.delivery import BLOCK_S, N_BLOCKS, Delivery
from hypothesis import given
from hypothesis import strategies as st

SFREQ_HZ = 250.0
MOST = 64


def followed(arrive_s, work_s, poll_s=0.04):
    """Take samples that arrive at these times, as the service does; return true and told waits."""
    delivery, now_s, next_, waits = Delivery(SFREQ_HZ, 0.0), 0.0, 0, []
    while next_ < len(arrive_s):
        was_there = arrive_s[next_] <= now_s
        if not was_there:  # nothing is there: wait for it, but not for ever
            now_s = min(arrive_s[next_], now_s + poll_s)
        there = sum(at <= now_s for at in arrive_s[next_:])
        n = min(there, MOST)
        delivery.took(now_s, n, there - n, was_there=was_there)
        if n:
            waits.append((now_s - arrive_s[next_], delivery.waited_s))
        next_ += n
        now_s += work_s(n)
    return delivery, waits


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=300), st.floats(0, 0.4), st.floats(0, 0.01))
def test_a_sample_has_waited_no_less_than_is_told_and_hardly_more(pauses_s, base_s, each_s):
    arrive_s = [sum(pauses_s[: k + 1]) for k in range(len(pauses_s))]
    _, waits = followed(arrive_s, lambda n: base_s + n * each_s)
    longest_s = base_s + MOST * each_s
    for true_s, told_s in waits:
        assert told_s >= true_s - 1e-9
        assert told_s <= true_s + longest_s + 0.001  # it came while another batch was imaged


@pytest.mark.parametrize(("block", "is_told"), [(1, False), (8, False), (100, True), (125, True)])
def test_blocks_are_told_and_are_no_wait(block, is_told):
    arrive_s = [(k // block + 1) * block / SFREQ_HZ for k in range(20 * max(block, 20))]
    delivery, waits = followed(arrive_s, lambda n: n * 0.0003)
    assert max(told for _, told in waits) < 0.06
    assert delivery.block_s == (pytest.approx(block / SFREQ_HZ) if is_told else 0)
    assert (block / SFREQ_HZ > BLOCK_S) == is_told
    assert N_BLOCKS < 20
