import numpy as np
import pytest

from realtime.health import Health


def feed(health, stamps, chunk=7):
    for first in range(0, len(stamps), chunk):
        health.received(np.asarray(stamps[first : first + chunk]))


@pytest.mark.parametrize("lost", [1, 30, 5000])
def test_missing_samples_are_counted_to_the_last_one(lost):
    health = Health(500.0)
    places = np.delete(np.arange(10_000), np.arange(2000, 2000 + lost))
    feed(health, places / 500)
    summary = health.summary()
    assert summary["received"] == 10_000 - lost
    assert (summary["gaps"], summary["missing"]) == (1, lost)


def test_single_lost_samples_add_up():
    health = Health(500.0)
    feed(health, np.delete(np.arange(10_000), [2000, 4000, 4001, 6000]) / 500)
    assert (health.n_gaps, health.n_missing) == (3, 4)


@pytest.mark.parametrize("name", ["even", "jitter", "blocks", "slow clock"])
def test_uneven_stamps_are_no_gaps(name):
    stamps = 1e5 + np.arange(20_000) / 500
    if name == "jitter":
        stamps = stamps + np.random.default_rng(0).exponential(0.003, stamps.size)
    elif name == "blocks":  # 20 samples under one stamp
        stamps = np.repeat(stamps[19::20], 20)
    elif name == "slow clock":
        stamps = stamps * 1.0001
    health = Health(500.0)
    feed(health, stamps, chunk=20)
    assert (health.n_gaps, health.n_missing) == (0, 0)


def test_a_stream_that_came_back_is_no_gap():
    health = Health(100.0)
    feed(health, np.arange(500) / 100)
    health.lost(now_s=5.0)
    health.restarted(now_s=99.0)
    feed(health, 99 + np.arange(500) / 100)
    assert health.n_gaps == 0
    assert (health.summary()["stream_losses"], health.summary()["outage_s"]) == (1, 94.0)


def test_ages_are_from_the_stamp_to_the_publishing():
    health = Health(100.0)
    health.published(np.array([1.0, 2.0, 3.0]), now_s=4.0)
    assert health.age_ms(0, 50, 100) == [1000.0, 2000.0, 3000.0]
    assert health.summary()["published"] == 3


def test_silence_is_seen():
    health = Health(100.0)
    assert health.silence_s(50.0) == 0.0  # nothing has come yet
    health.published(np.array([50.0]), now_s=50.0)
    assert health.silence_s(50.9) == 0.0
    assert health.silence_s(52.5) == 2.5


def test_nothing_yet():
    assert Health(100.0).summary()["age_ms_median"] is None


def test_only_the_latest_ages_count():
    health = Health(100.0)
    for _ in range(3):
        health.published(np.zeros(4000), now_s=1.0)
    health.published(np.zeros(5000), now_s=0.002)
    assert health.age_ms(0, 100) == [2.0, 2.0]


def test_what_piled_up_during_the_start_has_no_age():
    health = Health(100.0, since_s=10.0)
    health.published(np.array([9.0, 9.9, 10.0, 10.1]), now_s=10.5)
    assert health.n_published == 4
    np.testing.assert_allclose(health.age_ms(0, 100), [400.0, 500.0])
