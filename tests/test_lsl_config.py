"""The configuration of LSL: what is taken as it is, and what is refused by name."""

import json
import os
import string
import subprocess
import sys

import pytest
from convdip.errors import ConfigError
from convdip.exposure import found_by, spans
from convdip.lsl_config import LISTEN_ADDRESS, OURS, parsed, to_settle
from hypothesis import given
from hypothesis import strategies as st

PLAIN = "[lab]\nSessionID = mine\n; a comment\n\n[multicast]\r\nResolveScope=link\n"


def test_what_the_user_sets_stays(tmp_path, monkeypatch):
    own = tmp_path / "own.cfg"
    own.write_text(PLAIN + "ListenAddress = 192.0.2.7\n[log]\nlevel = 0\n")
    monkeypatch.setenv("LSLAPICFG", str(own))
    assert to_settle(network=False)[0] == {
        "lab.SessionID": "mine",
        "multicast.ResolveScope": "link",
        "multicast.ListenAddress": "192.0.2.7",
        "log.level": "0",
        "tuning.TimeProbeInterval": "0.016",
    }
    own.write_text(PLAIN)
    config, content = to_settle(network=False)
    assert config[LISTEN_ADDRESS] == "127.0.0.1"
    assert parsed(content, "what LSL gets") == config
    assert LISTEN_ADDRESS not in to_settle(network=True)[0]


def test_without_a_file_only_this_computer_finds_the_streams(tmp_path, monkeypatch):
    monkeypatch.delenv("LSLAPICFG")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    config, _ = to_settle(network=False)
    assert config == {**OURS, LISTEN_ADDRESS: "127.0.0.1"}
    assert found_by(config).startswith("found by programs on this computer alone")
    assert found_by(to_settle(network=True)[0]) == "found by all computers of the network"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("# no comment of LSL's", "line 1: expected 'key = value'"),
        ("[multicast]\nResolveScope = Machine", "line 2: ResolveScope is 'Machine': expected one"),
        ("[multicast]\nReolveScope = machine", "no setting 'ReolveScope' in \\[multicast\\]"),
        ("[multicats]\nResolveScope = machine", "no setting 'ResolveScope' in \\[multicats\\]"),
        ("[lab", "no closing bracket"),
        ("[lab]\nSessionID = a\nSessionID = b", "stands twice"),
        ("[lab]\nKnownPeers = 127.0.0.1", "expected a list in braces"),
        ("[ports]\nBasePort = abc", "BasePort is 'abc': expected a port"),
        ("[ports]\nBasePort = 99999", "expected a port"),
        ("[ports]\nAllowRandomPorts = true", "expected one of 0, 1"),
        ("[tuning]\nUnicastMinRTT = nan", "expected a number, 0 or more"),
        ("[multicast]\nListenAddress = here", "expected an IP address"),
        ("[log]\nlevel = 10", "expected -3 to 9"),
        ("\ufeff[lab]", "expected 'key = value'"),
        ("[lab]\nSessionID = a\0b", "null character"),
    ],
)
def test_a_broken_configuration_is_refused_by_name(tmp_path, monkeypatch, content, words):
    own = tmp_path / "own.cfg"
    own.write_text(content)
    monkeypatch.setenv("LSLAPICFG", str(own))
    with pytest.raises(ConfigError, match=words) as refused:
        to_settle(network=True)
    assert str(own) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("what", ["missing", "folder", "bytes", "large"])
def test_a_configuration_that_cannot_be_read_is_refused(tmp_path, monkeypatch, what):
    own = tmp_path / "own.cfg"
    monkeypatch.setenv("LSLAPICFG", str(own))
    if what == "folder":
        own.mkdir()
    elif what == "bytes":
        own.write_bytes(b"[lab]\nSessionID = \xff\xfe\n")
    elif what == "large":
        own.write_text(";" * 200_000)
    with pytest.raises(ConfigError, match=r"own\.cfg"):
        to_settle(network=False)


@given(st.text(alphabet=string.printable + "ä\0[]={};", max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        config = parsed(text, "file")
    except ConfigError:
        return
    # What was taken is the same in another order, so that ours can be added at the end.
    assert parsed(text + "\n[log]\n", "file") == config


def test_runs_of_ports_are_told_as_such():
    assert spans({5}) == "5"
    assert spans([3, 1, 2, 7]) == "1–3, 7"
    assert spans([]) == ""


# In a process of its own, since LSL reads its configuration once.
IN_FORCE = """
import json, sys, psutil, pylsl
from convdip.exposure import check_in_force, reachable
from convdip.lsl_config import settle_lsl
config = settle_lsl(network="network" in sys.argv)
check_in_force(config)
outlet = pylsl.StreamOutlet(pylsl.StreamInfo("x", "x", 1, 0, "string", "x"))
port = int(config["ports.MulticastPort"])
sockets = psutil.Process().net_connections("udp")
print(json.dumps({
    "session": outlet.get_info().session_id(),
    "listens": sorted({one.laddr.ip for one in sockets if one.laddr.port == port}),
    "reachable": reachable(config),
}))
"""


@pytest.mark.parametrize("network", [False, True])
def test_searches_are_heard_on_this_computer_alone_unless_asked(tmp_path, network):
    # Below the ports that the processes of the tests take (tests/conftest.py).
    own = tmp_path / "own.cfg"
    own.write_text(
        "[lab]\nSessionID = mine\n[ports]\nMulticastPort = 16999\nBasePort = 16400\nIPv6 = disable"
    )
    command = [sys.executable, "-c", IN_FORCE, *(["network"] if network else [])]
    env = {**os.environ, "LSLAPICFG": str(own)}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["session"] == "mine"
    assert found["listens"] == (["0.0.0.0"] if network else ["127.0.0.1"])
    assert found["reachable"].startswith("TCP 16400")
    assert "INFO" not in done.stderr  # liblsl's notes


def test_a_configuration_that_lsl_does_not_use_is_not_believed(tmp_path):
    """LSL was used before: what is given to it now changes nothing, and it says nothing."""
    own = tmp_path / "own.cfg"
    own.write_text("[log]\nlevel = -2\n[ports]\nMulticastPort = 16998\nBasePort = 16440\n")
    before = "import pylsl\nearly = pylsl.StreamOutlet(pylsl.StreamInfo('y', 'y', 1))\n"
    env = {**os.environ, "LSLAPICFG": str(own)}
    done = subprocess.run(
        [sys.executable, "-c", before + IN_FORCE], env=env, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "ConfigError: LSL listens for searches on" in done.stderr
    assert "expected 127.0.0.1 alone" in done.stderr
