"""How this process uses LSL: the user's own configuration, strictly read, and what is added to it.

liblsl takes a configuration with any fault in it for none, with nothing but a line in the log, and
is then found in the whole site: here such a file is refused.
"""

from __future__ import annotations

import ipaddress
import math
import os
from collections.abc import Callable
from pathlib import Path

import pylsl

from convdip.errors import ConfigError
from convdip.files import read_file

# Where liblsl looks, in its order; before these, in what LSLAPICFG names.
PLACES = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")
VARIABLE = "LSLAPICFG"
LOOPBACK = "127.0.0.1"
DISCOVERY_PORT, BASE_PORT, PORT_RANGE = 16571, 16572, 32
MOST_BYTES = 100_000

LISTEN_ADDRESS, LOG_LEVEL = "multicast.ListenAddress", "log.level"
# LSL measures a clock by eight questions, which come this far apart: a connection, and with it a
# restart, waits for them. By default 0.064 s.
OURS = {LOG_LEVEL: "-1", "tuning.TimeProbeInterval": "0.016"}
SCOPES = ("machine", "link", "site", "organization", "global")
IPV6 = ("disable", "disabled", "allow", "allowed", "force", "forced")


def settle_lsl(*, network: bool = False) -> dict[str, str]:
    """Have this process's streams found by programs on this computer alone, and LSL's notes off.

    To be called before LSL is used; the last call before counts. What a user's own configuration
    sets stays in force, the address to listen on and the log level too. Streams of other computers
    are found as ever: LSL's `ResolveScope` would hide those, and hide nothing of this process,
    since broadcast reaches it all the same.

    Parameters
    ----------
    network : bool
        Be found by other computers as well.

    Returns
    -------
    config : dict
        What is in force: ``{"lab.SessionID": "mine"}``.

    Raises
    ------
    ConfigError
        If the user's configuration is not one that LSL would take.
    """
    config, content = to_settle(network=network)
    pylsl.util.set_config_content(content)
    return config


def to_settle(*, network: bool) -> tuple[dict[str, str], str]:
    """Return the configuration that `settle_lsl` sets, and its text."""
    path = _file()
    content = "" if path is None else _read(path)
    config = parsed(content, str(path))
    ours = OURS if network else {**OURS, LISTEN_ADDRESS: LOOPBACK}
    for name, value in ours.items():
        if name not in config:
            config[name] = value
            section, key = name.split(".")
            content += f"\n[{section}]\n{key} = {value}\n"
    return config, content


def parsed(content: str, path: str) -> dict[str, str]:
    r"""Read a configuration as liblsl does, but refuse what it would ignore.

    Parameters
    ----------
    content : str
    path : str
        Where it is from, for messages.

    Returns
    -------
    config : dict of str

    Raises
    ------
    ConfigError
        If something in it is not what LSL expects.

    Examples
    --------
    >>> parsed("[lab]\nSessionID = mine\n; a comment", "lsl_api.cfg")
    {'lab.SessionID': 'mine'}
    """
    config, section = dict[str, str](), ""
    for number, line in enumerate(content.split("\n"), 1):
        place = f"{path}, line {number}"
        if line.startswith(";") or not line.strip():
            continue
        if line.startswith("["):
            section, bracket, _ = line[1:].partition("]")
            if not bracket:
                raise ConfigError(_refused(place, f"{line.strip()!r} has no closing bracket"))
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not (equals and key and value):
            reason = f"expected 'key = value' or a comment after ';', got {line.strip()!r}"
            raise ConfigError(_refused(place, reason))
        name = f"{section}.{key}"
        if name in config:
            raise ConfigError(_refused(place, f"{key!r} stands twice in [{section}]"))
        if name not in _EXPECTED:
            raise ConfigError(_refused(place, f"there is no setting {key!r} in [{section}]"))
        expected, is_right = _EXPECTED[name]
        if not is_right(value):
            raise ConfigError(_refused(place, f"{key} is {value!r}: expected {expected}"))
        config[name] = value
    return config


