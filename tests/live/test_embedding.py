"""The service inside a host program: real streams, in this process."""

import gc
import importlib
import os
import signal
import threading
import time
from itertools import islice
from typing import Any

import convdip
import numpy as np
import pylsl
import pytest
from convdip.errors import BundleError, ConfigError, StreamError
from convdip.live.sender import resolve
from convdip.sources.player import eeg_outlet
from convdip.streams import EventMessage
from threadpoolctl import threadpool_info, threadpool_limits

SFREQ_HZ = 250.0


class Amplifier:
    """Sends samples whose stamps go on from where they were."""

    def __init__(self, name, labels):
        self.labels = labels
        self._name = name
        self._next_s = pylsl.local_clock()
        self._rng = np.random.default_rng(0)
        self._outlet = eeg_outlet(name, self.labels, SFREQ_HZ, f"id-{name}")

    def send(self, n):
        samples = (self._rng.standard_normal((n, 31)) * 20).astype(np.float32)
        stamps = self._next_s + np.arange(n) / SFREQ_HZ
        self._next_s += n / SFREQ_HZ
        self._outlet.push_chunk(samples, stamps.tolist())
        return samples, stamps

    def skip(self, n):
        self._next_s += n / SFREQ_HZ

    def connected(self):
        assert self._outlet.wait_for_consumers(60)

    def end(self):
        del self._outlet

    def begin_again(self):
        self._outlet = eeg_outlet(self._name, self.labels, SFREQ_HZ, f"id-{self._name}")


@pytest.fixture
def amplifier(unique, shipped):
    return Amplifier(unique, shipped.head.channels)


def until(is_so):
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def keep_sending(amplifier, stop):
    """Send in real time, from a thread, until told to stop."""

    def send():
        while not stop.is_set():
            amplifier.send(5)
            time.sleep(5 / SFREQ_HZ)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def test_the_public_names():
    assert convdip.__all__ == [
        "Bundle",
        "ConvDipError",
        "Feature",
        "Features",
        "Filters",
        "Flags",
        "Frame",
        "Head",
        "Imager",
        "Service",
        "Summary",
        "frames",
        "load_bundle",
    ]
    assert all(hasattr(convdip, name) for name in convdip.__all__)


def test_a_network_that_fails_is_said_and_costs_no_sample(
    amplifier, unique, shipped, bundle_of, failing_model
):
    model = bundle_of(failing_model(shipped.head))
    frames: list[convdip.Frame] = []
    sent = []
    as_it_is: Any = {"model": str(model), "provider": "cpu", "filter": False, "keep": True}
    with convdip.Service(unique, unique, on_frame=frames.append, **as_it_is) as service:
        amplifier.connected()
        events = pylsl.StreamInlet(resolve(f"{unique}-Events", 60.0, settle_s=0.0))
        events.open_stream(timeout=60)
        for n in range(1, 201):
            sent.append(amplifier.send(1))
            until(lambda n=n: len(frames) == n)
        told = [EventMessage.from_json(text) for [text] in events.pull_chunk(timeout=0.5)[0]]
    failures = [one for one in told if one.event == "network"]
    assert len(failures) == 2
    for one in failures:
        assert one.facts["provider"] == "CPUExecutionProvider"
        assert "out of data bounds" in one.facts["reason"]
        assert one.text.endswith("from now on: CPUExecutionProvider, fp32, 1 thread")
    assert service.summary.published == service.summary.received == 200
    samples, stamps = (np.concatenate(parts) for parts in zip(*sent, strict=True))
    np.testing.assert_array_equal(np.concatenate([f.timestamps for f in frames]), stamps)
    imager = convdip.Imager(amplifier.labels, model=model, provider="cpu")
    expected = imager(samples).moments_nam
    np.testing.assert_allclose(
        np.concatenate([f.moments_nam for f in frames]), expected, atol=1e-4 * expected.max()
    )


def test_a_network_that_fails_again_and_again_ends_the_service(
    amplifier, unique, shipped, bundle_of, failing_model
):
    model = str(bundle_of(failing_model(shipped.head)))
    service = convdip.Service(unique, unique, model=model, provider="cpu", filter=False, keep=True)

    def work():
        with service:
            amplifier.connected()
            while not service.wait(0.002):
                amplifier.send(1)

    with pytest.raises(BundleError, match=r"cannot be run on \d+ samples: .* 3 times in the last"):
        work()


def test_frames_are_what_the_imager_gives(amplifier, unique):
    as_it_is = {"filter": False, "keep": True, "provider": "cpu", "precision": "fp32"}
    frames = convdip.frames(input=unique, **as_it_is)
    found = []
    done = threading.Event()

    def receive():
        for frame in frames:
            found.append(frame)
            if sum(len(f.timestamps) for f in found) >= 50:
                done.set()
                return

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    amplifier.connected()
    samples, stamps = amplifier.send(50)
    assert done.wait(60)
    thread.join()
    frames.close()
    np.testing.assert_array_equal(np.concatenate([f.timestamps for f in found]), stamps)
    expected = convdip.Imager(amplifier.labels, provider="cpu", precision="fp32")(samples)
    moments_nam = np.concatenate([f.moments_nam for f in found])
    largest = np.abs(expected.moments_nam).max()
    np.testing.assert_allclose(moments_nam, expected.moments_nam, atol=1e-5 * largest)
    assert not any(f.flags for f in found)
    stages = found[0].stages
    assert list(stages) == sorted(stages)


