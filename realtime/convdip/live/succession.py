"""After a loss: which stream is the lost one again, and which only looks like it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pylsl

from convdip.errors import StreamError
from convdip.live.events import Say
from convdip.live.inlet import Inlet, unfit
from convdip.live.sender import (
    MOST_LISTED,
    SETTLE_S,
    described,
    found_by,
    how_to_choose,
    listed,
)
from convdip.live.watch import REPEAT_S
from convdip.streams import EegDescription, Event, Sender, told

log = logging.getLogger(__name__)

# How long a candidate's answers may take, and how long until one that does not is asked again.
ANSWER_S, RETRY_S = 3.0, 3.0
# Asked at once: one that hangs must not keep the others waiting, nor a hundred the computer.
MOST_ASKED = 4
# The last sample's time and a stream's own may be so far off: two clocks were compared.
CLOCK_ERROR_S = 0.1
# Refusals that are told of one loss; more are an attack, or a sender that starts again and again.
MOST_TOLD = 200


def impostor(bound: Sender, one: Sender) -> str:
    """Say why a stream cannot be the bound one, as far as is known before it is opened.

    Empty for nothing: it may be the same outlet, or the same sender, started again.
    """
    said = [bound.difference(one)]
    if one.hostname != bound.hostname:
        said.append(f"host {told(one.hostname)}, expected {told(bound.hostname)}")
    return "; ".join(filter(None, said))


def heirs(
    bound: Sender, fitting: Sequence[Sender], *, by_id_alone: bool = False
) -> Sequence[Sender]:
    """Return the streams that are the bound one again, as far as can be told: best, only one.

    Parameters
    ----------
    bound : Sender
    fitting : sequence of Sender
        Of its host and its description.
    by_id_alone : bool
        Whether another source id will not do, since one was asked for.
    """
    for rank in (0, 1) if by_id_alone else (0, 1, 2):
        of_rank = [one for one in fitting if _rank(bound, one) == rank]
        if of_rank:
            return of_rank
    return []


def _rank(bound: Sender, one: Sender) -> int:
    """Return 0 for the same outlet, 1 for the same source id, 2 for another id."""
    return 0 if one.uid == bound.uid else 1 if one.source_id == bound.source_id else 2


@dataclass
class _Candidate:
    """A stream of the bound one's name.

    ``difference`` is None until it was asked, and empty where it fits.
    """

    sender: Sender
    info: pylsl.StreamInfo
    difference: str | None = None
    fits_since_s: float = 0.0
    ask_again_s: float = float("inf")
    inlet: Inlet | None = None
    thread: threading.Thread | None = None
    answers: list[tuple[Inlet | None, str, bool]] = field(default_factory=list)


class Succession:
    """Looks for a stream that was lost, or fell silent, and says what it does not take for it.

    The same outlet is taken, or the same sender started again: from the same computer, with the
    same name, source id and description, made after the last sample of the lost one. A stream of
    another source id is taken if it is all of this otherwise, and the only one.

    Parameters
    ----------
    bound : EegDescription
        The stream to look for.
    since_s : float
        When its last sample came, on LSL's clock: who was there before is another one.
    say : Say
        Where events go.
    by_id_alone : bool
        Whether another source id will not do, since one was asked for.
    but_bound : bool
        Whether the bound outlet itself is not looked for: it is silent, and still connected.
    """

    def __init__(
        self,
        bound: EegDescription,
        since_s: float,
        say: Say,
        *,
        by_id_alone: bool = False,
        but_bound: bool = False,
    ) -> None:
        self._bound, self._since_s, self._say = bound, since_s, say
        self._by_id_alone, self._but_bound = by_id_alone, but_bound
        self._resolver = pylsl.ContinuousResolver()
        self._candidates: dict[str, _Candidate] = {}
        self._told: dict[tuple[str, str, str], float] = {}
        self._summed_up_s = pylsl.local_clock()
        self._is_summed_up = False

    def look(self) -> Inlet | None:
        """Return the stream, open, once it is there; to be called again and again.

        It takes no time: what is asked of streams is asked in threads.
        """
        now_s = pylsl.local_clock()
        there = found_by(self._resolver)
        self._gather(there)
        for one in self._candidates.values():
            self._hear(one, now_s)
        inlet = self._take(now_s)
        if inlet is None:
            self._ask(now_s)
            self._tell(now_s, [sender for sender, _ in there.values()])
        return inlet

    def _gather(self, there: dict[str, tuple[Sender, pylsl.StreamInfo]]) -> None:
        """Note who is new, and forget who is gone."""
        for uid in [uid for uid in self._candidates if uid not in there]:
            del self._candidates[uid]
        for uid, (sender, info) in there.items():
            is_bound = uid == self._bound.uid
            if sender.name != self._bound.name or (is_bound and self._but_bound):
                continue
            if uid not in self._candidates:
                self._candidates[uid] = _Candidate(
                    sender, info, impostor(self._bound, sender) or None
                )

    def _hear(self, one: _Candidate, now_s: float) -> None:
        """Take in what a candidate answered."""
        one.inlet = None  # one that was not taken is opened anew: its samples would be old
        if one.thread is None or one.thread.is_alive():
            return
        one.thread = None
        one.inlet, difference, is_final = one.answers.pop()
        if difference or one.difference != "":
            one.fits_since_s = now_s
        one.difference = difference
        one.ask_again_s = float("inf") if is_final else now_s + RETRY_S

    def _take(self, now_s: float) -> Inlet | None:
        """Return the one that is the lost stream again, if there is one."""
        fitting = [one for one in self._candidates.values() if one.difference == ""]
        uids = {
            one.uid
            for one in heirs(
                self._bound, [one.sender for one in fitting], by_id_alone=self._by_id_alone
            )
        }
        chosen = [one for one in fitting if one.sender.uid in uids]
        if len(chosen) != 1:
            return None
        [one] = chosen
        rank, fits_s = _rank(self._bound, one.sender), now_s - one.fits_since_s
        is_another_asked = any(
            other.difference is None and _rank(self._bound, other.sender) <= rank
            for other in self._candidates.values()
        )
        if (is_another_asked and fits_s < ANSWER_S) or (rank == 2 and fits_s < SETTLE_S):
            return None
        if one.inlet is None:
            self._begin_to_ask(one)
        return one.inlet

    def _ask(self, now_s: float) -> None:
        """Open those that may be it: the likely ones first, then the youngest."""
        n_asked = sum(one.thread is not None for one in self._candidates.values())
        waiting = [
            one
            for one in self._candidates.values()
            if one.thread is None and (one.difference is None or now_s > one.ask_again_s)
        ]
        waiting.sort(
            key=lambda one: (
                one.difference is not None,
                _rank(self._bound, one.sender),
                -one.sender.created_at,
            )
        )
        for one in waiting[: max(0, MOST_ASKED - n_asked)]:
            self._begin_to_ask(one)

    def _begin_to_ask(self, one: _Candidate) -> None:
        if one.thread is None:
            one.thread = threading.Thread(
                target=self._open, args=(one,), name="convdip-look", daemon=True
            )
            one.thread.start()

    def _open(self, one: _Candidate) -> None:
        """Open a candidate and compare it; runs in a thread, and whatever comes is an answer."""
        try:
            inlet = Inlet(one.info, ANSWER_S)
            difference = self._bound.difference(inlet.description)
            is_new = inlet.created_s > self._since_s - CLOCK_ERROR_S
            if not difference and not is_new and one.sender.uid != self._bound.uid:
                difference = "it was there before"
            one.answers.append((None if difference else inlet, difference, True))
        except StreamError as error:
            one.answers.append((None, str(error), False))
        except Exception as error:
            log.debug("a candidate cannot be read", exc_info=True)
            one.answers.append((None, f"it cannot be read ({type(error).__name__})", False))

    def _tell(self, now_s: float, there: Sequence[Sender]) -> None:
        """Say who was refused and why, once, and now and then again; and who else is there."""
        candidates = list(self._candidates.values())
        alike = heirs(
            self._bound,
            [one.sender for one in candidates if one.difference == ""],
            by_id_alone=self._by_id_alone,
        )
        for one in candidates:
            difference = one.difference or ""
            if len(alike) > 1 and one.sender in alike:
                others = [other for other in alike if other != one.sender]
                difference = f"it cannot be told from {_with_uid(others)}"
            elif one.difference == "" and one.sender not in alike and self._by_id_alone:
                difference = f"source id {told(one.sender.source_id)} is not the one asked for"
            if difference:
                self._refuse(one.sender, difference, now_s, there)
        if not self._but_bound and now_s - self._summed_up_s > REPEAT_S:
            self._sum_up(now_s, there)

    def _refuse(self, one: Sender, difference: str, now_s: float, there: Iterable[Sender]) -> None:
        key = (one.hostname, one.source_id, difference)
        told_s = self._told.get(key)
        if told_s is None and len(self._told) >= MOST_TOLD:
            return
        if told_s is not None and now_s - told_s < REPEAT_S:
            return
        self._told[key] = now_s
        text = f"{described(one)} is not taken for the input: {difference}"
        if not self._bound.difference(one):
            text += f"; to take it, restart the service ({how_to_choose(one, there)})"
        facts: dict[str, object] = {
            "source_id": one.source_id,
            "hostname": one.hostname,
            "uid": one.uid,
            "difference": difference,
        }
        level = logging.WARNING
        if told_s is not None:
            facts["repeated"] = True
            level = logging.DEBUG
        self._say(Event.REFUSED, text, now_s, level, **facts)

    def _sum_up(self, now_s: float, there: Sequence[Sender]) -> None:
        """Say that it is not back, and what could be the input instead."""
        self._summed_up_s = now_s
        level = logging.DEBUG if self._is_summed_up else logging.WARNING
        self._is_summed_up = True
        usable = [one for one in there if one.type == self._bound.type and not unfit(one)]
        text = f"input {told(self._bound.name)} is not back: start its sender again"
        if usable:
            text += f", or restart the service with one that is there: {listed(usable)}"
        others = [one.name for one in usable[:MOST_LISTED]]
        self._say(Event.LOST, text, now_s, level, others=others, repeated=True)


def _with_uid(ones: Sequence[Sender]) -> str:
    """Name streams of which all but the uid may be the same."""
    more = f" and {len(ones) - MOST_LISTED} more" if len(ones) > MOST_LISTED else ""
    return ", ".join(f"{described(one)}, uid {one.uid}" for one in ones[:MOST_LISTED]) + more
