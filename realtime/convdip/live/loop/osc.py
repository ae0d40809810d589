"""Feedback over OSC, for what reads that and not LSL: Max, Pure Data, Unity, TouchDesigner."""

from __future__ import annotations

import ipaddress
import logging
import socket

from convdip.errors import ConfigError

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"


class OscOutlet:
    """Sends each value, and whether there is one, to one address.

    ``/NAME/feedback`` has the value, whether it is a success (1 or 0), and its LSL time stamp, and
    is sent only where there is a value. ``/NAME/valid`` has 1 or 0 and the reason's code, and is
    sent with each, and while no EEG comes.

    Parameters
    ----------
    name : str
        The service's.
    address : str
        ``PORT`` on this computer, or ``HOST:PORT``.

    Raises
    ------
    ConfigError
        If there is no such address, or python-osc is not installed.
    """

    def __init__(self, name: str, address: str) -> None:
        host, port = parsed(address)
        try:
            from pythonosc.osc_message_builder import OscMessageBuilder
        except ImportError:
            raise ConfigError(
                "OSC needs python-osc, which is not installed: scripts/install osc"
            ) from None
        try:
            place = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)[0][4]
        except OSError as error:
            raise ConfigError(f"`osc`: no host {host!r}: {error.strerror}") from None
        if not ipaddress.ip_address(place[0]).is_loopback:
            log.warning("feedback goes to %s:%d over the network, readable by anyone there", *place)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._builder, self._place = OscMessageBuilder, place
        self._name, self._is_told = name, False

    def close(self) -> None:
        """Send no more."""
        self._socket.close()

    def send(
        self, value: float, stamp: float, reason: int, *, is_valid: bool, is_above: bool
    ) -> None:
        """Send a sample of feedback; what cannot be sent is told once."""
        try:
            if is_valid:
                self._message("feedback", [(value, "f"), (int(is_above), "i"), (stamp, "d")])
            self._message("valid", [(int(is_valid), "i"), (reason, "i")])
        except OSError as error:
            if not self._is_told:
                self._is_told = True
                log.warning("OSC: %s", error)

    def _message(self, what: str, values: list[tuple[float, str]]) -> None:
        builder = self._builder(f"/{self._name}/{what}")
        for value, kind in values:
            builder.add_arg(value, kind)
        self._socket.sendto(builder.build().dgram, self._place)


def parsed(address: str) -> tuple[str, int]:
    """Return host and port.

    Raises
    ------
    ConfigError
        If the text names none.
    """
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigError(f"`osc` is {address!r}: expected PORT on this computer, or HOST:PORT")
    return host or LOOPBACK, int(port)
