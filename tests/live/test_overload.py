"""More samples than the service can image, at rates and with clients as they come in labs."""

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pylsl
import pytest
from convdip import Service
from convdip.bench.trial import Between, run_trial
from convdip.bundle import load_bundle
from convdip.live.backlog import MAX_BATCH
from convdip.live.inlet import BUFFER_S
from convdip.live.network import Network
from convdip.live.sender import resolve
from convdip.sources.player import eeg_outlet
from convdip.streams import QUALITY

SLOW_STEPS = 70
SECONDS = 3
# So many times what the slow network can do is sent to it.
TOO_MUCH = 3


@pytest.fixture
def connected(convdip, said, shipped, unique, prime):
    """Start a service on a stream of this process, with clients of its three streams."""

    def start(*arguments, sfreq_hz, model=shipped.path):
        sender = eeg_outlet(unique, shipped.head.channels, sfreq_hz, f"id-{unique}")
        run = ["run", "--input", unique, "--name", unique, "--model", model, "--json"]
        service = convdip(*run, "--wait-s", 60, "--provider", "cpu", *arguments)
        said(0, f"output {unique}-Sources")
        clients = [
            pylsl.StreamInlet(resolve(f"{unique}-{kind}", 60.0, settle_s=0.0), recover=False)
            for kind in ("Sources", "Quality", "Events")
        ]
        for client in clients:
            client.open_stream(timeout=60)
        prime(sender, 31, clients[0])
        return sender, service, *clients

    return start


@pytest.fixture
def slow(slow_bundle):
    """Return a model and a rate that is three times what it can do on this machine."""
    path = slow_bundle(SLOW_STEPS)
    bundle = load_bundle(path)
    network = Network(bundle.model, bundle.head, "cpu")
    times_s = []
    for _ in range(5):
        start = time.perf_counter()
        network(np.zeros((MAX_BATCH, 31), np.float32))
        times_s.append(time.perf_counter() - start)
    return path, float(round(TOO_MUCH * MAX_BATCH / min(times_s)))


def finish(service):
    service.send_signal(signal.SIGINT)
    text, _ = service.communicate(timeout=60)
    return json.loads(text.splitlines()[-1])


def pull_while_sending(client, sender, seconds, sfreq_hz):
    """Return all stamps received and all sent."""
    received = []
    rows = np.empty((64, client.channel_count), np.float32)
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send_for, sender, seconds, sfreq_hz)
        news = time.monotonic()

        def is_over():
            if not sending.done():
                return False
            # What comes late or twice would follow the last one at once; and after a second
            # without an overload the service says that it is over.
            is_all_there = received and received[-1][-1] == sending.result()[-1]
            return time.monotonic() > news + (1.5 if is_all_there else 4.0)

        while not is_over():
            _, stamps = client.pull_chunk(
                timeout=0.2, max_samples=64, min_samples=1, dest_obj=rows, as_numpy=True
            )
            if len(stamps):
                received.append(stamps)
                news = time.monotonic()
    return np.concatenate(received), sending.result()


def events(client):
    messages, _ = client.pull_chunk(timeout=0.0, max_samples=1000)
    return [json.loads(text) for [text] in messages]


def send_for(sender, seconds, sfreq_hz):
    """Send noise in real time, some milliseconds at once; return the stamps."""
    rng = np.random.default_rng(0)
    start_s, sent, n = pylsl.local_clock(), [], round(sfreq_hz / 100)
    for block in range(round(seconds * sfreq_hz / n)):
        stamps = start_s + (n * block + np.arange(1, n + 1)) / sfreq_hz
        time.sleep(max(0.0, stamps[-1] - pylsl.local_clock()))
        sender.push_chunk(rng.standard_normal((n, 31), np.float32) * 20, stamps.tolist())
        sent.append(stamps)
    return np.concatenate(sent)


def until_silent(client):
    """Return what the quality stream says until nothing new has come for more than a second."""
    rows, stamps, deadline = np.empty((0, len(QUALITY))), np.empty(0), time.monotonic() + 60
    while not (len(rows) and column(rows, "age_now")[-1] > 1000):
        assert time.monotonic() < deadline, "it never said so"
        new, at = client.pull_chunk(timeout=0.2, max_samples=1000, min_samples=1, as_numpy=True)
        rows, stamps = np.concatenate([rows, new]), np.concatenate([stamps, at])
    return rows, stamps


def column(rows, name):
    return rows[:, list(QUALITY).index(name)]


@pytest.mark.long
@pytest.mark.alone
def test_all_images_every_sample_and_says_how_far_it_is_behind(connected, slow, said):
    model, sfreq_hz = slow
    sender, service, sources, quality, told = connected(model=model, sfreq_hz=sfreq_hz)
    stamps, sent = pull_while_sending(sources, sender, SECONDS, sfreq_hz)
    happened = events(told)
    rows, _ = quality.pull_chunk(timeout=0.0, max_samples=1000, as_numpy=True)
    summary = finish(service)

    np.testing.assert_array_equal(stamps, sent)  # all, in order, once, with their stamps
    assert summary["received"] == summary["published"] >= len(sent)
    assert (summary["dropped"], summary["overflowed"], summary["unread"]) == (0, 0, 0)
    # It fell behind by more than the bound, batches grew, and nobody could miss that.
    assert summary["overloads"] >= 1
    assert summary["backlog_most"] > 0.25 * sfreq_hz
    assert summary["published"] / summary["batches"] > 10
    assert "ERROR OVERLOAD: " in said(0)
    kinds = [event["event"] for event in happened]
    assert kinds.count("overload") == kinds.count("caught up") == summary["overloads"]
    assert column(rows, "backlog").max() > 0.25 * sfreq_hz
    assert column(rows, "overload").max() == 1
    assert column(rows, "overload")[-1] == 0


