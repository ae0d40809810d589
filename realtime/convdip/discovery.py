"""Have older programs on this computer find all streams here.

A search for LSL's streams on one computer goes to one port, at which each stream listens, and the
system hands it to one of them: LSL before 1.18 then knows that one alone. Here the search is passed
on to the ports that every stream has for itself.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from convdip.lsl_config import BASE_PORT, DISCOVERY_PORT, LISTEN_ADDRESS, LOOPBACK, PORT_RANGE

log = logging.getLogger(__name__)

SEARCH, MOST_BYTES = b"LSL:shortinfo", 4096
# What was bound last gets what comes: so often this is the last again, whoever began meanwhile.
AGAIN_S = 1.0


@contextmanager
def passing_on(config: Mapping[str, str]) -> Iterator[None]:
    """Pass searches on while streams are found on this computer alone.

    From this computer to this computer: nothing that comes from elsewhere reaches a socket that is
    bound to it, and answers go to where a search came from.

    Parameters
    ----------
    config : mapping
        From `convdip.lsl_config.settle_lsl`.
    """
    if config.get(LISTEN_ADDRESS) != LOOPBACK:
        yield
        return
    at = int(config.get("ports.MulticastPort", DISCOVERY_PORT))
    first = int(config.get("ports.BasePort", BASE_PORT))
    ports = range(first, first + int(config.get("ports.PortRange", PORT_RANGE)))
    is_over = threading.Event()
    thread = threading.Thread(
        target=_pass_on, args=(at, ports, is_over), name="convdip-discovery", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        is_over.set()


def _pass_on(at: int, ports: range, is_over: threading.Event) -> None:
    try:
        heard = _bound(at)
        while not is_over.is_set():
            with suppress(TimeoutError):
                message, _ = heard.recvfrom(MOST_BYTES)
                if message.startswith(SEARCH):
                    for port in ports:
                        with suppress(OSError):
                            heard.sendto(message, (LOOPBACK, port))
                continue
            latest = _bound(at)
            heard.close()
            heard = latest
        heard.close()
    except OSError as error:  # the streams are there all the same
        log.info("older programs may find one stream of this computer alone: %s", error)


def _bound(at: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.settimeout(AGAIN_S)
    bound.bind((LOOPBACK, at))
    return bound
