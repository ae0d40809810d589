"""Programs of others as clients and senders, each in a process of its own: two liblsl clash."""

import os
import re
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pylsl
import pytest
import pyxdf
from convdip import Imager
from convdip.errors import MontageError
from convdip.live.frames import frames
from convdip.live.sender import resolve
from convdip.streams import Event, EventMessage, read_eeg

PROGRAMS = Path(__file__).parent / "programs"
UV = Path(sys.executable).with_name("uv")
PUBLISHED = ("Sources", "ROI", "Quality")
RATE_HZ = 80.0
# Each sample is imaged by itself, so that rows tell which samples were sent.
PLAIN: Any = {"provider": "cpu", "precision": "fp32"}
AS_IT_IS: Any = {"filter": False, "keep": True, "wait_s": 60, **PLAIN}


@pytest.fixture
def start():
    """Start a program; what still runs ends with the test."""
    started = []

    def begin(*command):
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Older releases of pylsl bring no liblsl.
            env={**os.environ, "PYLSL_LIB": str(Path(pylsl.__file__).parent / "lib/liblsl.so")},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    """Run one of the programs beside these tests until it has ended."""

    def run_it(name, *arguments):
        process = start(sys.executable, PROGRAMS / name, *arguments)
        said = process.communicate(timeout=400)
        assert process.returncode == 0, said

    return run_it


@pytest.fixture
def start_apart(start):
    """Start one of them in an environment of its own, which its head names.

    uv makes it once and keeps it; where there is neither that nor a package index, the test is
    skipped.
    """

    def begin(name, *arguments):
        for how in (["--offline"], []):
            command = [UV, "sync", *how, "--quiet", "--script", PROGRAMS / name]
            made = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
            if made.returncode == 0:
                find = [UV, "python", "find", "--script", PROGRAMS / name]
                python = subprocess.check_output(find, text=True).strip()
                return start(python, PROGRAMS / name, *arguments)
        pytest.skip(f"no environment for {name}: {' '.join(made.stderr.split())}")

    return begin


def the_same(lab, which, got):
    """Check what another client has of a stream: names, units, rate, values and stamps."""
    lab.catch_up()
    rows, stamps = lab.got(which)
    described = lab.described(which)
    assert tuple(got["names"]) == described.labels
    assert tuple(got["units"]) == described.units
    assert float(got["rate_hz"]) == described.sfreq_hz == (10.0 if which == "Quality" else RATE_HZ)
    places = np.searchsorted(stamps, got["stamps"])
    assert len(places) >= 10
    np.testing.assert_array_equal(np.diff(places), 1)  # none is lost
    np.testing.assert_array_equal(got["stamps"], stamps[places])
    np.testing.assert_array_equal(got["values"], rows[places])


def places_of(values, rows):
    """Return where a block of values is in rows: maybe several times, since the EEG repeats."""
    ends = np.flatnonzero((rows == values[-1]).all(axis=1)) + 1
    firsts = ends[ends >= len(values)] - len(values)
    found = [n for n in firsts if np.array_equal(rows[n : n + len(values)], values, equal_nan=True)]
    assert found, "none is there"
    return found


def test_mne_lsl_reads_all_streams(lab, run, tmp_path):
    names = [f"{lab.name}-{which}" for which in PUBLISHED]
    run("mne_lsl_client.py", tmp_path, *names)
    for which, name in zip(PUBLISHED, names, strict=True):
        with np.load(tmp_path / f"{name}.npz") as got:
            the_same(lab, which, got)


@pytest.mark.parametrize("which", PUBLISHED)
def test_the_calls_of_the_examples_of_pylsl_read_each_stream(lab, run, tmp_path, which):
    run("pylsl_client.py", tmp_path / "got.npz", f"{lab.name}-{which}")
    with np.load(tmp_path / "got.npz") as got:
        the_same(lab, which, got)


def test_mne_realtime_reads_regions(lab, run, tmp_path):
    source_id, n_channels = f"convdip-{lab.name}-roi", len(lab.described("ROI").labels)
    run("mne_realtime_client.py", tmp_path / "got.npz", source_id, n_channels, RATE_HZ)
    with np.load(tmp_path / "got.npz") as got:  # it tells no stamps
        assert got["values"].shape == (100, n_channels)
        lab.catch_up()
        places_of(got["values"], lab.got("ROI")[0])


def test_timeflux_reads_regions(lab, start_apart, tmp_path):
    name = f"{lab.name}-ROI"
    reading = start_apart(
        "timeflux_nodes.py", tmp_path / "got.npz", name, f"{lab.name}Echo", RATE_HZ
    )
    assert reading.stdout.readline() == "read\n", reading.stderr.read()
    lab.catch_up()
    rows, stamps = lab.got("ROI")
    with np.load(tmp_path / "got.npz") as got:
        assert tuple(got["names"]) == lab.described("ROI").labels
        assert float(got["rate_hz"]) == RATE_HZ
        # It counts in seconds since 1970, and always evens them out.
        seconds = got["stamps"] - (time.time() - pylsl.local_clock())
        assert any(
            np.abs(seconds - stamps[n : n + len(seconds)]).max() < 0.1
            for n in places_of(got["values"], rows)
        )


def test_an_example_of_pylsl_hears_the_events(lab, start):
    """As it stands: it prints what the first stream of markers says."""
    if len(pylsl.resolve_byprop("type", "Markers", minimum=2, timeout=1.0)) > 1:
        pytest.skip("another stream of markers is there, and it takes the first")
    hearing = start(sys.executable, "-u", "-m", "pylsl.examples.ReceiveStringMarkers")
    assert "looking" in hearing.stdout.readline()
    lab.is_unplugged = True
    try:
        for line in hearing.stdout:  # on a busy computer, other events may come before
            text, stamp = re.fullmatch(r"got (.*) at time ([\d.]+)\n", line).groups()
            heard = EventMessage.from_json(text)
            if heard.event == Event.BAD:  # at once, or when it is said again
                break
    finally:
        lab.is_unplugged = False
    assert heard.facts["electrode"] == "C3"

    def same():  # the same may have been said before
        markers, stamps = lab.got("Events")
        return (markers[:, 0] == text) & (np.abs(stamps - float(stamp)) < 1e-6)

    lab.wait_for(lambda: same().any())


