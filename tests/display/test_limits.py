from __future__ import annotations

import numpy as np
import pytest
from convdip.display.freshness import judge_freshness
from convdip.display.history import SourceHistory
from convdip.display.limits import ENDS_NAM, Z_LIMIT, ColourLimit, round_up, step
from convdip.display.playback import Playback
from convdip.display.scalp import ScalpMap


def feed(
    history: SourceHistory, limit: ColourLimit, peak_nam: float, seconds: float
) -> list[float]:
    """Let maps of a peak come for a while; return the ends of scale that were shown."""
    rng = np.random.default_rng(1)
    shown = []
    start_s = history.newest_s if np.isfinite(history.newest_s) else 50.0
    for number in range(round(seconds * 30)):
        moments = np.full((5, 3), 0.3, np.float32)
        moments[:, 1] = peak_nam * rng.uniform(0.8, 1.0, 5)
        stamps = start_s + number / 30 + (1 + np.arange(5)) / 150
        history.add(moments, stamps)
        limit.update(history)
        shown.append(limit.limit_nam)
    return shown


def test_ends_of_scale_are_round_and_in_steps():
    assert round_up(0.0) == ENDS_NAM[0]
    assert [round_up(v) for v in (0.9, 1.0, 1.2, 6.0, 71.0)] == [1.0, 1.0, 1.5, 7.0, 100.0]
    assert step(1.0, 1) == 1.5
    assert step(1.0, -1) == pytest.approx(0.7)
    assert step(ENDS_NAM[-1], 1) == ENDS_NAM[-1]


def test_the_rolling_scale_is_stable():
    history, limit = SourceHistory(3), ColourLimit()
    shown = feed(history, limit, 8.0, 30.0)
    assert len(set(shown)) <= 2  # from what it began with to what fits
    assert shown[-1] == 10.0
    shown = feed(history, limit, 2.4, 60.0)
    assert shown[-1] == 3.0
    assert sum(np.diff(shown) != 0) <= 4  # through the mixed twenty seconds, never back and forth
    assert (np.diff(shown) <= 0).all()


def test_one_burst_does_not_move_the_rolling_scale():
    history, limit = SourceHistory(3), ColourLimit()
    feed(history, limit, 4.0, 25.0)
    before = limit.limit_nam
    assert set(feed(history, limit, 90.0, 0.5)) == {before}


def test_a_clock_that_is_set_back_does_not_freeze_the_scale():
    history, limit = SourceHistory(3), ColourLimit()
    history.add(np.full((1, 3), 2.0, np.float32), np.array([9000.0]))
    limit.update(history)
    assert limit.limit_nam == 2.0
    history.add(np.full((1, 3), 2.0, np.float32), np.array([100.0]))
    assert feed(history, limit, 60.0, 25.0)[-1] == 70.0


def test_a_baseline_with_a_hole_is_taken_again():
    history, limit = SourceHistory(3), ColourLimit("baseline")
    feed(history, limit, 4.0, 2.0)
    history.add(np.full((1, 3), 1.0, np.float32), np.array([history.newest_s + 9.0]))
    limit.update(history)
    assert limit.unit == "nAm"
    feed(history, limit, 4.0, 11.0)
    assert limit.unit == "z"


def test_a_locked_and_a_fixed_scale_stay():
    for locked, limit in ((True, ColourLimit("rolling", 7.0)), (False, ColourLimit("fixed", 7.0))):
        history, limit.is_locked = SourceHistory(3), locked
        assert set(feed(history, limit, 90.0, 5.0)) == {7.0}


def test_z_counts_standard_deviations_above_the_baseline():
    history, limit = SourceHistory(3), ColourLimit("baseline")
    feed(history, limit, 4.0, 1.0)
    assert limit.unit == "nAm"  # until there is a baseline
    feed(history, limit, 4.0, 11.0)
    assert limit.unit == "z"
    maps = history.maps(10.0)
    mean, sd = maps.mean(axis=0), maps.std(axis=0)
    moments = np.array([0.3, mean[1] + 5 * sd[1], 0.0], np.float32)
    strength = limit.strength(moments)
    assert strength[1] * Z_LIMIT == pytest.approx(5.0, abs=0.5)
    assert strength[0] == pytest.approx(0, abs=0.01)
    limit.restart()
    assert limit.unit == "nAm"


