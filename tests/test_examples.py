"""The programs of examples/, run as a user would, beside a real amplifier and service."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mne
import pylsl
import pytest
from convdip.display.app import has_screen

EXAMPLES = Path(__file__).parent.parent / "examples"
# 12.345 s   precentral-lh   6.7 nAm
LINE = re.compile(r"[\w]+-[lr]h +-?\d+\.\d+ nAm")


def example(name: str, *arguments: str) -> str:
    """Run an example and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=400,
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


def test_read_with_mne_lsl(
    amplifier: str, convdip: Callable[..., subprocess.Popen[str]], said: Callable[..., str]
) -> None:
    convdip("run", "--input", amplifier, "--name", f"{amplifier}Lab", "--roi", "cuneus")
    said(1, "output")
    printed = example("read_with_mne_lsl.py", f"{amplifier}Lab", "--seconds", "4").splitlines()
    lines = [line for line in printed if LINE.search(line)]
    assert len(lines) > 8
    ages_ms = [float(line.split()[-3]) for line in lines]
    assert 0 < sorted(ages_ms)[len(ages_ms) // 2] < 200


@pytest.mark.long
@pytest.mark.alone  # of two trials, none may be left out because samples wait for the processor
def test_fists(
    recording: Callable[[str], Path],
    convdip: Callable[..., subprocess.Popen[str]],
    unique: str,
    tmp_path: Path,
) -> None:
    """It learns a right and a left fist, and knows them again when the same recording returns."""
    path = tmp_path / "two_fists_raw.fif"
    raw = mne.io.read_raw_edf(recording("eeg/eegmmidb_S001/S001R03.edf"), verbose="error")
    raw.crop(0, 17).save(path, verbose="error")  # T2 after 4.2 s, T1 after 12.5 s
    options = [f"{unique}Lab", "--markers", f"{unique}-Markers", "--train", "2", "--test", "2"]
    fists = subprocess.Popen(
        [sys.executable, "-u", str(EXAMPLES / "fists.py"), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        replay = convdip("replay", path, "--name", unique)  # waits for the service
        while fists.stdout.readline() != f"waiting for {unique}Lab-Features\n":
            assert fists.poll() is None, fists.stderr.read()
        settings = ["--config", EXAMPLES / "fists.toml", "--input", unique]
        convdip("run", *settings, "--name", f"{unique}Lab")
        assert replay.wait(60) == 0
        assert convdip("replay", path, "--name", unique).wait(60) == 0
        printed, trouble = fists.communicate(timeout=60)
    finally:
        fists.kill()
    assert fists.returncode == 0, trouble
    lines = printed.splitlines()
    assert lines[:4] == [
        "trial  1   right   learned",
        "trial  2   left    learned",
        "trial  1   guess right   was right   1 of 1 right",
        "trial  2   guess left    was left    2 of 2 right",
    ]
    assert lines[4] == "hit rate 1.00 (95 % interval 0.34 to 1.00), AUC 1.00, 0 left out"


@pytest.mark.long
@pytest.mark.skipif(
    importlib.util.find_spec("psychopy") is None,
    reason="PsychoPy is not here: scripts/install dev (Python below 3.13)",
)
@pytest.mark.skipif(not has_screen(), reason="no screen: run under xvfb-run")
def test_psychopy_feedback(
    amplifier: str, convdip: Callable[..., subprocess.Popen[str]], said: Callable[..., str]
) -> None:
    """Its markers begin and end the baseline, after which the circle follows."""
    options = ["--roi", "cuneus,insula", "--rest-markers", "rest_begins", "rest_ends"]
    convdip("run", "--input", amplifier, "--name", f"{amplifier}Lab", "--band", 8, 12, *options)
    said(1, "output")
    options = [f"{amplifier}Lab", "--rest", "8", "--seconds", "6"]
    feedback = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "psychopy_feedback.py"), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        [found] = pylsl.resolve_byprop("name", f"{amplifier}Lab-Protocol", timeout=60)
        markers = pylsl.StreamInlet(found)
        markers.open_stream(timeout=60)
        heard = [markers.pull_sample(timeout=60)[0][0] for _ in range(4)]
        printed, trouble = feedback.communicate(timeout=60)
    finally:
        feedback.kill()
    assert feedback.returncode == 0, trouble
    assert heard == ["rest_begins", "rest_ends", "regulate_begins", "regulate_ends"]
    said(1, "the baseline of the feedback is complete")
    # PsychoPy's own messages come first.
    share = re.search(
        r"^feedback in (\d+)% of the time, above the threshold in \d+%$", printed, re.M
    )
    assert share, printed
    assert int(share[1]) > 20
