import threading
import time

import pylsl
from convdip.sources.clients import count_clients, wait_for_clients
from convdip.sources.player import eeg_outlet


def until(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_clients_are_counted_as_they_come_and_go(unique):
    outlet = eeg_outlet(unique, ["Fp1"], 100.0, f"id-{unique}")
    other = eeg_outlet(f"{unique}-other", ["Fp1"], 100.0, f"id-{unique}-other")
    [info] = pylsl.resolve_byprop("name", unique, timeout=60)
    assert count_clients(outlet) == 0
    inlets = []
    for n in (1, 2, 3):
        inlets.append(pylsl.StreamInlet(info, recover=False))
        inlets[-1].open_stream(timeout=60)
        until(lambda n=n: count_clients(outlet) == n)
    assert count_clients(other) == 0
    for n in (2, 1, 0):
        inlets.pop().close_stream()
        until(lambda n=n: count_clients(outlet) == n)


def test_the_wait_ends_when_all_are_there_or_when_it_is_stopped(unique):
    outlet = eeg_outlet(unique, ["Fp1"], 100.0, f"id-{unique}")
    stopped, lines = threading.Event(), []

    def waiting(n_clients):
        thread = threading.Thread(
            target=wait_for_clients, args=(outlet, n_clients, stopped.is_set, lines.append)
        )
        thread.start()
        return thread

    for_two = waiting(2)
    [info] = pylsl.resolve_byprop("name", unique, timeout=60)
    inlets = [pylsl.StreamInlet(info, recover=False) for _ in range(2)]
    inlets[0].open_stream(timeout=60)
    until(lambda: "waiting for 2 clients: 1 there" in lines)
    assert for_two.is_alive()
    inlets[1].open_stream(timeout=60)
    for_two.join(60)
    assert not for_two.is_alive()
    for_five = waiting(5)
    until(lambda: "waiting for 5 clients: 2 there" in lines)
    stopped.set()
    for_five.join(60)
    assert not for_five.is_alive()
