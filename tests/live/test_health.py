import numpy as np
import pytest
from convdip.frame import Frame, StageTimes
from convdip.live.backlog import Backlog
from convdip.live.health import Health, status_line
from convdip.live.latency import WINDOW, Latency
from convdip.streams import STAGES


def feed(health, stamps, chunk=7):
    for first in range(0, len(stamps), chunk):
        health.received(np.asarray(stamps[first : first + chunk]))


@pytest.mark.parametrize("lost", [1, 30, 5000])
def test_missing_samples_are_counted_to_the_last_one(lost):
    health = Health(500.0, 0.0)
    places = np.delete(np.arange(10_000), np.arange(2000, 2000 + lost))
    feed(health, places / 500)
    summary = health.summary()
    assert summary.received == 10_000 - lost
    assert (summary.gaps, summary.missing) == (1, lost)


def test_single_lost_samples_add_up():
    health = Health(500.0, 0.0)
    feed(health, np.delete(np.arange(10_000), [2000, 4000, 4001, 6000]) / 500)
    assert (health.gaps.n_gaps, health.gaps.n_missing) == (3, 4)


@pytest.mark.parametrize("name", ["even", "jitter", "blocks", "slow clock"])
def test_uneven_stamps_are_no_gaps(name):
    stamps = 1e5 + np.arange(20_000) / 500
    if name == "jitter":
        stamps = stamps + np.random.default_rng(0).exponential(0.003, stamps.size)
    elif name == "blocks":  # 20 samples under one stamp
        stamps = np.repeat(stamps[19::20], 20)
    elif name == "slow clock":
        stamps = stamps * 1.0001
    health = Health(500.0, 0.0)
    feed(health, stamps, chunk=20)
    assert (health.gaps.n_gaps, health.gaps.n_missing) == (0, 0)


def test_a_stream_that_came_back_is_no_gap():
    health = Health(100.0, 0.0)
    feed(health, np.arange(500) / 100)
    health.lost(now_s=5.0)
    health.restarted(now_s=99.0)
    feed(health, 99 + np.arange(500) / 100)
    assert health.gaps.n_gaps == 0
    assert (health.summary().stream_losses, health.summary().outage_s) == (1, 94.0)


def frame_of(stamps, *stages_s):
    """Return a frame that was through its stages at these times."""
    stamps = np.asarray(stamps, float)
    n = len(stamps)
    moments_nam = np.zeros((n, 3), np.float32)
    fit, confidence = np.full(n, 0.5, np.float32), np.full(n, 0.25, np.float32)
    return Frame(moments_nam, fit, confidence, stamps, StageTimes(*stages_s))


def publish(health, stamps, now_s):
    """Publish a chunk that spent no time in any stage but the first."""
    health.published(frame_of(stamps, *(now_s,) * 4), now_s)


def settle(health):
    """Let the inlet have been empty once: ages count from then on."""
    health.queued(Backlog(100.0, "all", 0.25))


def test_silence_is_seen():
    health = Health(100.0, 48.0)
    assert health.silence_s(48.9) == 0.0
    assert health.silence_s(49.5) == 1.5  # nothing has come at all
    publish(health, [50.0], 50.0)
    assert health.silence_s(50.9) == 0.0
    assert health.silence_s(52.5) == 2.5


def test_nothing_yet():
    summary = Health(100.0, 0.0).summary()
    assert summary.latency_ms["age"] == {"p50": None, "p95": None, "p99": None}
    assert np.isnan(Health(100.0, 0.0).report(1.0)["age_p50"])
    assert "nan" not in status_line(Health(100.0, 0.0), 0.5)


def test_what_piled_up_during_the_start_has_no_age():
    health = Health(100.0, 10.0)
    publish(health, [9.0, 9.9, 10.0, 10.1], 10.5)
    assert health.n_published == 4
    assert np.isnan(health.stages_ms()["age"]).all()
    settle(health)
    publish(health, [10.1], 10.6)
    np.testing.assert_allclose(health.stages_ms()["age"], 500.0, rtol=1e-5)
    health.restarted(11.0)
    publish(health, [10.2], 11.2)
    np.testing.assert_allclose(health.stages_ms()["age"], 500.0, rtol=1e-5)


