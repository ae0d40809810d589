"""How a service ends and begins again, and what those who watch over it are told."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pylsl
import pytest
from convdip import Service
from convdip.attendance import Attendance
from convdip.errors import ConfigError, StreamError
from convdip.live.health import Health
from convdip.live.health_file import HealthFile
from convdip.live.loop.markers import Markers
from convdip.live.loop.worker import Worker
from convdip.live.sender import resolve
from convdip.live.state import State, state_of
from convdip.sources.player import eeg_outlet
from convdip.terminal import ENDINGS, call_on_signal

REPOSITORY = Path(__file__).parents[2]
SFREQ_HZ = 250.0


@pytest.fixture
def amplifier(unique, shipped):
    """Send noise in real time, from a thread, while the test runs."""
    outlet = eeg_outlet(unique, shipped.head.channels, SFREQ_HZ, f"id-{unique}")
    stop, rng = threading.Event(), np.random.default_rng(0)

    def send():
        next_s = pylsl.local_clock()
        while not stop.wait(0.02):
            n = int((pylsl.local_clock() - next_s) * SFREQ_HZ)
            if n > 0:
                stamps = next_s + np.arange(n) / SFREQ_HZ
                next_s += n / SFREQ_HZ
                samples = (rng.standard_normal((n, 31)) * 10).astype(np.float32)
                outlet.push_chunk(samples, stamps.tolist())

    thread = threading.Thread(target=send)
    thread.start()
    yield outlet
    stop.set()
    thread.join()


def until(is_so, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while not (found := is_so()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def events_of(name):
    inlet = pylsl.StreamInlet(resolve(f"{name}-Events", 60.0, settle_s=0.0))
    inlet.open_stream(timeout=60)
    return inlet


def heard(inlet, event, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        said, _ = inlet.pull_sample(timeout=0.1)
        if said and json.loads(said[0])["event"] == event:
            return True
    return False


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a system without SIGHUP")
def test_a_service_outlives_what_it_writes_to_and_ends_in_order_with_its_terminal(
    unique, amplifier, tmp_path
):
    """Standard error's reader leaves, standard output is full; then the terminal is closed."""
    reader, writer = os.pipe()
    health = tmp_path / "health.json"
    command = [sys.executable, "-m", "convdip", "run", "--input", unique, "--name", unique]
    with open("/dev/full", "w") as full:
        service = subprocess.Popen(
            [*command, "--verbose", "--health-file", health], stdout=full, stderr=writer
        )
    os.close(writer)
    os.close(reader)
    try:
        events = events_of(unique)
        sources = pylsl.StreamInlet(resolve(f"{unique}-Sources", 60.0, settle_s=0.0), max_buflen=2)
        assert sources.pull_sample(timeout=60)[0] is not None
        state = until(lambda: (r := json.loads(health.read_text()))["state"] != "waiting" and r)
        assert (state["name"], state["input"], state["pid"]) == (unique, unique, service.pid)
        begun_s = time.monotonic()
        service.send_signal(signal.SIGHUP)
        assert heard(events, "stop")
        assert service.wait(timeout=60) == 0
        assert time.monotonic() - begun_s < 10  # a second where nothing else runs
        assert json.loads(health.read_text())["state"] == "stopped"
    finally:
        service.kill()
        service.wait()


@pytest.mark.parametrize("number", ENDINGS, ids=lambda number: number.name)
def test_every_signal_that_ends_a_program_is_taken(number):
    before = {one: signal.getsignal(one) for one in ENDINGS}
    told = threading.Event()
    try:
        call_on_signal(told.set)
        signal.raise_signal(number)
        assert told.wait(60)
    finally:
        for one, answer in before.items():
            signal.signal(one, answer)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a system without SIGHUP")
