"""Serves the live cortex to browsers until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from convdip.bundle import load_bundle
from convdip.errors import ConfigError, DisplayError
from convdip.priority import give_way


def run_web(
    name: str | None,
    model: str | None,
    host: str,
    port: int,
    stop: Callable[[], bool],
    announce: Callable[[str], None],
) -> dict[str, Any]:
    """Show a service to browsers until ``stop()`` is true.

    Parameters
    ----------
    name : str or None
        Stem of the service's streams; None: the only one there is.
    model : str or None
        Bundle with the head model; None: the one that the stream names.
    host : str
        Address to listen on.
    port : int
        0: any that is free.
    stop : callable
    announce : callable
        Called with the address to open in a browser.

    Returns
    -------
    summary : dict
        What ``convdip web --json`` prints.

    Raises
    ------
    DisplayError
        If the extra is not installed, or the address cannot be listened on.
    """
    if not 0 <= port <= 65_535:
        raise ConfigError(f"`port` is {port}: expected 1024 to 65535, or 0 for any that is free")
    if find_spec("websockets") is None:
        raise DisplayError(
            "the live cortex in a browser needs websockets, not installed here: scripts/install web"
        )
    from convdip.web.live import Live
    from convdip.web.server import WebServer

    if model is not None:
        load_bundle(model)  # a wrong name is told before a page opens
    give_way()
    live = Live(name, model)
    server = WebServer(live)
    try:
        asyncio.run(server.run(host, port, stop, announce))
    finally:
        live.close()
    feed = live.feed
    return {
        "name": feed.name or None,
        "model": None if feed.service is None else feed.service.bundle.name,
        "samples": feed.n_samples,
        "missing": feed.n_missing,
        "pages": server.summary(),
    }