@pytest.mark.alone
def test_latest_drops_to_stay_fresh_and_counts_what_it_drops(connected, slow):
    model, sfreq_hz = slow
    sender, service, sources, quality, told = connected(
        "--overload", "latest", "--max-backlog-s", 0.1, model=model, sfreq_hz=sfreq_hz
    )
    stamps, sent = pull_while_sending(sources, sender, SECONDS, sfreq_hz)
    happened = events(told)
    rows, _ = quality.pull_chunk(timeout=0.0, max_samples=1000, as_numpy=True)
    summary = finish(service)

    assert np.all(np.diff(stamps) > 0)
    assert np.isin(stamps, sent).all()
    assert stamps[-1] == sent[-1]  # the newest is never dropped
    assert summary["received"] == summary["published"] + summary["dropped"]
    assert summary["dropped"] == len(sent) - len(stamps) > 0.2 * len(sent)
    assert summary["overflowed"] == 0  # dropped is not lost
    drops = [event for event in happened if event["event"] == "dropped"]
    assert sum(event["dropped"] for event in drops) == summary["dropped"]
    assert column(rows, "dropped")[-1] == summary["dropped"]
    # Each drop tells which samples are gone, and none of them came.
    gone = [(sent >= first) & (sent <= last) for first, last in (e["stamps"] for e in drops)]
    np.testing.assert_array_equal(sent[~np.any(gone, axis=0)], stamps)


def test_the_quality_stream_goes_on_in_silence_and_says_so(connected):
    sender, service, _, quality, _ = connected(sfreq_hz=500.0)
    info = quality.info(timeout=60)
    assert info.get_channel_labels() == list(QUALITY)
    assert info.get_channel_units() == list(QUALITY.values())
    send_for(sender, 1.0, 500.0)
    rows, stamps = until_silent(quality)
    finish(service)
    assert np.diff(stamps).min() > 0.04  # never two in a row: a rate needs a period
    assert np.nanmax(column(rows, "rate_out")) > 0
    assert column(rows, "rate_out")[-1] == 0
    assert column(rows, "age_now")[-1] > 1000  # nothing new for more than a second
    ages = [column(rows, f"age_p{p}")[-1] for p in (50, 95, 99)]
    assert 0 < ages[0] <= ages[1] <= ages[2]
    for stage in ("arrival", "preparation", "inference", "scaling", "publishing"):
        assert 0 < column(rows, f"{stage}_p50")[-1] < ages[2]
    assert np.nanmax(column(rows, "goodness_of_fit")) <= 1


def test_what_a_full_buffer_loses_is_said_and_counted(unique, shipped):
    """A host program that holds the loop for longer than the input waits."""
    sender = eeg_outlet(unique, shipped.head.channels, 100.0, f"id-{unique}")
    waits_s = [BUFFER_S + 2.0]

    def hold(frame):
        if waits_s:
            time.sleep(waits_s.pop())

    how: Any = {"provider": "cpu", "precision": "fp32", "filter": False, "keep": True}
    with Service(unique, unique, on_frame=hold, **how) as service:
        told = pylsl.StreamInlet(resolve(f"{unique}-Events", 60.0, settle_s=0.0))
        told.open_stream(timeout=60)
        assert sender.wait_for_consumers(60)
        n_sent = len(send_for(sender, BUFFER_S + 5.0, 100.0))
        deadline = time.monotonic() + 60
        while service.summary.received + service.summary.overflowed < n_sent:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        said = events(told)
    overflows = [event["lost"] for event in said if event["event"] == "overflow"]
    summary = service.summary
    assert overflows[0] == 0  # at once, before it is known how much
    assert sum(overflows) == summary.overflowed > 50
    assert summary.received + summary.overflowed == n_sent


@pytest.mark.alone
def test_no_sample_is_lost_repeated_or_reordered_at_2000_hz():
    trial = run_trial(dict(os.environ), 2000.0, 3.0, Between(provider="cpu"))
    assert trial.sent > 6000
    assert (trial.lost, trial.repeated) == (0, 0)
    assert trial.service["published"] == trial.service["received"] >= trial.sent
    assert trial.service["missing"] == 0


@pytest.mark.alone
def test_a_stalled_client_costs_the_others_nothing():
    trial = run_trial(dict(os.environ), 1000.0, 4.0, Between(provider="cpu"), stalled=True)
    assert (trial.lost, trial.repeated) == (0, 0)
    assert trial.service["published"] == trial.service["received"] >= trial.sent > 3500
    assert trial.service["memory_mb"] < 400


@pytest.mark.long
@pytest.mark.alone
def test_the_soak_ends_with_a_verdict(tmp_path):
    command = ["scripts/soak", "--minutes", "0.1", "--rate-hz", "500"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert verdict["ok"]
    assert verdict["memory_mb_growth_after_a_minute"] is None  # six seconds tell nothing
    assert verdict["lost"] == verdict["repeated"] == 0
    assert "Hz out" in done.stderr