def test_a_program_started_to_outlive_its_terminal_does():
    before = {one: signal.getsignal(one) for one in ENDINGS}
    told = threading.Event()
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        call_on_signal(told.set)
        signal.raise_signal(signal.SIGHUP)
        assert not told.is_set()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        for one, answer in before.items():
            signal.signal(one, answer)


def test_the_last_event_reaches_who_listens(unique, amplifier):
    with Service(input=unique, name=unique) as service:
        events = events_of(unique)
        until(lambda: service.health.n_published)
        got = []
        listening = threading.Thread(target=lambda: got.append(heard(events, "stop", 30)))
        listening.start()
    listening.join()
    assert got == [True]


@pytest.mark.usefixtures("amplifier")
def test_a_client_that_recovers_goes_on_after_a_restart(unique):
    """How long that takes is measured by benchmarks/restart.py."""
    others = threading.enumerate()
    with Service(input=unique, name=unique):
        client = pylsl.StreamInlet(resolve(f"{unique}-Sources", 60.0, settle_s=0.0), max_buflen=2)
        until(lambda: client.pull_sample(timeout=1.0)[0])
        before = client.info().desc().child("provenance").child_value("model_sha256")
    again_s = pylsl.local_clock()
    with Service(input=unique, name=unique):
        until(lambda: (client.pull_sample(timeout=1.0)[1] or 0.0) > again_s)
        after = client.info()
        assert after.desc().child("provenance").child_value("model_sha256") == before
        assert after.source_id() == f"convdip-{unique}-sources"
    until(lambda: set(threading.enumerate()) <= {*others})


@pytest.mark.usefixtures("amplifier")
def test_a_second_service_is_refused_while_the_first_goes_on(unique):
    with Service(input=unique, name=unique) as first:
        with pytest.raises(StreamError, match="already exists"):
            Service(input=unique, name=unique).open()
        n = first.health.n_published
        until(lambda: first.health.n_published > n)


@pytest.mark.usefixtures("amplifier")
def test_what_fails_in_the_loop_takes_the_streams_with_it(unique):
    """Nobody waits for the service: its outlets are gone all the same, not up without data."""
    began = threading.Event()

    def fail(frame):
        began.set()
        raise ZeroDivisionError

    service = Service(input=unique, name=unique, on_frame=fail)
    service.__enter__()
    assert began.wait(60)
    until(lambda: not service._thread.is_alive())
    with pytest.raises(StreamError, match="no stream named"):
        resolve(f"{unique}-Events", 1.0)
    with pytest.raises(ZeroDivisionError):
        service.wait()


def test_a_thread_that_fails_is_heard_of():
    def fail():
        raise MemoryError("no more")

    worker = Worker(fail, "test")
    worker.join(60)
    with pytest.raises(MemoryError, match="no more"):
        worker.check()
    worker = Worker(lambda: None, "test")
    worker.join(60)
    worker.check()


def test_markers_whose_thread_failed_are_not_waited_for_in_silence(unique, monkeypatch):
    """A real failure: LSL has no more resolvers to give."""
    monkeypatch.setattr(pylsl, "ContinuousResolver", None)
    markers = Markers(but=unique)
    with pytest.raises(TypeError):
        until(lambda: markers.heard() and False, 10)
    markers.close()


def test_systemd_is_told_by_the_loop(unique, tmp_path, monkeypatch, shipped):
    path = f"\0convdip-{unique}" if sys.platform == "linux" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", path.replace("\0", "@"))
        said = []
        outlet = eeg_outlet(unique, shipped.head.channels, SFREQ_HZ, f"id-{unique}")
        with Attendance(unique, None, said.append) as attendance:
            service = Service(input=unique, name=unique, on_status=attendance)
            assert systemd.recv(1000) == b"STATUS=looking for the input"
            with service:
                attendance.is_ready(service.input_name)
                assert outlet.wait_for_consumers(60)
                messages = [systemd.recv(1000).decode() for _ in range(3)]
        assert "READY=1" in messages
        beats = [message for message in messages if message.startswith("WATCHDOG=1\nSTATUS=")]
        assert len(beats) == 2
        while (last := systemd.recv(1000).decode()).startswith("WATCHDOG"):
            pass
        assert last == "STOPPING=1\nSTATUS=stopped"


