"""The programs of examples/, run as a user would, beside a real amplifier and service."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
# 12.345 s   precentral-lh   6.7 nAm
LINE = re.compile(r"[\w]+-[lr]h +-?\d+\.\d+ nAm")


def example(name: str, *arguments: str) -> str:
    """Run an example and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def amplifier(convdip: Callable[..., subprocess.Popen[str]], unique: str) -> str:
    """The name of a simulated EEG stream."""
    convdip("simulate", "--name", unique, "--seconds", 120, "--sfreq-hz", 250)
    return unique


def test_read_sources(
    amplifier: str, convdip: Callable[..., subprocess.Popen[str]], said: Callable[..., str]
) -> None:
    convdip("run", "--input", amplifier, "--name", f"{amplifier}Lab")
    said(1, "output")
    printed = example("read_sources.py", f"{amplifier}Lab", "--seconds", "3").splitlines()
    lines = [line for line in printed if LINE.search(line)]
    assert len(lines) > 10
    ages_ms = [float(line.split()[-3]) for line in lines]
    assert 0 < sorted(ages_ms)[len(ages_ms) // 2] < 200


def test_read_sources_without_a_service_says_so(unique: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "read_sources.py"), unique],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == f"no stream {unique}-Sources: is the service running?"


def test_embed_frames(amplifier: str) -> None:
    printed = example("embed.py", amplifier, "--frames", "50").splitlines()
    assert len(printed) == 50
    assert all(LINE.search(line) for line in printed)
    stamps = [float(line.split()[0]) for line in printed]
    assert stamps == sorted(stamps)


def test_embed_publishing(amplifier: str) -> None:
    printed = example("embed.py", amplifier, "--publish", "--seconds", "3").splitlines()
    assert re.fullmatch(r"\d+ samples published", printed[-1])
    assert int(printed[-1].split()[0]) > 250
    assert sum(bool(LINE.search(line)) for line in printed) > 100


def test_offline_simulated() -> None:
    printed = example("offline.py").splitlines()
    assert len(printed) == 22  # two seconds before the first source
    assert all(LINE.search(line) for line in printed)


def test_offline_recording(recording: Callable[[str], Path]) -> None:
    printed = example("offline.py", str(recording("eeg/eegmmidb_S001/S001R01.edf"))).splitlines()
    assert printed[0] == "interpolated: FT9, TP9, TP10, FT10"
    assert len(printed) == 1 + 61  # seconds of the recording
    assert all(LINE.search(line) for line in printed[1:])


def test_feedback_bar(
    amplifier: str, convdip: Callable[..., subprocess.Popen[str]], said: Callable[..., str]
) -> None:
    """It is suspended until the baseline is there, and then follows."""
    options = ["--roi", "cuneus,insula", "--baseline", "5", "--band", "8", "12"]
    convdip("run", "--input", amplifier, "--name", f"{amplifier}Lab", *options)
    said(1, "output")
    printed = example("feedback_bar.py", f"{amplifier}Lab", "--seconds", "12").splitlines()
    assert printed[0].startswith("-- suspended")
    bars = [line for line in printed if re.search(r" [01]\.\d\d ?★?$", line.rstrip())]
    assert bars, printed
