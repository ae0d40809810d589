"""From where this process can be reached: what LSL made of its configuration, and its sockets."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable, Mapping

import psutil
import pylsl

from convdip.errors import ConfigError
from convdip.lsl_config import BASE_PORT, DISCOVERY_PORT, LISTEN_ADDRESS, PORT_RANGE

ALL_INTERFACES = ("0.0.0.0", "::")


def check_in_force(config: Mapping[str, str]) -> None:
    """Refuse to publish where LSL does not use the configuration that it was given.

    It says so nowhere: a stream without samples is announced for a moment, and looked at.

    Parameters
    ----------
    config : mapping
        From `convdip.lsl_config.settle_lsl`.

    Raises
    ------
    ConfigError
        If this process's streams are of another session, or found by others than they should.
    """
    info = pylsl.StreamInfo(f"convdip-check-{os.getpid()}", "Check", 1, 0, pylsl.cf_string, "")
    outlet = pylsl.StreamOutlet(info)
    found = outlet.get_info().session_id()
    port = int(config.get("ports.MulticastPort", DISCOVERY_PORT))
    listening = {address for address, at in _bound(socket.SOCK_DGRAM) if at == port}
    expected = config.get("lab.SessionID", "default")
    if found != expected:
        raise ConfigError(
            f"LSL's session is {found!r}: expected {expected!r}; LSL did not take its "
            "configuration, or was used before by this process"
        )
    wanted = config.get(LISTEN_ADDRESS)
    if wanted is not None and not listening <= {wanted}:
        raise ConfigError(
            f"LSL listens for searches on {', '.join(sorted(listening - {wanted}))}: expected "
            f"{wanted} alone; LSL did not take its configuration: remove a file lsl_api.cfg that "
            "may be the cause, or give `network` where others may find this stream"
        )


def reachable(config: Mapping[str, str]) -> str:
    """Say from where this process can be reached, by its own sockets.

    Parameters
    ----------
    config : mapping
        From `convdip.lsl_config.settle_lsl`.

    Returns
    -------
    text : str
        Empty where the system does not tell.
    """
    first = int(config.get("ports.BasePort", BASE_PORT))
    last = first + int(config.get("ports.PortRange", PORT_RANGE)) - 1
    tcp = {at for address, at in _bound(socket.SOCK_STREAM) if address in ALL_INTERFACES}
    udp = {
        at
        for address, at in _bound(socket.SOCK_DGRAM)
        if address in ALL_INTERFACES and first <= at <= last
    }
    if not tcp and not udp:
        return ""
    return (
        f"TCP {spans(tcp) or 'none'} and UDP {spans(udp) or 'none'} are open on all interfaces: "
        "LSL cannot bind them to this computer alone, and asks nobody who they are; a firewall "
        "closes them (SECURITY.md)"
    )


def found_by(config: Mapping[str, str]) -> str:
    """Say who finds the streams of this process."""
    address = config.get(LISTEN_ADDRESS, "")
    if address and ipaddress.ip_address(address).is_loopback:
        return "found by programs on this computer alone; by others with `network`"
    return f"found by all computers of the network{f' of {address}' if address else ''}"


def spans(numbers: Iterable[int]) -> str:
    """Return numbers as text, with runs of them as one.

    Examples
    --------
    >>> spans([16572, 16573, 16574, 16580])
    '16572–16574, 16580'
    """
    runs = list[list[int]]()
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("–".join(map(str, run)) for run in runs)


def _bound(kind: socket.SocketKind) -> list[tuple[str, int]]:
    """Return address and port of this process's sockets that others can send to."""
    try:
        connections = psutil.Process().net_connections("inet")
    except (psutil.Error, OSError):  # a system that does not tell
        return []
    return [
        (one.laddr.ip, one.laddr.port)
        for one in connections
        if one.type == kind and one.laddr and not one.raddr
    ]
