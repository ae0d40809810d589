"""Which stream is the input: found by name, told apart from others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pylsl

from convdip.errors import StreamError
from convdip.live.inlet import unfit
from convdip.live.listening import POLL_S, Listening
from convdip.live.montage import MIN_ELECTRODES
from convdip.streams import Sender, read_sender, told

# After the first hit, how long to listen for a second stream that fits: half a second after liblsl
# has asked everybody, it asks the peers that it knows of.
SETTLE_S = 0.75
# Of the streams that there are, how many a message lists.
MOST_LISTED = 8

# What tells streams apart, where it is not the same for all, and how it is said.
TELLS_APART: dict[str, Callable[[Sender], str]] = {
    "type": lambda one: f"type {told(one.type)}",
    "sample_format": lambda one: one.sample_format,
    "n_channels": lambda one: f"{one.n_channels} channels",
    "sfreq_hz": lambda one: f"{one.sfreq_hz:g} Hz",
}


@dataclass(frozen=True)
class Choice:
    """Which stream is asked for.

    Attributes
    ----------
    name : str or None
        Name of the stream, or ``NAME@host`` for the one of a computer; None: any EEG stream.
    source_id : str or None
        What its program calls it; None: whatever.
    """

    name: str | None = None
    source_id: str | None = None

    def __str__(self) -> str:
        """Return it in words."""
        wanted = f"named {self.name!r}" if self.name else "of type EEG"
        return wanted + (f" with source id {told(self.source_id)}" if self.source_id else "")

    @property
    def settings(self) -> str:
        """How to ask for it."""
        given = {"input": self.name, "source_id": self.source_id}
        return " and ".join(f"`{key}='{told(said)}'`" for key, said in given.items() if said)

    def among(self, there: Iterable[Sender]) -> list[Sender]:
        """Return the streams that are meant.

        A stream's whole name comes first: it may have an @ in it.
        """
        fitting = [
            one for one in there if self.source_id is None or one.source_id == self.source_id
        ]
        if not self.name:
            return [one for one in fitting if _is_eeg(one)]
        named = [one for one in fitting if one.name == self.name]
        name, at, host = self.name.rpartition("@")
        if named or not at:
            return named
        # Computers' names know no case.
        return [
            one
            for one in fitting
            if one.name == name and one.hostname.casefold() == host.casefold()
        ]

    def fitting(self, there: Iterable[Sender]) -> list[Sender]:
        """Return those of the streams that are meant that could be the input, if any could.

        An amplifier's EEG and its accelerometer may share a name and a source id.
        """
        meant = self.among(there)
        for could_be in (_can_be_read, _is_eeg, _has_electrodes):
            if len(meant) > 1:
                meant = [one for one in meant if could_be(one)] or meant
        return meant

    def only_one(self, there: Iterable[Sender]) -> Sender | None:
        """Return the stream that is meant, None for none yet.

        Raises
        ------
        StreamError
            If several fit.
        """
        fitting = self.fitting(there)
        if len(fitting) > 1:
            raise StreamError(f"{len(fitting)} streams fit: {listed(fitting)}")
        return fitting[0] if fitting else None


def described(one: Sender, others: Sequence[Sender] = ()) -> str:
    """Say which stream it is, and what tells it apart from others."""
    apart = [
        say(one)
        for key, say in TELLS_APART.items()
        if len({getattr(other, key) for other in others}) > 1
    ]
    source_id = f"source id {told(one.source_id)}" if one.source_id else "no source id"
    return ", ".join([f"{told(one.name)} on {told(one.hostname)}", source_id, *apart])


def listed(ones: Sequence[Sender]) -> str:
    """Say which streams there are, and how to choose each."""
    said = [f"{described(one, ones)} ({how_to_choose(one, ones)})" for one in ones[:MOST_LISTED]]
    more = len(ones) - MOST_LISTED
    return "; ".join([*said, f"and {more} more"] if more > 0 else said)


def how_to_choose(one: Sender, there: Iterable[Sender]) -> str:
    """Return the settings that choose a stream and none of the others that are there."""
    name, source_id = one.name, one.source_id
    at_host = f"{name}@{one.hostname}"
    ways = [Choice(name), Choice(at_host)]
    if source_id:
        ways += [Choice(None, source_id), Choice(name, source_id), Choice(at_host, source_id)]
    all_ = {stream.uid: stream for stream in (*there, one)}.values()
    for way in ways:
        if way.fitting(all_) == [one]:
            return f"use {way.settings}"
    return "its program must give it a name of its own"


def find_streams(wait_s: float) -> list[pylsl.StreamInfo]:
    """Return all streams that answer within a time."""
    resolver = pylsl.ContinuousResolver()
    time.sleep(wait_s)
    return list(resolver.results())


def found_by(resolver: pylsl.ContinuousResolver) -> dict[str, tuple[Sender, pylsl.StreamInfo]]:
    """Return the streams that a resolver knows, by their uid."""
    infos = {info.uid(): info for info in resolver.results()}
    # What has none is no stream: liblsl lists what it could not read, too.
    return {uid: (read_sender(info), info) for uid, info in infos.items() if uid}


def resolve(
    name: str | None,
    wait_s: float,
    *,
    source_id: str | None = None,
    settle_s: float = SETTLE_S,
    stop: Callable[[], bool] = lambda: False,
    listening: Listening | None = None,
    meanwhile: Callable[[pylsl.StreamInfo], None] = lambda stream: None,
) -> pylsl.StreamInfo | None:
    """Find the one stream to read; None if stopped before.

    Parameters
    ----------
    name : str or None
        Name, or ``NAME@host``; None: the only EEG stream there is.
    wait_s : float
        How long to look.
    source_id : str, optional
        Where given, the stream must have it.
    settle_s : float
        How long to go on looking for a second one, which is an error.
    stop : callable
        Ends the search when true.
    listening : Listening, optional
        What was begun already, and goes on.
    meanwhile : callable
        Gets the stream that seems to be meant, while others may still answer.

    Raises
    ------
    StreamError
        If no stream, or more than one, fits.
    """
    choice = Choice(name, source_id)
    resolver = pylsl.ContinuousResolver() if listening is None else listening.resolver
    deadline = time.monotonic() + wait_s
    while not stop():
        there = found_by(resolver)
        if choice.among(sender for sender, _ in there.values()):
            break
        if time.monotonic() > deadline:
            raise StreamError(_not_found([sender for sender, _ in there.values()], choice, wait_s))
        time.sleep(POLL_S)
    else:
        return None
    until_s = settle_s + min(
        time.monotonic() if listening is None else listening.since_s(sender.uid)
        for sender in choice.among(sender for sender, _ in there.values())
    )
    with suppress(StreamError):  # another one may still be meant
        one = choice.only_one(sender for sender, _ in there.values())
        if one is not None:
            meanwhile(there[one.uid][1])
    time.sleep(max(0.0, until_s - time.monotonic()))
    there = found_by(resolver)
    one = choice.only_one(sender for sender, _ in there.values())
    if one is None:
        raise StreamError("the stream disappeared while connecting: restart the sender")
    return there[one.uid][1]


def _not_found(there: Sequence[Sender], choice: Choice, wait_s: float) -> str:
    names = sorted({f"{told(one.name)} ({told(one.type)})" for one in there})
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    seen = (", ".join(names[:MOST_LISTED]) or "none") + more
    eeg = sorted(Choice().among(there), key=lambda one: one.name)
    advice = "start the amplifier's LSL app first, or wait longer with `wait_s`"
    if eeg:
        advice = f"{how_to_choose(eeg[0], there)}, or start the sender of the other one first"
    return f"no stream {choice} within {wait_s:g} s; on the network: {seen}; {advice}"


def _can_be_read(stream: Sender) -> bool:
    return not unfit(stream)


def _is_eeg(stream: Sender) -> bool:
    return stream.type.lower() == "eeg"


def _has_electrodes(stream: Sender) -> bool:
    return stream.n_channels >= MIN_ELECTRODES
