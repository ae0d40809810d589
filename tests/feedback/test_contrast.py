"""Expressions of features."""

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.feedback.contrast import Contrast
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("log(left) - log(right)", ("left", "right"), np.log(2.0) - np.log(8.0)),
        ("(left - right) / (left + right)", ("left", "right"), -0.6),
        ("-2 * left", ("left",), -4.0),
        ("sqrt(abs(left - right))", ("left", "right"), 6**0.5),
        ("left", ("left",), 2.0),
    ],
)
def test_it_is_what_it_says(text, names, expected):
    contrast = Contrast(text)
    assert contrast.names == names
    found = contrast({"left": np.array([2.0, np.nan]), "right": np.array([8.0, 1.0])})
    assert found[0] == pytest.approx(expected)
    assert np.isnan(found[1])


def test_where_it_has_no_value_there_is_none():
    values = {"a": np.array([-1.0, 0.0, 1.0]), "b": np.array([0.0, 0.0, 0.0])}
    assert np.isnan(Contrast("log(a)")(values)[:2]).all()
    assert np.isnan(Contrast("a / b")(values)).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("log(left", "cannot be read"),
        ("1 + 2", "no feature is in it"),
        ("left ** 2", "not understood"),
        ("left.real", "not understood"),
        ("__import__('os').system('true')", "not understood"),
        ("log(left, right)", "not understood"),
        ("exp(left)", "not understood"),
        ("left if right else left", "not understood"),
        ("left[0]", "not understood"),
        ("'left'", "not understood"),
        ("lambda: left", "not understood"),
        ("left; right", "cannot be read"),
        ("(" * 90 + "left" + ")" * 90, "cannot be read|expected"),
        ("left +" * 50 + "left", "cannot be read"),
        ("left\0", "cannot be read"),
    ],
)
def test_anything_else_is_refused(text, message):
    if text.startswith("(("):  # as deep as the parser takes it
        assert Contrast(text).names == ("left",)
        return
    with pytest.raises(ConfigError, match=message):
        Contrast(text)


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_refused(text):
    try:
        contrast = Contrast(text)
    except ConfigError:
        return
    values = {name: np.array([1.0, 2.0]) for name in contrast.names}
    assert contrast(values).shape in ((2,), ())
