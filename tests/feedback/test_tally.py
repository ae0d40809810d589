"""What is counted of a block."""

import numpy as np
import pytest
from convdip.feedback.features import Suspended
from convdip.feedback.tally import Moments, Tally
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=50))
def test_mean_and_spread_are_those_of_all_numbers_at_once(numbers):
    moments = Moments()
    for number in numbers:
        moments.add(number)
    there = np.array([number for number in numbers if np.isfinite(number)])
    assert moments.n == len(there)
    said = moments.described()
    if said is None:
        assert not len(there)
        return
    assert said["mean"] == pytest.approx(there.mean(), rel=1e-6, abs=1e-3)
    assert said["sd"] == pytest.approx(there.std(), rel=1e-6, abs=1e-2)


def test_a_blinded_report_does_not_say_what_was_measured():
    tally = Tally(2, 10.0, 10.0)
    tally.add(10.0, 1.5, 0.9, Suspended.NOT, is_above=True)
    tally.add(10.1, float("nan"), float("nan"), Suspended.ARTEFACT, is_above=False)
    tally.add(10.2, 0.5, 0.7, Suspended.NOT, is_above=False)
    open_, blinded = tally.described(is_blinded=False), tally.described(is_blinded=True)
    assert open_["z"]["mean"] == 1.0
    assert "z" not in blinded
    assert {key: open_[key] for key in blinded} == blinded
    assert blinded["samples"] == 3
    assert blinded["with_feedback"] == pytest.approx(2 / 3, abs=1e-4)
    assert blinded["success"] == 0.5
    assert blinded["feedback"]["mean"] == pytest.approx(0.8)
    assert blinded["without_feedback"] == {"eyes or muscle": pytest.approx(1 / 3, abs=1e-4)}
    assert (blinded["first_stamp"], blinded["last_stamp"]) == (10.0, 10.2)
