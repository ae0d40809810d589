"""The demo's verdict, on outcomes that are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from convdip.demo.verdict import PlayedSession, Received, judge
from convdip.streams import PlayedSource

START = 100.0
SFREQ_HZ = 500.0


def outcome(head, places, strongest):
    received = Received(head)
    for some in np.array_split(np.arange(len(places)), 700):
        stamps = START + np.asarray(places)[some] / SFREQ_HZ
        sources = np.zeros((some.size, head.n_dipoles), np.float32)
        sources[np.arange(some.size), np.asarray(strongest)[some]] = -1.0
        arrived_s: Any = stamps + 0.001  # each in a chunk of its own
        received.add(sources, stamps, arrived_s)
    return received


@pytest.fixture
def truth():
    dipoles = [3, 50, 80, 120, 150, 170, 200, 250, 290, 310]
    sources = [
        PlayedSource(
            dipole,
            "x",
            -6.0,
            first_stamp=START + 100 * i / SFREQ_HZ,
            last_stamp=START + (100 * i + 99) / SFREQ_HZ,
        )
        for i, dipole in enumerate(dipoles)
    ]
    return PlayedSession(1000, START, SFREQ_HZ, tuple(sources))


@pytest.fixture
def right(truth):
    return np.repeat([source.dipole for source in truth.sources], 100)


def test_all_samples_and_all_sources(toy_head, truth, right):
    report = judge(outcome(toy_head, range(1000), right), truth, toy_head, "random", "CPU", "m")
    assert (report.sent, report.received, report.lost, report.out_of_order) == (
        1000,
        1000,
        0,
        0,
    )
    assert report.n_sources == 10
    assert report.error_mm_median == 0.0
    assert report.error_mm_by_chance > 10
    assert (report.age_ms_median, report.age_ms_p99) == (1.0, 1.0)
    assert (report.signs, report.sign_right) == ("random", 1.0)
    assert report.ok


def test_a_lost_sample_is_not_well(toy_head, truth, right):
    places = np.delete(np.arange(1000), 500)
    report = judge(outcome(toy_head, places, right), truth, toy_head, "random", "CPU", "m")
    assert (report.lost, report.ok) == (1, False)
    assert report.complaint == "samples lost"


def test_samples_missing_at_the_end_are_lost(toy_head, truth, right):
    report = judge(outcome(toy_head, range(990), right), truth, toy_head, "random", "CPU", "m")
    assert (report.lost, report.ok) == (10, False)


def test_a_repeated_sample_is_not_well(toy_head, truth, right):
    places = np.insert(np.arange(1000), 500, 499)
    strongest = np.insert(right, 500, right[499])
    report = judge(outcome(toy_head, places, strongest), truth, toy_head, "random", "CPU", "m")
    assert (report.lost, report.out_of_order, report.ok) == (0, 1, False)


def test_a_client_that_came_late_has_lost_nothing(toy_head, truth, right):
    late = outcome(toy_head, range(130, 1000), right[130:])
    report = judge(late, truth, toy_head, "random", "CPU", "m")
    assert (report.sent, report.lost, report.n_sources, report.ok) == (870, 0, 9, True)


def test_sources_in_wrong_places_are_chance(toy_head, truth, right):
    wrong = np.random.default_rng(0).permutation(324)[right]
    report = judge(outcome(toy_head, range(1000), wrong), truth, toy_head, "random", "CPU", "m")
    assert not report.better_than_chance
    assert not report.ok


def test_wrong_signs_are_told_and_change_no_place(toy_head, truth, right):
    """Sources 2, 5 and 8 point out of the cortex; all estimates point into it."""
    turned = [
        replace(source, moment_nam=abs(source.moment_nam)) if number % 3 == 2 else source
        for number, source in enumerate(truth.sources)
    ]
    played = replace(truth, sources=tuple(turned))
    report = judge(outcome(toy_head, range(1000), right), played, toy_head, "random", "CPU", "m")
    assert (report.sign_right, report.error_mm_median, report.ok) == (0.7, 0.0, True)


def test_the_medial_wall_holds_no_estimate_and_no_place_by_chance(walled_head, truth, right):
    wall = int(np.flatnonzero(~walled_head.is_cortex)[0])
    received = Received(walled_head)
    for place, dipole in enumerate(right):
        sources = np.zeros((1, walled_head.n_dipoles), np.float32)
        sources[0, dipole], sources[0, wall] = -1.0, 5.0
        stamp = np.array([START + place / SFREQ_HZ])
        received.add(sources, stamp, float(stamp[0]))
    on_cortex = [s for s in truth.sources if walled_head.is_cortex[s.dipole]]
    assert len(on_cortex) > 5
    for source in on_cortex:
        assert set(received.strongest_during(source, SFREQ_HZ)) == {source.dipole}
    played = replace(truth, sources=tuple(on_cortex))
    report = judge(received, played, walled_head, "random", "CPU", "m")
    assert (report.error_mm_median, report.sign_right) == (0.0, 1.0)
    # By chance: what the same draws from the whole sphere would give is another number.
    elsewhere = judge(
        received,
        played,
        replace(walled_head, atlas_names=("a-lh", "a-rh", "b-lh", "b-rh")),
        "random",
        "CPU",
        "m",
    )
    assert report.error_mm_by_chance != elsewhere.error_mm_by_chance


def test_two_sources_are_enough(toy_head, truth, right):
    """A demo of two seconds must not call a healthy service ill."""
    played = PlayedSession(200, START, SFREQ_HZ, truth.sources[:2])
    report = judge(
        outcome(toy_head, range(200), right[:200]), played, toy_head, "random", "CPU", "m"
    )
    assert (report.n_sources, report.ok) == (2, True)
