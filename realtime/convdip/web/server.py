"""The server: a few fixed files, and a WebSocket to each page."""

from __future__ import annotations

import asyncio
import errno
import http
import logging
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pylsl
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from convdip.errors import DisplayError
from convdip.web.access import Access
from convdip.web.client import POLICY, Client
from convdip.web.live import Live
from convdip.web.messages import MOST_BYTES, theme_style

FRAME_S = 1 / 30
MOST_CLIENTS = 8
# Of so many that left, the summary tells.
MOST_SUMMARIES = 20
SOCKET = "/live"
# The only paths there are.
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8")
       for name in ("main", "socket", "cortex", "camera", "controls", "pace", "panels")},
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/theme.css": ("", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}  # fmt: skip
SAFETY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

# Who comes and goes is no news.
connections = logging.getLogger("convdip.web.connections")
connections.setLevel(logging.WARNING)


class WebServer:
    """Shows a service to browsers.

    Parameters
    ----------
    live : Live
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._access = Access("", 0)
        self._clients: set[Client] = set()
        self._gone: list[dict[str, Any]] = []
        folder = files("convdip.web") / "page"
        self._files = {
            path: ((folder / name).read_bytes() if name else theme_style(), kind)
            for path, (name, kind) in PAGE.items()
        }

    async def run(
        self, host: str, port: int, stop: Callable[[], bool], announce: Callable[[str], None]
    ) -> None:
        """Serve until ``stop()`` is true.

        Parameters
        ----------
        host : str
        port : int
            0: any that is free.
        stop : callable
        announce : callable
            Called with the address to open in a browser.

        Raises
        ------
        DisplayError
            If the address cannot be listened on.
        """
        async with await self._listen(host, port) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            self._access = Access.to(host, port)
            announce(self._access.url)
            loop = asyncio.get_running_loop()
            due_s = loop.time()
            while not stop():
                self._live.poll(pylsl.local_clock())
                for client in self._clients:
                    client.wake()
                due_s = max(due_s + FRAME_S, loop.time())
                await asyncio.sleep(due_s - loop.time())

    async def _listen(self, host: str, port: int) -> Server:
        try:
            return await serve(
                self._handle,
                host,
                port,
                process_request=self._answer,
                max_size=MOST_BYTES,
                compression=None,  # a map hardly shrinks
                server_header=None,
                close_timeout=1.0,
                logger=connections,
            )
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise DisplayError(
                    f"`port` {port} is taken, perhaps by another convdip web: give another `port`, "
                    "or `port=0` for any that is free"
                ) from None
            raise DisplayError(
                f"{host}:{port} cannot be listened on ({error.strerror or error}): expected an "
                "address of this computer as `host`, or 0.0.0.0 for all, and a `port` above 1023"
            ) from None

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request for a file; None for the WebSocket."""
        headers, path = request.headers, request.path.partition("?")[0]
        said = {name: headers.get_all(name) for name in ("Host", "Origin")}
        if any(len(values) > 1 for values in said.values()):
            return _response(http.HTTPStatus.BAD_REQUEST, b"a header came twice")
        host, origin = (next(iter(values), None) for values in said.values())
        if refusal := self._access.refusal(host, origin):
            return _response(http.HTTPStatus.FORBIDDEN, refusal.encode())
        if path == SOCKET:
            return None
        if path not in self._files:
            return _response(http.HTTPStatus.NOT_FOUND, b"there is no such page")
        body, kind = self._files[path]
        return _response(http.HTTPStatus.OK, body, kind)

    async def _handle(self, connection: ServerConnection) -> None:
        """Serve a page's WebSocket; one that may not look is told why, and closed."""
        assert connection.request is not None
        if not self._access.admits(connection.request.path.partition("?")[2]):
            await connection.close(POLICY, "wrong token: open the whole address that was printed")
            return
        if len(self._clients) >= MOST_CLIENTS:
            await connection.close(POLICY, f"{MOST_CLIENTS} pages are open: close one")
            return
        client = Client(connection, self._live)
        self._clients.add(client)
        try:
            await client.serve()
        finally:
            self._clients.discard(client)
            self._gone = [*self._gone[1 - MOST_SUMMARIES :], client.summary()]

    def summary(self) -> list[dict[str, Any]]:
        """Return what the latest pages drew, as JSON values."""
        return [*self._gone, *(client.summary() for client in self._clients)]


def _response(
    status: http.HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8"
) -> Response:
    length = {"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
    return Response(status, status.phrase, Headers(SAFETY | length), body)
