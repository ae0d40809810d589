"""Blocks: which sample is of which, whatever the chunks and markers."""

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.feedback.protocol import Block, Course, check_blocks
from hypothesis import given
from hypothesis import strategies as st

SFREQ_HZ = 50.0


def numbers(course, stamps, cuts=(), markers=()):
    """Return the block of each sample, and at which it changed; markers come before a sample."""
    found, borders = [], []
    for part in np.split(np.arange(len(stamps)), sorted(cuts)):
        if not len(part):
            continue
        for said, stamp in markers:
            before = -np.inf if part[0] == 0 else stamps[part[0] - 1]
            if before < stamp <= stamps[part[-1]]:
                course.hear(said, stamp)
        for rows, has_moved in course.pieces(stamps[part]):
            if has_moved:
                borders.append(len(found))
            found += [course.number] * (rows.stop - rows.start)
    return np.array(found), borders


TIMED = (Block("rest", 1.0), Block("regulate", 2.0), Block("pause", 0.5), Block("transfer", 1.5))


@given(cuts=st.lists(st.integers(1, 299), max_size=20), start_s=st.floats(0, 1e6))
def test_blocks_are_the_same_in_any_chunks(cuts, start_s):
    stamps = start_s + np.arange(300) / SFREQ_HZ
    found, borders = numbers(Course(TIMED), stamps, cuts)
    expected = np.repeat([1, 2, 3, 4, 0], [50, 100, 25, 75, 50])
    assert np.count_nonzero(found != expected) <= 8  # by rounding, a sample at each border
    assert np.all(np.isin(np.flatnonzero(np.diff(found)) + 1, borders))
    assert len(borders) == 5


def test_after_the_last_there_is_none():
    course = Course((Block("rest", 1.0),))
    numbers(course, np.arange(100) / SFREQ_HZ)
    assert course.is_over
    assert course.block is None
    course.hear("anything", 3.0)
    assert not numbers(course, 2 + np.arange(100) / SFREQ_HZ)[0].any()


@given(cuts=st.sets(st.integers(1, 499), max_size=30))
def test_a_block_waits_for_its_marker_and_ends_with_another(cuts):
    blocks = (Block("rest", 1.0), Block("regulate", begin="go", end="stop"), Block("pause", 1.0))
    stamps = np.arange(500) / SFREQ_HZ
    markers = [("go", 0.5), ("stop", 0.7), ("go", 3.0), ("other", 4.0), ("stop", 6.0)]
    found, _ = numbers(Course(blocks), stamps, cuts, markers)
    expected = np.select([stamps < 1, stamps < 3, stamps < 6, stamps < 7], [1, 0, 2, 3], default=0)
    assert np.count_nonzero(found != expected) <= 1  # by rounding


def test_a_marker_ends_what_is_endless_and_begins_the_next():
    blocks = (Block("regulate"), Block("transfer", 1.0, begin="transfer"), Block("pause"))
    stamps = np.arange(300) / SFREQ_HZ
    found, _ = numbers(Course(blocks), stamps, [100, 150], [("transfer", 2.5)])
    assert np.array_equal(found, np.select([stamps < 2.5, stamps < 3.5], [1, 2], default=3))


def test_what_comes_late_holds_from_the_next_sample():
    course = Course((Block("regulate", 1.0, begin="go"),))
    stamps = np.arange(200) / SFREQ_HZ
    assert not numbers(course, stamps[:100])[0].any()
    course.hear("go", 1.0)
    assert np.array_equal(numbers(course, stamps[100:])[0], np.repeat([1, 0], 50))


def test_markers_of_the_future_do_not_pile_up():
    course = Course((Block("regulate", 1.0, begin="go"),))
    for i in range(5000):
        course.hear("go", 1e9 + i)
        course.hear(f"something else {i}", 0.0)
    assert len(course._heard) <= 1000


def test_a_block_that_must_last_goes_on_until_it_may_end():
    asked = []

    def must_last(block):
        asked.append(block)
        return len(asked) < 3

    found, _ = numbers(Course((Block("rest", 1.0),), must_last), np.arange(300) / SFREQ_HZ)
    assert np.flatnonzero(found == 0)[0] / SFREQ_HZ == pytest.approx(3.0, abs=2 / SFREQ_HZ)
    assert len(asked) == 3


def test_an_input_that_pauses_passes_over_blocks():
    """Blocks go by the input's time: what was missed is not made up for."""
    stamps = np.concatenate([np.arange(25), 200 + np.arange(50)]) / SFREQ_HZ
    found, _ = numbers(Course(TIMED), stamps)
    assert set(found[:25]) == {1}
    assert set(found[25:]) == {2}  # it begins with the first sample there is


def test_sham_is_regulating_to_all_who_look_on():
    assert Block("sham", 1.0).shown_kind == Block("regulate", 1.0).shown_kind
    assert Block("sham", 1.0).label == Block("regulate", 1.0).label
    assert Block("sham", 1.0).gives_feedback


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ((), "no blocks"),
        ((Block("rest", 0.0),), "lasts 0 s"),
        ((Block("rest", -1.0),), "lasts -1 s"),
        ((Block("rest", float("nan")),), "lasts nan s"),
        ((Block("rest", float("inf")),), "lasts inf s"),
        ((Block("rest"), Block("regulate", 1.0)), "block 1 .* never ends"),
        ((Block("rest", begin="a", end="a"),), "one marker"),
    ],
)
def test_blocks_that_cannot_be_are_refused(blocks, message):
    with pytest.raises(ConfigError, match=message):
        check_blocks(blocks)
