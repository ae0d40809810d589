"""What features are at rest, and where a value lies among them."""

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.feedback.rest import Rest, n_rest


def test_it_is_the_distance_from_the_middle_in_standard_deviations():
    rng = np.random.default_rng(0)
    rest = Rest(["log", "linear"], 20_000)
    power, moment = (
        np.exp(2 + 0.5 * rng.standard_normal(20_000)),
        -3 + 2 * rng.standard_normal(20_000),
    )
    for rows in np.array_split(np.column_stack([power, moment]), 77):
        assert not rest.is_complete
        assert np.isnan(rest.z(rows)).all()
        rest.add(rows)
    assert rest.is_complete
    z = rest.z(np.array([[np.exp(2.0), -3.0], [np.exp(2.5), -1.0], [np.exp(1.0), -7.0]]))
    np.testing.assert_allclose(z, [[0, 0], [1, 1], [-2, -2]], atol=0.05)


def test_what_happens_now_and_then_changes_little():
    rng = np.random.default_rng(1)
    calm = np.exp(rng.standard_normal((1000, 1)))
    burst = calm.copy()
    burst[::10] *= 1e6
    calm_rest, burst_rest = Rest(["log"], 1000), Rest(["log"], 1000)
    calm_rest.add(calm)
    burst_rest.add(burst)
    assert abs(burst_rest.median - calm_rest.median) < 0.2
    assert abs(burst_rest.spread / calm_rest.spread - 1) < 0.25


def test_rows_without_a_value_do_not_count():
    rest = Rest(["log"], 10)
    rest.add(np.full((50, 1), np.nan))
    states = [rest.is_complete]
    rest.add(np.ones((10, 1)))
    assert [*states, rest.is_complete] == [False, True]
    # It stays what it was.
    rest.add(np.full((100, 1), 7.0))
    assert rest.median == 0


def test_a_baseline_without_spread_gives_no_nan():
    rest = Rest(["log"], 10)
    rest.add(np.ones((10, 1)))
    assert np.isfinite(rest.z(np.array([[1.0], [0.0], [2.0]]))).all()


def test_a_short_one_is_refused():
    assert n_rest(60, 500) == 30_000
    with pytest.raises(ConfigError, match="or more of EEG at rest"):
        n_rest(1, 500)


def test_what_was_kept_is_taken_up(tmp_path):
    rest, path = Rest(["log", "linear"], 50), tmp_path / "rest.json"
    rest.add(np.abs(np.random.default_rng(2).standard_normal((50, 2))) + 1)
    rest.save(path, "alpha of cuneus")
    again = Rest(["log", "linear"], 50)
    again.load(path, "alpha of cuneus")
    some = np.array([[2.0, 3.0]])
    np.testing.assert_allclose(again.z(some), rest.z(some))
    assert again.is_complete
    with pytest.raises(ConfigError, match="is of alpha of cuneus: expected beta"):
        Rest(["log", "linear"], 50).load(path, "beta of cuneus")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        "null",
        '{"of": "a", "median": "x", "spread": [1, 2]}',
        '{"of": "a", "median": [1], "spread": [1]}',
        '{"of": "a", "median": [1, NaN], "spread": [1, 2]}',
        '{"of": "a", "median": [1, 2], "spread": [1, 0]}',
        '{"of": "a", "median": [1, 2], "spread": {"b": 1}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path, text):
    path = tmp_path / "rest.json"
    path.write_text(text)
    rest = Rest(["log", "linear"], 50)
    with pytest.raises(ConfigError, match="baseline"):
        rest.load(path, "a")
    assert not rest.is_complete
    with pytest.raises(ConfigError, match="cannot be read"):
        rest.load(tmp_path, "a")


def test_without_a_number_it_goes_on_until_it_is_finished():
    rng = np.random.default_rng(4)
    values = np.exp(rng.standard_normal((700, 1)))
    rest, same = Rest(["log"]), Rest(["log"], 700)
    for rows in np.array_split(values, 9):
        rest.add(rows)
    assert (rest.n_seen, rest.is_complete) == (700, False)
    rest.finish()
    same.add(values)
    np.testing.assert_array_equal(rest.z(values), same.z(values))


@pytest.mark.parametrize("share", [1 / 200, 1 / 2000])
def test_it_follows_with_its_time_constant(share):
    """Of Gaussian numbers, the middle is 63 % of the way after it, and the spread comes along."""
    rng, n = np.random.default_rng(5), round(1 / share)
    rest = Rest(["linear"], 4000)
    rest.add(rng.standard_normal((4000, 1)))
    far = 0.8 + 1.5 * rng.standard_normal((8 * n, 1))
    rest.follow(far[:n], share)
    assert rest.median[0] == pytest.approx(0.8 * (1 - np.exp(-1)), abs=0.25)
    rest.follow(far[n:], share)
    assert rest.median[0] == pytest.approx(0.8, abs=0.35)
    assert rest.spread[0] == pytest.approx(1.5, rel=0.2)
    before = rest.median.copy()
    rest.follow(np.full((100, 1), np.nan), share)
    assert rest.median == before


def test_one_value_moves_it_little_however_large():
    rest = Rest(["linear"], 4000)
    rest.add(np.random.default_rng(6).standard_normal((4000, 1)))
    before = rest.median[0]
    rest.follow(np.full((1, 1), 1e12), 1 / 500)
    assert 0 < rest.median[0] - before < 0.01