def test_loss_return_and_gaps_travel_with_the_frames(amplifier, unique, caplog):
    frames = convdip.frames(input=unique, provider="cpu", precision="fp32")
    stop, enough = threading.Event(), threading.Event()
    flags, received = [], []

    def receive():
        for frame in frames:
            if enough.is_set():
                frames.close()
            else:
                flags.append(frame.flags)
                received.append(len(frame.timestamps))

    def wait_until(is_so):
        deadline = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    receiving = threading.Thread(target=receive, daemon=True)
    receiving.start()
    amplifier.connected()
    sending = keep_sending(amplifier, stop)
    wait_until(lambda: sum(received) > 2 * SFREQ_HZ)
    amplifier.skip(30)
    n_before = sum(received)
    wait_until(lambda: sum(received) > n_before + 2 * SFREQ_HZ)
    stop.set()
    sending.join()
    amplifier.end()
    wait_until(lambda: "waiting for it to come back" in caplog.text)
    amplifier.begin_again()
    amplifier.connected()
    stop.clear()
    sending = keep_sending(amplifier, stop)
    wait_until(lambda: any(f.is_resumed for f in flags))
    stop.set()
    sending.join()
    enough.set()
    amplifier.send(1)  # with this frame the receiver ends: left waiting, it would outlive the tests
    receiving.join(60)
    assert not receiving.is_alive()
    assert sum(f.n_missing for f in flags) == 30
    assert sum(f.is_resumed for f in flags) == 1
    assert not flags[0]


def state_of_the_program():
    """Return what a library in the program could change of it."""
    return (
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
        gc.get_freeze_count(),
        os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None,
        [(pool["filepath"], pool["num_threads"]) for pool in threadpool_info()],
    )


@pytest.fixture
def two_threads():
    """Let BLAS have more threads than the command gives it, and the tests have."""
    importlib.import_module("scipy.signal")  # it brings a BLAS of its own, whoever imports it
    with threadpool_limits(2):
        yield


@pytest.mark.usefixtures("two_threads")
def test_a_service_runs_beside_the_program_and_changes_nothing_of_it(amplifier, unique):
    got = []
    before = state_of_the_program()
    with convdip.Service(input=unique, name=unique, on_frame=got.append) as service:
        client = pylsl.StreamInlet(resolve(f"{unique}-Sources", 60.0, settle_s=0.0))
        client.open_stream(timeout=60)
        _, stamps = amplifier.send(50)
        rows, received = [], []
        deadline = time.monotonic() + 60
        while len(received) < 50 and time.monotonic() < deadline:
            chunk, new = client.pull_chunk(timeout=0.2, max_samples=64, as_numpy=True)
            if len(new):
                rows.append(chunk)
                received.extend(new)
        assert not service.wait(timeout_s=0.0)
        during = state_of_the_program()
    assert before == during == state_of_the_program()
    np.testing.assert_array_equal(received, stamps)
    np.testing.assert_array_equal(
        np.concatenate(rows), np.concatenate([frame.moments_nam for frame in got])
    )
    assert service.summary.published == service.summary.received == 50
    assert service.summary.provider in ("CPUExecutionProvider", "CUDAExecutionProvider")
    assert service.summary.interpolated == ()
    # Its streams are gone, so that the name is free again.
    with pytest.raises(StreamError, match="no stream named"):
        resolve(f"{unique}-Sources", 1.0)


def test_what_fails_in_the_program_ends_the_service_with_its_reason(amplifier, unique):
    def fail(frame):
        raise ZeroDivisionError("in the feedback")

    def run():
        with convdip.Service(input=unique, name=unique, on_frame=fail) as service:
            amplifier.send(1)
            service.wait()

    with pytest.raises(ZeroDivisionError, match="in the feedback"):
        run()


def test_an_error_of_the_program_is_not_replaced(amplifier, unique):
    failed = threading.Event()

    def fail(frame):
        failed.set()
        raise ZeroDivisionError

    def run():
        with convdip.Service(input=unique, name=unique, on_frame=fail):
            amplifier.send(1)
            assert failed.wait(60)
            raise KeyError

    with pytest.raises(KeyError):
        run()


def test_a_service_that_is_stopped_before_its_input_is_there(unique):
    service = convdip.Service(input=unique, name=unique, wait_s=60)
    threading.Timer(1.0, service.stop).start()
    started = time.monotonic()
    with service:
        assert service.wait()
    assert time.monotonic() - started < 20
    assert service.summary == convdip.Summary()


def test_mistakes_are_named_as_python_names_them(unique):
    with pytest.raises(ConfigError, match="`max_backlog_s` is 9: expected a number above 0"):
        convdip.Service(max_backlog_s=9)
    with pytest.raises(TypeError, match="nonesuch"):
        convdip.Service(nonesuch=1)
    with pytest.raises(BundleError, match="no model 'nonesuch'"):
        list(islice(convdip.frames(input=unique, model="nonesuch"), 1))
    with pytest.raises(StreamError, match="no stream named"):
        list(islice(convdip.frames(input=unique, wait_s=0.5), 1))