def test_what_is_left_at_the_end_is_counted_and_looked_at():
    health = Health(100.0, 0.0)
    feed(health, np.delete(np.arange(600), range(500, 510)) / 100)
    assert health.gaps.n_missing == 0  # the stretch is not full yet
    health.ended(n_unread=7)
    assert (health.n_unread, health.gaps.n_missing) == (7, 10)


def test_samples_without_a_stamp_are_counted_and_take_their_place():
    health = Health(100.0, 0.0)
    stamps = np.arange(1000) / 100
    stamps[[0, 1, 400, 401, 700]] = np.nan
    feed(health, stamps)
    feed(health, np.full(3, np.nan))
    assert (health.gaps.n_unstamped, health.gaps.n_missing) == (8, 0)
    health = Health(100.0, 0.0)
    feed(health, np.full(3, np.nan))
    assert health.gaps.n_unstamped == 3


@pytest.mark.parametrize("jitter_s", [0.0, 0.003])
def test_drops_and_uneven_stamps_are_no_gaps(jitter_s):
    stamps = np.arange(40_000) / 500
    stamps = stamps + np.random.default_rng(0).exponential(jitter_s, stamps.size)
    health = Health(500.0, 0.0)
    feed(health, stamps[:5000])
    for first in range(5000, 40_000, 200):
        health.received(stamps[first + 199 : first + 200], n_dropped=199)
    assert (health.gaps.n_gaps, health.gaps.n_missing) == (0, 0)


def test_dropped_samples_were_received_and_are_not_missing():
    health = Health(100.0, 0.0)
    stamps = np.arange(2000) / 100
    feed(health, stamps[:500])
    for first in range(500, 2000, 50):  # 49 dropped, the newest imaged
        health.received(stamps[first + 49 : first + 50], n_dropped=49)
    assert (health.n_received, health.n_dropped) == (2000, 30 * 49)
    assert (health.gaps.n_gaps, health.gaps.n_missing) == (0, 0)


def test_missing_samples_are_told_when_they_are_found():
    health = Health(100.0, 0.0)
    stamps = np.delete(np.arange(1010), range(300, 310)) / 100
    told = [health.received(part) for part in np.split(stamps, 100)]
    assert (sum(told), max(told)) == (10, 10)


def test_reports_hold_rates_since_the_last_one():
    health = Health(100.0, 0.0, n_bad=2)
    settle(health)
    health.report(10.0)
    for first in (0, 10):
        stamps = 9.9 + np.arange(first, first + 10) / 1000
        health.received(stamps)
        publish(health, stamps, 9.95)
    quality = health.report(10.5)
    assert (quality["rate_in"], quality["rate_out"], quality["batch"]) == (40, 40, 10)
    assert (quality["goodness_of_fit"], quality["confidence"]) == (0.5, 0.25)
    assert quality["bad_channels"] == 2
    assert quality["age_now"] == pytest.approx(581)
    assert quality["age_p50"] == pytest.approx(40, abs=1)
    silent = health.report(11.0)
    assert silent["rate_out"] == 0
    assert np.isnan([silent["goodness_of_fit"], silent["confidence"]]).all()


def test_the_stages_add_up_to_the_age():
    latency = Latency()
    stamps = np.array([1.0, 1.1])
    latency.add(frame_of(stamps, 1.2, 1.25, 1.35, 1.37), 1.4)
    stages = latency.percentiles_ms()
    assert stages["arrival"][2] == pytest.approx(200, rel=1e-5)
    medians = [stages[name][2] for name in STAGES]
    np.testing.assert_allclose(medians, [200, 50, 100, 20, 30], rtol=1e-4)
    assert stages["age"][2] == pytest.approx(400, rel=1e-5)


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_only_the_latest_samples_count(batch):
    latency = Latency()
    stamps = np.zeros(batch)
    for age_s in np.linspace(1, 2, 3 * WINDOW // batch):
        latency.add(frame_of(stamps, *(age_s,) * 4), age_s)
    before = latency.percentiles_ms()["age"]
    assert before[0] > 1600
    for _ in range(WINDOW // batch + 1):
        latency.add(frame_of(stamps, *(0.002,) * 4), 0.002)
    np.testing.assert_allclose(latency.percentiles_ms()["age"], 2.0, rtol=1e-5)