def test_without_a_supervisor_nothing_is_told(monkeypatch, tmp_path):
    for address in ("", str(tmp_path / "gone"), "@gone", "x" * 500):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        with Attendance("Lab", None, lambda line: None):
            pass


def test_the_unit_is_one_that_systemd_would_take():
    unit = (REPOSITORY / "examples" / "convdip.service").read_text()
    assert "Type=notify" in unit
    (seconds,) = re.findall(r"^WatchdogSec=(\d+)$", unit, re.M)
    assert int(seconds) > 15  # opening a stream that hangs takes so long
    if shutil.which("systemd-analyze"):
        command = ["systemd-analyze", "verify", str(REPOSITORY / "examples" / "convdip.service")]
        said = subprocess.run(command, capture_output=True, text=True).stderr
        assert "Unknown" not in said


def test_the_state_is_the_worst_that_holds():
    health = Health(SFREQ_HZ, 100.0)
    assert state_of(health, 100.5) == State.READY
    assert state_of(health, 102.0) == State.STALLED
    health.is_over = True
    assert state_of(health, 100.5) == State.OVERLOAD
    health.lost(100.6)
    assert state_of(health, 100.7) == State.LOST
    health.restarted(101.0)
    assert state_of(health, 101.1) == State.OVERLOAD


def test_the_health_file_is_always_whole(tmp_path):
    path = tmp_path / "health.json"
    file = HealthFile(path, "Lab")
    stop = threading.Event()

    def write():
        while not stop.is_set():
            file.report(Health(SFREQ_HZ, pylsl.local_clock()), pylsl.local_clock())

    writing = threading.Thread(target=write)
    writing.start()
    until(path.exists)
    states = {json.loads(path.read_text())["state"] for _ in range(300)}
    stop.set()
    writing.join()
    file.close()
    assert states <= {"waiting", "ready"}
    assert json.loads(path.read_text())["state"] == "stopped"
    assert list(tmp_path.iterdir()) == [path]


def test_a_health_file_that_cannot_be_written_is_said_once_and_written_again(tmp_path, caplog):
    folder = tmp_path / "run"
    folder.mkdir()
    file = HealthFile(folder / "health.json", "Lab")
    until((folder / "health.json").exists)
    shutil.rmtree(folder)
    file.put(State.READY)
    until(lambda: "cannot be written" in caplog.text)
    file.put(State.READY)
    file.put(State.LOST)
    time.sleep(0.1)
    folder.mkdir()
    file.put(State.READY)
    until((folder / "health.json").exists)
    file.close()
    assert caplog.text.count("cannot be written") == 1


@pytest.mark.parametrize("path", ["gone/health.json", "."])
def test_a_health_file_that_cannot_be_is_refused(tmp_path, path):
    with pytest.raises(ConfigError, match="`health_file` is"):
        HealthFile(tmp_path / path, "Lab")
    with pytest.raises(ConfigError, match="expected a file"):
        HealthFile(Path(os.devnull), "Lab")  # a device would be replaced


def test_no_clock_that_can_be_set_is_used_for_what_is_measured():
    """The wall clock is read only where a date is written down."""
    dates = {
        "display/bad_electrodes.py",
        "display/recording.py",
        "live/loop/cred_nf.py",
        "live/health_file.py",
        "bench/report.py",
    }
    package = REPOSITORY / "realtime" / "convdip"
    for path in package.rglob("*.py"):
        if path.relative_to(package).as_posix() not in dates:
            wall = re.search(
                r"\btime\.time(_ns)?\(|\bdatetime\b|\bdate\.today|from time import .*\btime\b",
                path.read_text(),
            )
            assert wall is None, f"{path}: {wall[0]}"
