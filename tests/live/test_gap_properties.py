"""Missing samples: what holds for any loss, any jitter and any chunks."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from convdip.live.gaps import LEAST_STRETCH, STRETCH_S, GapDetector
from hypothesis import given
from hypothesis import strategies as st

SFREQ_HZ = 40.0
# Samples in which a loss is surely found: the chunk it is in, and three stretches behind it.
MOST_IN_A_CHUNK = 64
FOUND_WITHIN = MOST_IN_A_CHUNK + 3 * (
    MOST_IN_A_CHUNK + max(LEAST_STRETCH, int(SFREQ_HZ * STRETCH_S))
)

chunk_sizes = st.lists(st.integers(1, MOST_IN_A_CHUNK), min_size=1, max_size=8)


def chunks(stamps: np.ndarray, sizes: list[int]) -> Iterable[np.ndarray]:
    """Cut into chunks of these sizes, over and over."""
    first = n = 0
    while first < len(stamps):
        yield stamps[first : first + sizes[n % len(sizes)]]
        first += sizes[n % len(sizes)]
        n += 1


def counted(stamps: np.ndarray, sizes: list[int]) -> GapDetector:
    """Return a detector that has seen a whole stream."""
    gaps = GapDetector(SFREQ_HZ)
    told = sum(gaps(chunk) for chunk in chunks(stamps, sizes))
    assert told == gaps.n_missing  # each missing sample is told once
    gaps.close()
    return gaps


@st.composite
def losses(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    """Numbers of the samples that came, and how many were lost each time."""
    lost = draw(st.lists(st.integers(1, 5000), max_size=4))
    came = [np.arange(draw(st.integers(FOUND_WITHIN, 2 * FOUND_WITHIN)))]
    for n in lost:
        length = draw(st.integers(FOUND_WITHIN, 2 * FOUND_WITHIN))
        came.append(came[-1][-1] + 1 + n + np.arange(length))
    return np.concatenate(came), lost


@st.composite
def lateness(draw: st.DrawFn, n: int) -> np.ndarray:
    """How late samples are stamped, in samples: however late, but one in eight is on time."""
    period = draw(st.integers(1, 8))
    late = np.resize(draw(st.lists(st.floats(0, 300), min_size=13, max_size=13)), n)
    late[::period] = 0
    return late


@given(losses(), chunk_sizes)
def test_lost_samples_are_counted_to_the_last_one_whatever_the_chunks(stream, sizes):
    came, lost = stream
    gaps = counted(1e5 + came / SFREQ_HZ, sizes)
    assert (gaps.n_missing, gaps.n_gaps, gaps.n_unstamped) == (sum(lost), len(lost), 0)


@given(st.data(), losses(), chunk_sizes)
def test_jitter_neither_hides_a_loss_nor_looks_like_one(data, stream, sizes):
    came, lost = stream
    gaps = counted((came + data.draw(lateness(len(came)))) / SFREQ_HZ, sizes)
    # One loss may be found in two parts, on either side of a stretch's end, each rounded.
    assert abs(gaps.n_missing - sum(lost)) <= len(lost)
    assert len(lost) <= gaps.n_gaps <= 2 * len(lost)


@given(st.integers(200, 1000), st.floats(-1e-3, 1e-3), st.data(), chunk_sizes)
def test_a_clock_that_runs_fast_or_slow_is_no_loss(n, drift, data, sizes):
    wobble = np.resize(data.draw(st.lists(st.floats(0, 0.3), min_size=50, max_size=50)), n)
    gaps = counted((np.arange(n) + wobble) * (1 + drift) / SFREQ_HZ, sizes)
    assert (gaps.n_missing, gaps.n_gaps) == (0, 0)


@given(st.data(), losses(), chunk_sizes)
def test_samples_without_a_stamp_take_their_place(data, stream, sizes):
    came, lost = stream
    stamps = came / SFREQ_HZ
    without = data.draw(st.sets(st.integers(0, len(came) - 1), max_size=40))
    without = sorted(without - set(range(0, len(came), 8)))
    stamps[without] = np.nan
    gaps = counted(stamps, sizes)
    assert (gaps.n_missing, gaps.n_unstamped) == (sum(lost), len(without))


@given(losses(), st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_dropped_samples_are_not_missing(stream, sizes):
    """Of each chunk the newest alone is imaged, as when the service is overloaded."""
    came, lost = stream
    gaps = GapDetector(SFREQ_HZ)
    for chunk in chunks(came / SFREQ_HZ, sizes):
        gaps(chunk[-1:], n_dropped=len(chunk) - 1)
    for chunk in chunks((came[-1] + 1 + np.arange(FOUND_WITHIN)) / SFREQ_HZ, sizes):
        gaps(chunk)
    assert gaps.n_missing == sum(lost)


@given(
    st.floats(0.5, 2.0), st.sampled_from(["even", "in blocks", "stamped at their end"]), chunk_sizes
)
def test_a_rate_stated_wrongly_is_no_loss_and_is_measured(ratio, how, sizes):
    """As of a sender that states 256 Hz and sends 250, whatever stamps its samples."""
    n = np.arange(30 * MOST_IN_A_CHUNK)
    rate_hz = SFREQ_HZ * ratio
    blocks = n // 8 * 8
    stamps = {
        "even": n / rate_hz,
        # liblsl stamps the samples of a chunk at the stated rate, back from the last one.
        "in blocks": (blocks + 7) / rate_hz - (7 - n % 8) / SFREQ_HZ,
        "stamped at their end": (blocks + 7) / rate_hz,
    }[how]
    gaps = counted(1e4 + stamps, sizes)
    assert (gaps.n_missing, gaps.n_gaps) == (0, 0)
    assert abs(gaps.rate_hz / rate_hz - 1) < 0.01


@given(st.floats(0.5, 2.0), st.integers(2, 500), chunk_sizes)
def test_losses_are_counted_at_the_rate_that_the_stamps_show(ratio, lost, sizes):
    rate_hz, before = SFREQ_HZ * ratio, 16 * MOST_IN_A_CHUNK
    came = np.delete(np.arange(2 * before + lost), np.arange(before, before + lost))
    gaps = counted(1e4 + came / rate_hz, sizes)
    assert gaps.n_gaps == 1
    assert abs(gaps.n_missing - lost) <= 1 + 0.02 * lost


@given(st.integers(0, 2**32 - 1), st.floats(0, 40), chunk_sizes)
def test_no_loss_is_claimed_below_the_spread_of_the_stamps(seed, spread, sizes):
    """As of blocks that come half a second at a time, sooner or later."""
    rng, n = np.random.default_rng(seed), np.arange(4000)
    late = np.repeat(rng.uniform(0, spread, 1 + len(n) // 20), 20)[: len(n)]
    gaps = counted(1e4 + (n + late) / SFREQ_HZ, sizes)
    assert gaps.n_missing <= 3 * spread  # until it is known how unsteady they are


def test_a_sender_that_changes_its_rate_is_followed():
    stamps = np.concatenate([np.arange(2000) / 40, 2000 / 40 + np.arange(2000) / 32])
    gaps = counted(stamps, [7])
    assert gaps.n_missing == 0
    assert abs(gaps.rate_hz - 32) < 0.1


@pytest.mark.parametrize("size", [1, 7, 64])
def test_after_a_fast_spell_only_what_was_not_sent_is_missing(size):
    """At the rate that was fast, what is sent as stated would be a quarter of it."""
    stamps = np.zeros(1)
    for rate_hz, seconds in ((125, 30), (500, 5), (125, 12), (62.5, 4), (125, 12)):
        stamps = np.append(stamps, stamps[-1] + np.arange(1, 1 + rate_hz * seconds) / rate_hz)
    gaps = GapDetector(125.0)
    for chunk in chunks(1e4 + stamps, [size]):
        gaps(chunk)
    gaps.close()
    assert gaps.n_missing <= 4 * 62.5
    assert abs(gaps.rate_hz / 125 - 1) < 0.01
