"""A session in blocks: rest, regulate, transfer, sham, pause."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError

Kind = Literal["rest", "regulate", "transfer", "sham", "pause"]

# Where a block must last longer than it says, it is asked again after so long.
AGAIN_S = 1.0
# So many markers may lie in the future, by their stamps.
MOST_HEARD = 1000


@dataclass(frozen=True)
class Block:
    """A part of a session.

    Attributes
    ----------
    kind : 'rest', 'regulate', 'transfer', 'sham' or 'pause'
        Rest gathers the baseline, where there is none. Feedback is given while regulating; in
        sham blocks, another session's. In all others there is none; a transfer is regulating
        without feedback.
    seconds : float or None
        How long; without it, until a marker says so, or for ever.
    name : str
        For people; by default, the kind.
    begin, end : str
        LSL markers that it waits for; without them it begins when the one before is over, and ends
        after its seconds.
    """

    kind: Kind
    seconds: float | None = None
    name: str = ""
    begin: str = ""
    end: str = ""

    @property
    def shown_kind(self) -> Kind:
        """What is said of it: sham is regulating, to all who look on."""
        return "regulate" if self.kind == "sham" else self.kind

    @property
    def label(self) -> str:
        """Its name, to all who look on."""
        return self.name or self.shown_kind

    @property
    def gives_feedback(self) -> bool:
        """Whether there is feedback in it, the person's own or not."""
        return self.shown_kind == "regulate"


def check_blocks(blocks: Sequence[Block]) -> None:
    """Refuse blocks that would never begin, or last no time.

    Raises
    ------
    ConfigError
    """
    if not blocks:
        raise ConfigError("the protocol has no blocks: expected one or more")
    for number, block in enumerate(blocks, 1):
        where = f"block {number} of the protocol, {block.name or block.kind}"
        if block.seconds is not None and not 0 < block.seconds < math.inf:
            raise ConfigError(f"{where}, lasts {block.seconds:g} s: expected more than 0")
        if block.begin and block.begin == block.end:
            raise ConfigError(f"{where}, begins and ends with one marker: expected two")
        following = blocks[number] if number < len(blocks) else None
        is_endless = block.seconds is None and not block.end
        if following is not None and is_endless and not following.begin:
            raise ConfigError(
                f"{where}, never ends: expected `seconds`, `end`, or `begin` in the next"
            )


class Course:
    """Goes through blocks, sample by sample.

    Borders lie between samples, by their stamps: a block holds those from its beginning on, and
    before its end. What a marker says holds from its own stamp on, or from the next sample, where
    that was imaged before the marker came.

    Parameters
    ----------
    blocks : sequence of Block
        Checked.
    must_last : callable
        Asked when the time of a block is over: whether it goes on all the same.

    Attributes
    ----------
    number : int
        Of the block, from 1; 0 where there is none.
    is_over : bool
        Whether the last has ended.
    """

    def __init__(
        self, blocks: Sequence[Block], must_last: Callable[[Block], bool] = lambda block: False
    ) -> None:
        self.number, self.is_over = 0, False
        self._blocks, self._must_last = blocks, must_last
        # Of the block that runs, and when the next may begin.
        self._begin_s, self._end_s = math.nan, math.inf
        self._next, self._due_s = 0, _due_s(blocks, 0)
        self._heard = list[tuple[float, str]]()
        self._waited_for = {said for block in blocks for said in (block.begin, block.end)} - {""}

    @property
    def block(self) -> Block | None:
        """The block that runs."""
        return self._blocks[self.number - 1] if self.number else None

    def hear(self, said: str, stamp: float) -> None:
        """Take a marker into account, whatever it says, once samples are as late as it is."""
        if said in self._waited_for and len(self._heard) < MOST_HEARD:
            bisect.insort(self._heard, (stamp, said))

    def pieces(self, stamps: NDArray[np.float64]) -> Iterator[tuple[slice, bool]]:
        """Yield samples that belong to one block, and whether it began or ended with them."""
        first = 0
        while first < len(stamps):
            has_moved = self._move(float(stamps[first]))
            border_s = min([self._border_s, *(stamp for stamp, _ in self._heard[:1])])
            later = np.flatnonzero(stamps[first + 1 :] >= border_s)
            end = first + 1 + int(later[0]) if later.size else len(stamps)
            yield slice(first, end), has_moved
            first = end

    def _move(self, stamp: float) -> bool:
        """Go on to a sample; return whether a block began or ended."""
        has_moved = False
        while self._heard and self._heard[0][0] <= stamp:
            at_s, said = self._heard.pop(0)
            has_moved |= self._go_on(at_s)
            self._take(said, at_s)
        return self._go_on(stamp) or has_moved

    def _take(self, said: str, stamp: float) -> None:
        """Let a marker begin or end what it begins or ends."""
        block = self.block
        if block is not None and block.end and said == block.end and stamp > self._begin_s:
            self._end_s = min(self._end_s, stamp)
        if self.is_over or self._next == len(self._blocks):
            return
        if said == self._blocks[self._next].begin:
            if block is None:
                self._due_s = stamp
            elif block.seconds is None and not block.end:  # the next one's beginning is its end
                self._end_s = self._due_s = stamp

    @property
    def _border_s(self) -> float:
        """When something begins or ends next, as far as that is known."""
        if self.is_over:
            return math.inf
        return self._due_s if self.block is None else self._end_s

    def _go_on(self, stamp: float) -> bool:
        """End and begin what is due at a time; return whether anything was."""
        block, has_moved = self.block, False
        if block is not None and stamp >= self._end_s:
            if self._must_last(block):
                self._end_s = stamp + AGAIN_S
            else:
                self.number, has_moved = 0, True
                self.is_over = self._next == len(self._blocks)
        if self.block is None and not self.is_over and stamp >= self._due_s:
            block = self._blocks[self._next]
            self.number = self._next = self._next + 1
            self._begin_s, has_moved = stamp, True
            self._end_s = math.inf if block.seconds is None else stamp + block.seconds
            self._due_s = _due_s(self._blocks, self._next)
        return has_moved


def _due_s(blocks: Sequence[Block], number: int) -> float:
    """Return from when on a block may begin: at once, unless it waits for a marker."""
    waits = number == len(blocks) or blocks[number].begin
    return math.inf if waits else -math.inf
