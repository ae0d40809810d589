"""Text from outside: one bounded line that steers nothing, wherever it is shown or published."""

import logging
import re
import unicodedata

import pytest
from convdip.terminal import FlagsFormatter, in_a_line, status_printer
from convdip.text import MOST_CHARACTERS, MOST_IN_A_LINE, decoded, listed, one_line, shown
from hypothesis import given
from hypothesis import strategies as st

ANY = st.text(st.characters(codec=None), max_size=300)  # lone surrogates, too
# What a screen, a log or a reader of either might take for more than a character.
WICKED = (
    "\x00\x07\x08\t\n\v\f\r\x1b\x7f\x85\x9b\u200b\u200e\u200f\u2028\u2029\u202e\u2066\u2069\ufeff"
)


def is_harmless(text: str) -> bool:
    """Whether each character is seen where it stands."""
    return not any(
        unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in text
    )


@given(ANY | st.text(WICKED))
def test_any_text_becomes_one_short_line_that_can_be_seen(text):
    for show in (shown, one_line):
        line = show(text)
        assert len(line) <= MOST_CHARACTERS
        assert is_harmless(line)
        assert show(line) == line
        line.encode()


@given(st.text(WICKED + "Fp1", min_size=1, max_size=8), st.text(WICKED + "Fp1", max_size=8))
def test_other_text_is_shown_otherwise(one, other):
    """As in Python: what was there can be told, and no two things are shown as one."""
    assert (shown(one) == shown(other)) == (one == other)
    assert shown(one).encode().decode("unicode_escape") == one


@pytest.mark.parametrize("text", ["Fp1", "EEG Fp1-REF [µV]", "Übung «é»", "日本語", "a  b", ""])
def test_what_can_be_seen_stays_as_it_is(text):
    assert shown(text) == text


@given(st.binary(max_size=40))
def test_any_bytes_are_text(raw):
    text = decoded(raw)
    assert text.encode() == raw or text.encode("latin-1") == raw


def test_many_names_are_counted():
    assert listed([f"E{i}" for i in range(1000)], most=2) == "E0, E1 and 998 more"
    assert listed(["a\n", "b"]) == "a\\n, b"


@given(ANY | st.text(WICKED))
def test_no_name_forges_a_log_line(name):
    """Whatever slipped through, in an argument or in an exception."""
    formatter = FlagsFormatter("%(levelname)s %(message)s")
    record = logging.LogRecord("x", logging.INFO, "", 0, "input %s is back", (name,), None)
    line = formatter.format(record)
    assert line.startswith("INFO input ")
    assert is_harmless(line)
    assert len(line) <= MOST_IN_A_LINE + len("INFO ")


def test_no_exception_forges_a_line_either():
    formatter = FlagsFormatter("%(levelname)s %(message)s")
    try:
        raise ValueError("Amp\nERROR all is lost\x1b[2J")
    except ValueError as error:
        told = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", (), told)
    lines = formatter.format(record).split("\n")
    assert lines[0] == "ERROR failed"
    assert all(map(is_harmless, lines))
    assert "Traceback" in lines[1]


@given(ANY | st.text(WICKED))
def test_an_error_and_the_status_are_one_line(name):
    assert is_harmless(in_a_line(ValueError(f"no stream {name}")))


def test_the_status_steers_no_terminal(capsys):
    status_printer()("input Amp\x1b[2J\nERROR")
    assert capsys.readouterr().err == "input Amp\\x1b[2J\\nERROR\n"


def test_a_line_of_thousands_of_names_is_cut():
    line = in_a_line(", ".join(f"E{i}" for i in range(100_000)))
    assert re.fullmatch(r"E0, E1, .*…", line)
    assert len(line) == MOST_IN_A_LINE
