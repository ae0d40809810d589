"""The amplifier's computer is another one, and its cable is pulled."""

import json
import signal
import subprocess
import time

import pytest


@pytest.fixture
def started(lan, tmp_path):
    """Start the service on the first computer, and amplifiers of one name on the others."""
    processes = []

    def start(computer, *arguments):
        with (tmp_path / f"stderr-{len(processes)}").open("w") as messages:
            how = {"stdout": subprocess.PIPE, "stderr": messages, "text": True, "cwd": tmp_path}
            processes.append(lan.start(computer, "-m", "convdip", *arguments, **how))
        return processes[-1]

    yield start
    for process in processes:
        with process:
            process.kill()


def amplifier_of(name):
    return "simulate", "--name", name, "--seconds", 600, "--sfreq-hz", 100, "--network"


def service_of(name):
    as_it_is = "--no-filter", "--keep", "--provider", "cpu", "--precision", "fp32"
    return "run", "--input", name, "--name", name, "--wait-s", 60, "--json", *as_it_is


def finish(service):
    service.send_signal(signal.SIGINT)
    printed, _ = service.communicate(timeout=60)
    assert service.returncode == 0
    return json.loads(printed.splitlines()[-1])


def test_a_host_that_vanishes_is_told_as_silent_and_its_successor_taken_up(
    lan, started, said, unique
):
    """Nothing ends the connection: that the other end is gone, only silence tells."""
    amplifier = started(1, *amplifier_of(unique))
    service = started(0, *service_of(unique))
    said(1, "samples out")
    lan.pull(0)
    said(1, "STALLED: no sample for")
    amplifier.kill()
    lan.plug(0, 2)
    started(2, *amplifier_of(unique))
    text = said(1, f"input {unique} is back")
    assert "is not taken for the input" not in text
    time.sleep(1)
    summary = finish(service)
    assert summary["stream_losses"] == 1
    assert summary["published"] == summary["received"]


def test_over_a_cable_that_is_plugged_in_again_no_sample_is_lost(lan, started, said, unique):
    started(1, *amplifier_of(unique))
    service = started(0, *service_of(unique))
    said(1, "samples out")
    lan.pull(0)
    said(1, "STALLED: no sample for")
    lan.plug(0, 1)
    said(1, "samples come again, after")
    summary = finish(service)
    assert summary["stream_losses"] == 0
    assert (summary["missing"], summary["overflowed"]) == (0, 0)
    assert summary["published"] == summary["received"]
