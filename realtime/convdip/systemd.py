"""Tell systemd, or whatever else started this process and listens, how it goes (``sd_notify``)."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from convdip.text import shown_line

VARIABLE = "NOTIFY_SOCKET"


def notify(**said: object) -> None:
    """Send a message, such as ``READY=1``, if somebody listens; never wait, never fail.

    Parameters
    ----------
    **said
        Variables of systemd's protocol: ``READY=1``, ``STATUS="age 1 ms"``, ``WATCHDOG=1``.
    """
    address = os.environ.get(VARIABLE, "")
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    if address.startswith("@"):  # a socket without a file
        address = "\0" + address[1:]
    message = "\n".join(f"{name}={shown_line(value)}" for name, value in said.items())
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.setblocking(False)
        to.sendto(message.encode(), address)
