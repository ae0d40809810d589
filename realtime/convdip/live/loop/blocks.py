"""A protocol while it runs: which block a sample is of, told at each border."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from convdip.feedback.protocol import Block, Course
from convdip.feedback.sham import Sham
from convdip.live.events import Say
from convdip.live.loop.protocol_file import Protocol
from convdip.streams import Event


class Blocks:
    """Goes through a protocol's blocks; without one, all samples are alike.

    Parameters
    ----------
    protocol : Protocol or None
    sfreq_hz : float
    must_last : callable
        Asked when the time of a block is over: whether it goes on all the same.
    say : Say

    Raises
    ------
    ConfigError
        If the record for sham cannot be replayed.
    """

    def __init__(
        self,
        protocol: Protocol | None,
        sfreq_hz: float,
        must_last: Callable[[Block], bool],
        say: Say,
    ) -> None:
        self._protocol, self._say, self._is_begun = protocol, say, False
        self._course = None if protocol is None else Course(protocol.blocks, must_last)
        has_sham = protocol is not None and any(one.kind == "sham" for one in protocol.blocks)
        self._sham = None
        if protocol is not None and protocol.sham is not None and has_sham:
            self._sham = Sham(protocol.sham, sfreq_hz)

    @property
    def number(self) -> int:
        """Of the block that runs, from 1; 0 for none."""
        return 0 if self._course is None else self._course.number

    @property
    def block(self) -> Block | None:
        """The block that runs."""
        return None if self._course is None else self._course.block

    @property
    def gives_feedback(self) -> bool:
        """Whether there may be feedback now."""
        if self._course is None:
            return True
        return self._course.block is not None and self._course.block.gives_feedback

    def hear(self, said: str, stamp: float) -> None:
        """Take a marker into account, whatever it says."""
        if self._course is not None:
            self._course.hear(said, stamp)

    def pieces(self, stamps: NDArray[np.float64], *, is_ready: bool) -> Iterator[slice]:
        """Yield samples that belong to one block.

        Parameters
        ----------
        stamps : ndarray, shape (n_times,)
        is_ready : bool
            Whether the first block may begin: there is something to measure.
        """
        self._is_begun |= is_ready
        if self._course is None or not self._is_begun:
            yield slice(0, len(stamps))
            return
        for rows, has_moved in self._course.pieces(stamps):
            if has_moved:
                self._tell(float(stamps[rows.start]))
            yield rows

    def replayed(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what is fed back: what was measured, or in sham blocks a record's."""
        block = self.block
        if block is None or block.kind != "sham" or self._sham is None:
            return z
        return self._sham(z)

    def _tell(self, stamp: float) -> None:
        """Tell a border, at the time of the first sample behind it."""
        assert self._protocol is not None
        assert self._course is not None
        block, n = self._course.block, len(self._protocol.blocks)
        if block is None:
            text = "the protocol is over" if self._course.is_over else "between blocks"
            self._say(Event.BLOCK, text, stamp, logging.WARNING, number=0, kind="none")
            return
        length = "" if block.seconds is None else f", {block.seconds:g} s"
        self._say(
            Event.BLOCK,
            f"block {self.number} of {n}: {block.label}{length}",
            stamp,
            logging.WARNING,
            number=self.number,
            kind=block.shown_kind,
            name=block.label,
            seconds=block.seconds,
        )


def described(protocol: Protocol | None) -> list[dict[str, str]]:
    """Return what is said of each block to all who look on."""
    return [
        {
            "number": str(number),
            "name": block.label,
            "kind": block.shown_kind,
            "seconds": "" if block.seconds is None else f"{block.seconds:g}",
            "begin": block.begin,
            "end": block.end,
        }
        for number, block in enumerate(() if protocol is None else protocol.blocks, 1)
    ]