def test_signs_are_kept_where_they_are_asked_for():
    history, limit = SourceHistory(3), ColourLimit("baseline", 5.0)
    moments = np.array([2.0, -4.0, 0.0], np.float32)
    assert limit.strength(moments).tolist() == pytest.approx([0.4, 0.8, 0.0])
    assert limit.strength(moments, is_signed=True).tolist() == pytest.approx([0.4, -0.8, 0.0])
    feed(history, limit, 4.0, 12.0)
    assert limit.unit == "z"
    signed = limit.strength(-10 * moments, is_signed=True)
    assert signed[0] < 0 < signed[1]
    np.testing.assert_array_equal(np.abs(signed), limit.strength(-10 * moments))


@pytest.mark.parametrize(
    ("silence_s", "age_s", "is_open", "word", "is_stale"),
    [
        (0.0, 0.002, True, "LIVE", False),
        (0.1, 0.1, True, "LIVE", False),
        (0.21, 0.21, True, "STALE", True),
        (0.01, 0.4, True, "STALE", True),
        (0.01, 7.0, True, "CLOCK", True),
        (0.01, -900.0, True, "CLOCK", False),
        (30.0, 30.0, False, "LOST", True),
    ],
)
def test_what_is_old_is_said(silence_s, age_s, is_open, word, is_stale):
    freshness = judge_freshness("Lab-Sources", silence_s, age_s, 500.0, is_open=is_open)
    assert freshness.word == word
    assert freshness.is_stale == is_stale
    assert bool(freshness.text) == (word != "LIVE")


def test_a_slow_stream_is_not_stale_between_its_samples():
    assert judge_freshness("x", 0.25, 0.25, 10.0, is_open=True).word == "LIVE"


def test_playback_goes_at_its_speed_and_stops_at_the_end():
    playback = Playback()
    assert playback.shown_s(50.0, 1000.0) == 50.0
    playback.pause(50.0)
    assert playback.shown_s(51.0, 1001.0) == 50.0
    playback.seek(40.0, 20.0, 50.0)
    playback.speed = 0.5
    playback.play(20.0, 50.0)
    assert playback.shown_s(50.0, 1000.0) == 40.0
    assert playback.shown_s(50.0, 1004.0) == 42.0
    assert playback.shown_s(50.0, 1030.0) == 50.0
    assert not playback.is_playing
    playback.play(20.0, 50.0)  # from the beginning again
    assert playback.shown_s(50.0, 1040.0) == 20.0
    playback.seek(10.0, 20.0, 50.0)
    assert playback.shown_s(50.0, 1041.0) == 20.0
    playback.go_live()
    assert playback.shown_s(61.0, 1042.0) == 61.0


def test_the_scalp_map_passes_through_the_electrodes(shipped):
    electrodes_m = shipped.head.electrodes_m
    scalp = ScalpMap(electrodes_m)
    rng = np.random.default_rng(5)
    # A smooth field: pixels are compared beside the electrodes, not on them.
    eeg = (electrodes_m @ rng.standard_normal(3)).astype(np.float32)
    values = scalp.values(eeg)
    at = np.clip((scalp.places * len(values)).astype(int), 0, len(values) - 1)
    assert values[at[:, 1], at[:, 0]] == pytest.approx(eeg, abs=float(np.ptp(eeg)) * 0.05)
    assert np.isnan(values[0, 0])


def test_the_scalp_map_has_the_front_on_top_and_left_on_the_left(shipped):
    places = dict(
        zip(shipped.head.channels, ScalpMap(shipped.head.electrodes_m).places, strict=True)
    )
    assert places["Fp1"][1] < places["Cz"][1] < places["Oz"][1]
    assert places["C3"][0] < places["Cz"][0] < places["C4"][0]
