import logging
import os
import subprocess
import sys

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


@pytest.mark.parametrize("own", ["", "[lab]\nSessionID = mine\n", "[log]\nlevel = 0\n"])
def test_liblsl_is_quiet_unless_the_user_wants_its_notes(tmp_path, own):
    """In a process of its own, with a configuration of the user's in the folder."""
    if own:
        (tmp_path / "lsl_api.cfg").write_text(own)
    code = (
        "from convdip.terminal import quiet_lsl; quiet_lsl(); import pylsl;"
        "outlet = pylsl.StreamOutlet(pylsl.StreamInfo('x', 'x', 1, source_id='x'));"
        "print(outlet.get_info().session_id())"
    )
    env = {key: value for key, value in os.environ.items() if key != "LSLAPICFG"}
    env["HOME"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert ("INFO" in done.stderr) == ("level = 0" in own)
    assert done.stdout.strip() == ("mine" if "SessionID" in own else "default")