def _refused(place: str, reason: str) -> str:
    return f"{place}: {reason}; LSL would ignore the whole file, or this line: correct it"


def _file() -> Path | None:
    """Return the file that LSL is configured by, if any."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    files = (Path(place).expanduser() for place in PLACES)
    return next((file for file in files if file.exists()), None)


def _read(path: Path) -> str:
    try:
        content = read_file(path, MOST_BYTES)
    except OSError as error:
        named = f"{VARIABLE} names {path}: " if os.environ.get(VARIABLE) else f"{path}: "
        raise ConfigError(
            f"{named}LSL's configuration cannot be read ({error.strerror}): correct that, or LSL "
            "would go on without it"
        ) from None
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: LSL's configuration is not UTF-8: {error.reason}") from None
    if "\0" in text:  # all behind it would be lost on the way to liblsl, and this program's part
        raise ConfigError(f"{path}: LSL's configuration has a null character in it: remove it")
    return text


COUNTS = """
    UseProtocolVersion TimerResolution MaxCachedQueries TimeProbeCount TimeUpdateMinProbes
    OutletBufferReserveMs OutletBufferReserveSamples InletBufferReserveMs
    InletBufferReserveSamples SendSocketBufferSize ReceiveSocketBufferSize
"""
SECONDS = """
    WatchdogCheckInterval WatchdogTimeThreshold MulticastMinRTT MulticastMaxRTT UnicastMinRTT
    UnicastMaxRTT TimeUpdateInterval ContinuousResolveInterval TimeProbeInterval TimeProbeMaxRTT
    SmoothingHalftime SyncSendTimeout
"""

Expected = tuple[str, Callable[[str], bool]]


def _number(kind: type[int] | type[float], least: float, most: float, words: str) -> Expected:
    def is_right(value: str) -> bool:
        try:
            return least <= kind(value) <= most
        except ValueError:
            return False

    return words, is_right


def _one_of(*values: str) -> Expected:
    return "one of " + ", ".join(values), values.__contains__


_PORT = _number(int, 1, 65_535, "a port, 1 to 65535")
_COUNT = _number(int, 0, 2**31 - 1, "a whole number")
_SECONDS = _number(float, 0, math.inf, "a number, 0 or more")
_SET: Expected = (
    "a list in braces, such as {192.168.1.5, 192.168.1.6}",
    lambda value: value.startswith("{") and value.endswith("}"),
)
_TEXT: Expected = ("text", bool)
_SWITCH = _one_of("0", "1")


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


# All that liblsl 1.18 reads.
_EXPECTED: dict[str, Expected] = {
    f"{section}.{key}": expected
    for section, keys in {
        "ports": {
            "MulticastPort": _PORT,
            "BasePort": _PORT,
            "PortRange": _COUNT,
            "AllowRandomPorts": _SWITCH,
            "IPv6": _one_of(*IPV6),
        },
        "multicast": {
            "ResolveScope": _one_of(*SCOPES),
            "ListenAddress": ("an IP address of this computer", _is_address),
            "IPv6MulticastGroup": _TEXT,
            "TTLOverride": _number(int, -1, 255, "a whole number, -1 to 255"),
            "Interfaces": _SET,
            "AddressesOverride": _SET,
            **{f"{scope.capitalize()}Addresses": _SET for scope in SCOPES},
        },
        "lab": {"KnownPeers": _SET, "SessionID": _TEXT, "ResolveOverTCP": _SWITCH},
        "tuning": {
            **dict.fromkeys(COUNTS.split(), _COUNT),
            **dict.fromkeys(SECONDS.split(), _SECONDS),
            "ForceDefaultTimestamps": _SWITCH,
        },
        "log": {"level": _number(int, -3, 9, "-3 to 9"), "file": _TEXT},
    }.items()
    for key, expected in keys.items()
}
