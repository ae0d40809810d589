"""One value for a participant: from 0 to 1, and whether it counts as success."""

import math

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.feedback.value import Feeder


def run(feeder, zs, every_s=0.01):
    return [feeder(z, i * every_s) for i, z in enumerate(zs)]


@pytest.mark.parametrize(("z", "value"), [(0, 0.5), (1, 0.841), (-1, 0.159), (40, 1), (-40, 0)])
def test_it_is_the_share_of_the_baseline_below(z, value):
    assert Feeder("up")(z, 0).value == pytest.approx(value, abs=1e-3)
    assert Feeder("down")(z, 0).value == pytest.approx(1 - value, abs=1e-3)


def test_success_takes_a_while_and_does_not_flicker():
    feeder = Feeder("up", 0.8)  # z = 0.84
    brief = run(feeder, [2.0] * 5 + [0.0] * 5)
    assert not any(fed.is_above for fed in brief)
    held = run(Feeder("up", 0.8), [2.0] * 20)
    assert [fed.is_above for fed in held] == [False] * 10 + [True] * 10
    # Once there, a little below the threshold is no failure: 0.78 and 0.80, then 0.7.
    fed = run(Feeder("up", 0.8), [2.0] * 20 + [0.77, 0.85] * 20 + [0.5])
    assert all(one.is_above for one in fed[10:-1])
    assert not fed[-1].is_above


def test_without_a_number_there_is_neither_value_nor_success():
    feeder = Feeder("up", 0.8)
    run(feeder, [2.0] * 20)
    lost = feeder(math.nan, 1.0)
    assert math.isnan(lost.value)
    assert not lost.is_above
    assert not feeder(2.0, 1.01).is_above  # it has to be held anew


@pytest.mark.parametrize("threshold", [0, -1, 0.05, 1, 2, math.nan])
def test_a_threshold_that_cannot_be_is_refused(threshold):
    with pytest.raises(ConfigError, match="`threshold`"):
        Feeder("up", threshold)


@pytest.mark.parametrize("rate", [0.3, 0.7])
def test_a_threshold_that_follows_is_reached_as_often_as_it_should(rate):
    rng = np.random.default_rng(0)
    feeder = Feeder("up", 0.8, rate)
    values = [feeder(z, i * 0.05).value for i, z in enumerate(rng.standard_normal(8000))]
    assert np.mean(np.array(values[4000:]) >= feeder.threshold) == pytest.approx(rate, abs=0.05)
    assert feeder.threshold == pytest.approx(1 - rate, abs=0.07)
    # It keeps away from the ends, whatever happens, and stands still while there is no value.
    stuck = Feeder("up", 0.8, rate)
    run(stuck, [50.0] * 20_000, 0.05)
    assert 0.5 < stuck.threshold < 1
    before = stuck.threshold
    run(stuck, [math.nan] * 100)
    assert stuck.threshold == before


@pytest.mark.parametrize("rate", [0, 1, -0.1, math.nan])
def test_a_rate_that_cannot_be_is_refused(rate):
    with pytest.raises(ConfigError, match="`success_rate`"):
        Feeder("up", 0.8, rate)
