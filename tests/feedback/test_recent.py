"""The mean of the last numbers is that of the last numbers."""

import numpy as np
import pytest
from convdip.feedback.recent import Recent
from hypothesis import given
from hypothesis import strategies as st

NUMBER = st.floats(0, 1) | st.just(float("nan"))


@given(st.lists(NUMBER, max_size=60), st.integers(1, 9))
def test_it_is_the_mean_since_the_last_one_that_is_none(numbers, n):
    recent = Recent(n)
    for i, number in enumerate(numbers):
        found, held = recent(number), []
        for one in numbers[: i + 1]:
            held = [*held, one] if np.isfinite(one) else []
        if held:
            assert found == pytest.approx(np.mean(held[-n:]), abs=1e-12)
        else:
            assert np.isnan(found)
