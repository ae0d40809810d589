import logging

import pytest
from convdip.terminal import FlagsFormatter, in_flags


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("`max_backlog_s` is 9", "--max-backlog-s is 9"),
        ("give `unit='microvolts'`, or", "give --unit microvolts, or"),
        ("a channel 'it`s'", "a channel 'it`s'"),
        ("no settings", "no settings"),
    ],
)
def test_settings_are_flags_on_the_command_line(said, shown):
    assert in_flags(said) == shown


def test_log_lines_name_flags_too():
    record = logging.LogRecord("x", logging.INFO, "", 0, "is `unit` right for %s?", ("Cz",), None)
    assert (
        FlagsFormatter("%(levelname)s %(message)s").format(record) == "INFO is --unit right for Cz?"
    )
