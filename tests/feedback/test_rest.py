"""What features are at rest, and where a value lies among them."""

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.feedback.rest import Rest, n_rest


def test_it_is_the_distance_from_the_middle_in_standard_deviations():
    rng = np.random.default_rng(0)
    rest = Rest(["power", "moment"], 20_000)
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
    calm_rest, burst_rest = Rest(["power"], 1000), Rest(["power"], 1000)
    calm_rest.add(calm)
    burst_rest.add(burst)
    assert abs(burst_rest.median - calm_rest.median) < 0.2
    assert abs(burst_rest.spread / calm_rest.spread - 1) < 0.25


def test_rows_without_a_value_do_not_count():
    rest = Rest(["power"], 10)
    rest.add(np.full((50, 1), np.nan))
    states = [rest.is_complete]
    rest.add(np.ones((10, 1)))
    assert [*states, rest.is_complete] == [False, True]
    # It stays what it was.
    rest.add(np.full((100, 1), 7.0))
    assert rest.median == 0


def test_a_baseline_without_spread_gives_no_nan():
    rest = Rest(["power"], 10)
    rest.add(np.ones((10, 1)))
    assert np.isfinite(rest.z(np.array([[1.0], [0.0], [2.0]]))).all()


def test_a_short_one_is_refused():
    assert n_rest(60, 500) == 30_000
    with pytest.raises(ConfigError, match="or more of EEG at rest"):
        n_rest(1, 500)