def test_lab_recorder_and_pyxdf_keep_what_is_published(lab, start_apart, tmp_path):
    """Names, units, places, stamps and values are in the file as they are in the streams."""
    names = [f"{lab.name}-{which}" for which in ("Sources", "Quality", "Events")]
    recorder = start_apart("lab_recorder.py", tmp_path / "session.xdf", *names)
    assert recorder.stdout.readline() == "recording\n", recorder.stderr.read()
    lab.unplug()
    recorder.communicate(timeout=60)
    assert recorder.returncode == 0
    lab.catch_up()

    path = str(tmp_path / "session.xdf")
    as_sent, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    usual, _ = pyxdf.load_xdf(path)
    for stream, evened in zip(as_sent, usual, strict=True):
        which = stream["info"]["name"][0].removeprefix(f"{lab.name}-")
        rows, stamps = lab.got(which)
        if which == "Events":
            heard = list(zip(stream["time_stamps"], np.ravel(stream["time_series"]), strict=True))
            assert set(heard) <= set(zip(stamps, rows[:, 0], strict=True))
            assert Event.BAD in [EventMessage.from_json(text).event for _, text in heard]
            continue
        places = np.searchsorted(stamps, stream["time_stamps"])
        np.testing.assert_array_equal(stream["time_stamps"], stamps[places])
        np.testing.assert_array_equal(stream["time_series"], rows[places])
        np.testing.assert_array_equal(np.diff(places), 1)
        if which == "Sources":  # stamped evenly, so that evening them out changes nothing
            np.testing.assert_allclose(evened["time_stamps"], stamps[places], rtol=0, atol=1e-3)
        described = lab.described(which)
        channels = stream["info"]["desc"][0]["channels"][0]["channel"]
        assert tuple(channel["label"][0] for channel in channels) == described.labels
        assert tuple(channel["unit"][0] for channel in channels) == described.units
        assert float(stream["info"]["nominal_srate"][0]) == described.sfreq_hz
    assert len(as_sent) == 3


@pytest.fixture
def eeg_file(lab, tmp_path):
    """The laboratory's EEG, for senders."""
    path = tmp_path / "eeg.npz"
    np.savez(path, labels=lab.labels, rate_hz=RATE_HZ, volts=lab.eeg_uv * 1e-6)
    return path


def are_imaged(lab, name, unit=None):
    """Check that a stream of the laboratory's EEG is imaged as the offline imager does."""
    stream = islice(frames(input=name, unit=unit, **AS_IT_IS), 60)
    imaged = np.concatenate([frame.moments_nam for frame in stream])
    expected = Imager(lab.labels, "microvolts", **PLAIN)(lab.eeg_uv).moments_nam
    place = int(np.abs(expected - imaged[0]).max(axis=1).argmin())
    there = (place + np.arange(len(imaged))) % len(expected)
    assert len(there) >= 60
    np.testing.assert_allclose(imaged, expected[there], rtol=1e-4, atol=1e-4)
    assert 0.1 < np.abs(expected[there]).max() < 1000


def test_what_the_player_of_mne_lsl_sends_is_imaged(lab, start, eeg_file):
    """It sends volts, float64, tells units by their power of ten, and sends its triggers along."""
    name = f"{lab.name}Player"
    start(sys.executable, PROGRAMS / "mne_lsl_player.py", eeg_file, name)
    found = resolve(name, 60.0, settle_s=0.0)
    described = read_eeg(pylsl.StreamInlet(found, recover=False).info(timeout=60))
    assert described.sample_format == "double64"
    assert set(described.units) == {"0"}
    assert described.types[-1].lower() == "stim"
    are_imaged(lab, name)


def test_what_the_calls_of_an_example_of_pylsl_send_is_imaged(lab, start, eeg_file):
    start(sys.executable, PROGRAMS / "pylsl_sender.py", eeg_file, f"{lab.name}Advanced")
    are_imaged(lab, f"{lab.name}Advanced")


def test_what_an_example_of_pylsl_sends_is_understood_and_refused(lab, start):
    """As it stands: ten electrodes, which bear no image."""
    name = f"{lab.name}Ten"
    start(sys.executable, "-m", "pylsl.examples.SendDataAdvanced", "--name", name)
    found = resolve(name, 60.0, settle_s=0.0)
    described = read_eeg(pylsl.StreamInlet(found, recover=False).info(timeout=60))
    assert described.labels[:3] == ("Fp1", "Fp2", "C3")
    assert described.places_m[0] == pytest.approx((-0.0307, 0.0949, -0.0047))
    with pytest.raises(MontageError, match="10 electrodes of known places"):
        next(frames(input=name, **AS_IT_IS))


def test_what_timeflux_sends_is_imaged_once_its_unit_is_said(lab, start_apart, tmp_path):
    """Its node writes labels and no units, and stamps in seconds since 1970."""
    name = f"{lab.name}Relay"
    relay = start_apart("timeflux_nodes.py", tmp_path / "got.npz", lab.name, name, RATE_HZ)
    assert relay.stdout.readline() == "read\n", relay.stderr.read()
    with pytest.raises(MontageError, match="unit"):
        next(frames(input=name, **AS_IT_IS))
    are_imaged(lab, name, unit="microvolts")
