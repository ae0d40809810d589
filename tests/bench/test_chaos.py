"""A short chaos: the kinds of faults that tell most, in a minute."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos"
KINDS = ("bad_values", "bad_stamps", "killed", "gaps", "frozen", "changed", "twin", "junk")


@pytest.mark.long
@pytest.mark.alone
def test_every_row_is_right_and_every_sample_is_accounted_for():
    done = subprocess.run(
        [sys.executable, CHAOS, "--minutes", "0.4", "--seed", "2", "--json", "--only", *KINDS],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.stdout, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == [], done.stderr
    assert done.returncode == 0
    assert found["equal"] == found["valid"] > 500
    assert (found["different"], found["of_others"], found["unaccounted"]) == (0, 0, 0)
    assert sum(found["faults"].values()) >= 4
