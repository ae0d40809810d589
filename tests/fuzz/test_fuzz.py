"""The fuzzer: it sees each way to fail, and the kinds hold in a short run."""

import importlib
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KINDS = ("descriptions", "files", "streams")
N = 150
# A kind of which one attempt fails in some way: the one that draws this number.
OWN = """
TARGET, REFUSED, AT_MOST_S, MEMORY_MB, GROWTH_MB = 200, (ZeroDivisionError,), 1.0, 300.0, 20.0
kept = []
def attempt(rng):
    if rng.random() {when}:
        {then}
    1 / 0
"""
DRAWN = random.Random("6 2").random()
FAILING = {
    "dies": ("import os; os.abort()", "the process died"),
    "hangs": ("import time; time.sleep(60)", "it hangs"),
    "raises": ("int('x')", "ValueError"),
    "allocates": ("bytearray(10**9)", "MemoryError"),
}


@dataclass(frozen=True)
class Seen:
    """How the fuzzer ended, and what it wrote."""

    returncode: int
    stdout: str


@pytest.fixture
def fuzz(tmp_path, monkeypatch, capsys):
    """Run the fuzzer; kinds that a test writes are found beside its own."""
    monkeypatch.syspath_prepend(ROOT)
    main = importlib.import_module("tests.fuzz.__main__").main
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["fuzz", *map(str, arguments)])
        return Seen(main(), capsys.readouterr().out)

    return run


@pytest.fixture
def own_kind(tmp_path):
    """Write a kind."""
    folder = tmp_path / "tests" / "fuzz"
    folder.mkdir(parents=True)

    def write(name, then, when=f"== {DRAWN}"):
        (folder / f"{name}.py").write_text(OWN.format(when=when, then=then))

    return write


def test_each_way_to_fail_is_seen(fuzz, own_kind):
    """And the attempt that failed is named; the others are made all the same."""
    for name, (then, _) in FAILING.items():
        own_kind(name, then)
    own_kind("grows", "kept.append(b'x' * 1_000_000)", "< 1")
    seen = fuzz(*FAILING, "grows", "--seed", 6)
    assert seen.returncode == 1, seen.stdout
    for name, (_, said) in FAILING.items():
        assert f"\n{name} 2: {said}" in seen.stdout
        assert f"\nagain: scripts/fuzz {name} --seed 6 --first 2 --n 1\n" in seen.stdout
        assert row(seen, name)[1:4] == ["200", "0", "199 ZeroDivisionError"]
        assert row(seen, name)[-1] == "1 FAILED"
    assert "\ngrows 199: memory grew by" in seen.stdout


def test_a_failure_is_had_again_by_its_number(fuzz, own_kind):
    own_kind("raises", "int('x')")
    own_kind("takes", "return")
    again = fuzz("raises", "takes", "--seed", 6, "--first", 2, "--n", 1)
    assert again.returncode == 1
    assert "raises 2: ValueError" in again.stdout
    assert row(again, "takes")[1:4] == ["1", "1", "none"]
    other = fuzz("raises", "--seed", 7)
    assert other.returncode == 0, other.stdout
    assert row(other, "raises")[-1] == "held"


def test_hostile_input_is_taken_or_refused(fuzz):
    """A short run of all kinds; the full one, of many times as many, is scripts/fuzz."""
    seen = fuzz(*KINDS, "--n", N)
    assert seen.returncode == 0, seen.stdout
    for kind in KINDS:
        assert (row(seen, kind)[1], row(seen, kind)[-1]) == (str(N), "held")


def row(seen, kind):
    """Return the cells of a kind's row in the table."""
    [line] = [line for line in seen.stdout.splitlines() if line.startswith(f"| {kind} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]
