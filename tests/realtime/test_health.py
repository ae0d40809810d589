import numpy as np

from realtime.health import Health


def test_counts_gaps_and_ages():
    health = Health(100.0)
    stamps = np.arange(50) / 100
    health.received(stamps)
    health.published(stamps, now_s=0.5)
    after = stamps[-1] + 0.31 + np.arange(10) / 100  # 30 samples are missing
    health.received(after)
    health.published(after, now_s=after[-1] + 0.002)
    summary = health.summary()
    assert (summary["received"], summary["published"]) == (60, 60)
    assert (summary["gaps"], summary["missing"]) == (1, 30)
    assert 2 <= summary["age_ms_median"] <= 500


def test_jitter_is_no_gap():
    health = Health(500.0)
    rng = np.random.default_rng(0)
    health.received(np.sort(np.arange(1000) / 500 + rng.uniform(0, 0.02, 1000)))
    assert health.summary()["gaps"] == 0


def test_a_stream_that_came_back_is_no_gap():
    health = Health(100.0)
    health.received(np.array([1.0, 1.01]))
    health.restarted(250.0)
    health.received(np.array([99.0, 99.004]))
    assert health.summary()["gaps"] == 0


def test_nothing_yet():
    assert Health(100.0).summary()["age_ms_median"] is None


def test_only_the_latest_ages_count():
    health = Health(100.0)
    for _ in range(3):
        health.published(np.zeros(4000), now_s=1.0)
    health.published(np.zeros(5000), now_s=0.002)
    assert health.age_ms(0, 100) == [2.0, 2.0]
