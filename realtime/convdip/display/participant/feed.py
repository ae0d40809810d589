"""The feedback stream, found and followed."""

from __future__ import annotations

import pylsl

from convdip.display.follower import Follower, Wanted
from convdip.display.participant.sitting import Block, Sitting, blocks_of
from convdip.errors import StreamError
from convdip.streams import FEEDBACK, FEEDBACK_TYPE, read_blocks, stem_of, stream_name

MAX_SAMPLES = 256
LOOK_S = 0.1
# Twice as long as liblsl needs to hear of a second one.
ALONE_S = 1.0


class FeedbackFeed:
    """Reads the feedback of one service, through its losses.

    Parameters
    ----------
    name : str or None
        Stem of the service's streams; None: the only one there is.

    Attributes
    ----------
    name : str
        The stem; empty while it is not known.
    sitting : Sitting
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = ""
        self.sitting = Sitting({})
        self._resolver = pylsl.ContinuousResolver()
        self._follower: Follower | None = None
        self._uid = ""
        self._look_due_s = 0.0
        if name is not None:
            self._choose(name)

    @property
    def refusal(self) -> str:
        """Why the stream cannot be read; empty for nothing."""
        return "" if self._follower is None else self._follower.refusal

    def poll(self, now_s: float) -> None:
        """Read all that has come by an LSL time."""
        if now_s >= self._look_due_s:
            self._look(now_s)
        if self._follower is None:
            return
        n_read = MAX_SAMPLES
        while n_read == MAX_SAMPLES:
            samples, stamps = self._follower.read_numbers(now_s)
            n_read = len(stamps)
            if n_read:
                labels = self._follower.facts[0]
                rows = [dict(zip(labels, row, strict=True)) for row in samples.tolist()]
                self.sitting.add(rows, stamps.tolist())

    def _choose(self, name: str) -> None:
        self.name = name
        wanted = Wanted(stream_name(name, "Feedback"))
        self._follower = Follower(wanted, MAX_SAMPLES, _understand)

    def _look(self, now_s: float) -> None:
        """Look for the stream, and open it."""
        there = self._resolver.results()
        if self._follower is None:
            self._look_due_s = now_s + ALONE_S
            names = {stream.name() for stream in there if stream.type() == FEEDBACK_TYPE}
            if len(names) == 1 and (stem := stem_of(names.pop(), "Feedback")) is not None:
                self._choose(stem)
            return
        self._look_due_s = now_s + LOOK_S
        if self._follower.follow(there, now_s):
            assert self._follower.info is not None
            # The same run of the service goes on where it was.
            if self._follower.info.uid() != self._uid:
                self._uid = self._follower.info.uid()
                self.sitting = Sitting(self._follower.facts[1])

    def close(self) -> None:
        """Let the stream go."""
        if self._follower is not None:
            self._follower.close()


def _understand(info: pylsl.StreamInfo) -> tuple[list[str], dict[int, Block]]:
    """Return the labels of the channels, and the blocks of the protocol.

    Raises
    ------
    StreamError
        If it is no stream of feedback.
    """
    labels = [label or "" for label in info.get_channel_labels() or []]
    missing = [label for label in FEEDBACK if label not in labels]
    if missing:
        raise StreamError(
            f"{info.name()} has no channel {missing[0]!r}: expected the feedback of convdip run"
        )
    return labels, blocks_of(read_blocks(info))
