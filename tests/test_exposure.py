"""Who finds the streams: programs on this computer, older ones too, and other computers."""

import socket
import subprocess
import sys
import time

import pylsl
import pytest
from convdip.discovery import passing_on
from convdip.lsl_config import to_settle


def answers(config, kind, wait_s):
    """Return which streams answer a search on this computer as LSL before 1.18 asks."""
    names = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind(("127.0.0.1", 0))
        asking.settimeout(0.05)
        query = f"session_id='{config['lab.SessionID']}' and type='{kind}'"
        message = f"LSL:shortinfo\r\n{query}\r\n{asking.getsockname()[1]} 1\r\n".encode()
        port = int(config.get("ports.MulticastPort", 16571))
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline and len(names) < 4:
            asking.sendto(message, ("127.0.0.1", port))
            try:
                while True:
                    answer = asking.recv(100_000).decode()
                    names.add(answer.partition("<name>")[2].partition("</name>")[0])
            except TimeoutError:
                continue
    return names


@pytest.mark.skipif(sys.platform != "linux", reason="which socket gets a search is Linux's way")
def test_older_programs_on_this_computer_find_every_stream(unique):
    config, _ = to_settle(network=False)
    names = {f"{unique}-{i}" for i in range(4)}
    outlets = [pylsl.StreamOutlet(pylsl.StreamInfo(n, unique, 1, 0, "string", n)) for n in names]
    assert len(answers(config, unique, 0.5)) < 4
    with passing_on(config):
        assert answers(config, unique, 20.0) == names
    assert len(outlets) == 4


PUBLISH = """
import sys, pylsl
from convdip.exposure import check_in_force
from convdip.lsl_config import settle_lsl
check_in_force(settle_lsl(network="network" in sys.argv))
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(sys.argv[1], "T", 1, 0, "string", sys.argv[1]))
print("up", flush=True)
found = pylsl.resolve_byprop("name", sys.argv[2], 1, float(sys.argv[3]))
print("found" if found else "not found", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("network", [False, True])
def test_another_computer_finds_what_is_published_only_if_it_should(lan, unique, network, tmp_path):
    """The service's computer finds the amplifier's stream in either case."""

    def start(computer, *arguments):
        pipe = subprocess.PIPE
        how = {"stdin": pipe, "stdout": pipe, "text": True, "cwd": tmp_path}
        return lan.start(computer, "-c", PUBLISH, *arguments, **how)

    service = start(0, f"{unique}-S", f"{unique}-A", "60", *["network"] * network)
    amplifier = None
    try:
        assert service.stdout.readline() == "up\n"
        wait_s = "60" if network else "3"
        amplifier = start(1, f"{unique}-A", f"{unique}-S", wait_s, "network")
        assert amplifier.stdout.readline() == "up\n"
        assert service.stdout.readline() == "found\n"
        assert amplifier.stdout.readline() == ("found\n" if network else "not found\n")
    finally:
        for process in (service, amplifier):
            if process is not None:
                process.communicate("")
