"""What a service reports beside its sources: its health, its events, and when it said so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convdip.display.bad_electrodes import BadElectrodes
from convdip.display.horizon import Horizon
from convdip.display.marks import Mark, Marks
from convdip.display.spans import Artefacts
from convdip.live.conditioning import MAINS_HZ
from convdip.streams import Event, EventMessage, read_quality
from convdip.text import one_line

# An older report says nothing of now.
REPORT_S = 0.5
MOST_GAPS = 100
# Events that are drawn at their time; electrodes and gaps are drawn as they last.
MARKED = (
    Event.LOST,
    Event.BACK,
    Event.OVERFLOW,
    Event.OVERLOAD,
    Event.CLOCK,
    Event.LEVEL,
    Event.NOTCH,
    Event.OPERATOR,
    Event.NETWORK,
    Event.REST,
)


class Reports:
    """The latest report, and half a minute of what was told.

    Attributes
    ----------
    electrodes : BadElectrodes
        Which the service found bad, and when.
    marks : Marks
        Its events; others may add markers.
    artefacts : Artefacts
    told_gaps_s : list of float
        When it told that samples are missing.
    invalid : str
        Why it gives no estimates; empty if it does, or never said.
    notch_hz : float or None
        What it filters out since it found mains.
    """

    def __init__(self) -> None:
        self._news: list[str] = []
        self.forget_all()
        self.restart(-np.inf)

    def forget_all(self) -> None:
        """Begin a new history."""
        self.electrodes, self.marks, self.artefacts = BadElectrodes(), Marks(), Artefacts()
        self.told_gaps_s: list[float] = []

    def restart(self, now_s: float) -> None:
        """Begin with what a service says that was opened at an LSL time."""
        self.electrodes.restart(now_s)
        self._latest: dict[str, float] = {}
        self._latest_s = -np.inf
        self.invalid = ""
        self.notch_hz: float | None = None

    def report(self, row: NDArray[np.float32], stamp: float, now_s: float) -> None:
        """Take in a sample of the quality stream."""
        self._latest, self._latest_s = read_quality(row.tolist()), now_s
        newest_s = stamp - self._latest["age_now"] / 1e3
        self.artefacts.add(self._latest["artefact"], newest_s)

    def latest(self, now_s: float) -> dict[str, float]:
        """Return the latest health report; empty where none came of late."""
        return self._latest if now_s - self._latest_s < REPORT_S else {}

    def take_news(self) -> list[str]:
        """Return the events since the last time, in words."""
        news, self._news = self._news, []
        return news

    def hear(self, message: EventMessage, stamp: float, stream: str, now_s: float) -> None:
        """Take in an event that a stream told."""
        facts = message.facts
        is_repeated = bool(facts.get("repeated"))
        if not is_repeated:
            self._news.append(message.text)
            if words := _marked(message):
                self.marks.add(Mark(stamp, words, stream), now_s)
        name, reason = str(facts.get("electrode", "")), str(facts.get("reason", ""))
        if message.event == Event.BAD:
            is_kept = bool(facts.get("kept"))
            self.electrodes.bad(
                name, reason, stamp, now_s, is_kept=is_kept, is_repeated=is_repeated
            )
        elif message.event == Event.GOOD:
            self.electrodes.good(name, stamp)
        elif message.event == Event.NOTCH:
            hz = facts.get("hz")
            self.notch_hz = hz if hz in MAINS_HZ else None
        elif message.event == Event.INVALID:
            self.invalid = reason
        elif message.event == Event.VALID:
            self.invalid = ""
        elif message.event in (Event.GAP, Event.OVERFLOW):
            self.told_gaps_s = [*self.told_gaps_s[1 - MOST_GAPS :], stamp]

    def forget(self, horizon: Horizon) -> None:
        """Drop what can no longer be looked at."""
        for kept in (self.marks, self.electrodes, self.artefacts):
            kept.forget(horizon)


def _marked(message: EventMessage) -> str:
    """Return the words with which an event is drawn at its time; empty for one that is not."""
    facts = message.facts
    if message.event == Event.BLOCK:
        return one_line(str(facts.get("name") or message.text))
    if message.event == Event.INVALID:
        return one_line(f"no estimates: {facts.get('reason', '')}")
    return str(message.event) if message.event in MARKED else ""
