"""One browser: it gets the newest there is, as fast as it draws."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pylsl
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from convdip.display.timing import Timing
from convdip.web.live import Live, Seen
from convdip.web.messages import to_json, understand

# Sent and not drawn yet: two keep a page busy while the answer travels.
MOST_IN_FLIGHT = 2
# Numbers and panels are renewed every third time, to be read.
SLOW_EVERY = 3
# A page draws sixty times a second at most; more is none of ours.
MOST_MESSAGES_A_SECOND = 300
POLICY = 1008


class Client:
    """Sends what is to be seen, and takes in what the page says.

    Parameters
    ----------
    connection : ServerConnection
    live : Live

    Attributes
    ----------
    n_skipped : int
        Moments that the page was too slow for.
    """

    def __init__(self, connection: ServerConnection, live: Live) -> None:
        self.n_skipped = 0
        self._connection, self._live = connection, live
        self._wake = asyncio.Event()
        self._sent = Seen()
        self._n_sent = 0
        # By number: when it was sent, and the stamp of its map where that was a new one.
        self._in_flight: dict[int, tuple[float, float | None]] = {}
        self._timing, self._age_s = Timing(), float("nan")
        self._pinned: int | None = None
        self._looked: int | None = None
        self._second, self._n_in_second = 0, 0

    def wake(self) -> None:
        """There is something new to see."""
        self._wake.set()

    async def serve(self) -> None:
        """Serve the page until it is gone."""
        async with asyncio.TaskGroup() as tasks:
            showing = tasks.create_task(self._show())
            with suppress(ConnectionClosed):  # without a farewell
                async for said in self._connection:
                    await self._take(said)
            showing.cancel()

    async def _show(self) -> None:
        """Send the newest whenever there is something new, and the page is ready for it."""
        with suppress(ConnectionClosed):
            while True:
                await self._wake.wait()
                self._wake.clear()
                is_new = self._live.seen.number != self._sent.number
                if is_new and len(self._in_flight) < MOST_IN_FLIGHT:
                    await self._send(self._live.seen)

    async def _take(self, said: str | bytes) -> None:
        """Take in a message; whoever sends another than a page of ours is sent away."""
        try:
            self._hear(said)
        except ValueError as error:
            await self._connection.close(POLICY, str(error)[:100])

    async def _send(self, seen: Seen) -> None:
        """Send a moment: the map comes before the words that belong to it."""
        before, self._sent = self._sent, seen
        if before.number:
            self.n_skipped += seen.number - before.number - 1
        now_s = pylsl.local_clock()
        is_new_map = bool(seen.message) and seen.message is not before.message
        self._in_flight[seen.number] = now_s, seen.stamp if is_new_map else None
        messages: list[str | bytes] = []
        if seen.head is not before.head:
            messages.append(seen.head)
        if is_new_map:
            messages.append(seen.message)
        looked = self._live.moment(self._looked)
        messages.append(to_json(kind="now", sent_s=now_s, looked=looked, **seen.now or {}))
        if self._n_sent % SLOW_EVERY == 0:
            course = self._live.course(self._pinned, now_s)
            panels = self._live.panels(self._age_s, now_s)
            messages.append(to_json(kind="panels", course=course, **panels))
        self._n_sent += 1
        for message in messages:
            await self._connection.send(message)

    def _hear(self, said: str | bytes) -> None:
        """Take in what the page says; ValueError for what no page of ours would."""
        now_s = pylsl.local_clock()
        if int(now_s) != self._second:
            self._second, self._n_in_second = int(now_s), 0
        self._n_in_second += 1
        if self._n_in_second > MOST_MESSAGES_A_SECOND:
            raise ValueError("too many messages")
        [(key, value)] = understand(said).items()
        if key == "pin":
            self._pinned = value
        elif key == "look":
            self._looked = value
        elif key == "show":
            self._live.show(value)
        else:
            self._drawn(value, now_s)
        self.wake()

    def _drawn(self, number: int | None, now_s: float) -> None:
        """Take in that this was drawn, and what came before it left out."""
        if number not in self._in_flight:
            raise ValueError("drawn: expected a number that was sent")
        sent_s, stamp = self._in_flight[number]
        self._in_flight = {n: when for n, when in self._in_flight.items() if n > number}
        if stamp is not None:
            self._age_s = now_s - stamp
            self._timing.add(sent_s, now_s, stamp, is_stale=self._sent.is_grey)

    def summary(self) -> dict[str, Any]:
        """Return frames drawn, and their rates and ages, as JSON values."""
        return {**self._timing.summary(), "skipped": self.n_skipped}
