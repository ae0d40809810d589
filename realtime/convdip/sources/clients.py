"""How many clients listen to an outlet: liblsl knows only whether any does."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import psutil
import pylsl

# Asking a stream for its description takes a connection, too, but a shorter one.
HELD_S = 0.5
POLL_S = 0.05

_PORT = re.compile(r"<v[46]data_port>(\d+)</v[46]data_port>")


def count_clients(outlet: pylsl.StreamOutlet) -> int:
    """Return how many connections an outlet of this process has.

    An inlet that is open holds one, wherever it is; one that reads the description holds another
    meanwhile.
    """
    ports = {int(port) for port in _PORT.findall(outlet.get_info().as_xml())} - {0}
    connections = psutil.Process().net_connections("tcp")
    return sum(c.status == psutil.CONN_ESTABLISHED and c.laddr.port in ports for c in connections)


def wait_for_clients(
    outlet: pylsl.StreamOutlet,
    n_clients: int,
    stop: Callable[[], bool] = lambda: False,
    on_status: Callable[[str], None] = lambda line: None,
) -> None:
    """Wait until so many clients listen; for more than one, until they did for half a second.

    Parameters
    ----------
    outlet : pylsl.StreamOutlet
        Of this process.
    n_clients : int
        1 or more.
    stop : callable
        Ends the wait when true.
    on_status : callable
        Gets a line whenever their number changes.
    """
    on_status("waiting for a client" if n_clients == 1 else f"waiting for {n_clients} clients")
    while not outlet.wait_for_consumers(0.2) and not stop():
        pass
    told, since = 0, None
    while n_clients > 1 and not stop():
        found = count_clients(outlet)
        if found != told:
            told = found
            on_status(f"waiting for {n_clients} clients: {found} there")
        if found < n_clients:
            since = None
        elif since is None:
            since = time.monotonic()
        elif time.monotonic() - since > HELD_S:
            return
        time.sleep(POLL_S)
