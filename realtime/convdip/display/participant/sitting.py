"""What a participant is to see at a moment, from the samples of the feedback stream."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from convdip.display.freshness import BELIEVABLE_S, STALE_S
from convdip.feedback.features import Suspended

# What blinks suspend is back soon: no word needs to be read before that.
BRIEF_S = 1.0


@dataclass(frozen=True)
class Scene:
    """The scene is to be seen.

    Attributes
    ----------
    value : float or None
        To be followed; None while there is none.
    threshold : float
    is_above : bool
        Whether it counts as a success.
    stamp : float
        Of the value.
    word : str
        Why it stands still, for the participant; empty for nothing.
    """

    value: float | None
    threshold: float
    is_above: bool
    stamp: float
    word: str = ""


@dataclass(frozen=True)
class Page:
    """A page is to be seen.

    Attributes
    ----------
    title : str
    left_s : float or None
        How long it lasts; None where that is not known.
    score : float or None
        Share of the time above the threshold in the last block with feedback.
    """

    title: str
    left_s: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class Block:
    """What the feedback stream says of a block; ``seconds`` is NaN where it does not."""

    name: str
    kind: str
    seconds: float


def blocks_of(described: Iterable[Mapping[str, str]]) -> dict[int, Block]:
    """Return blocks by their number.

    Parameters
    ----------
    described : iterable of mapping
        From `convdip.streams.read_blocks`.
    """
    return {
        int(said["number"]): Block(
            said.get("name", ""), said.get("kind", ""), float(said.get("seconds") or "nan")
        )
        for said in described
    }


class Sitting:
    """Keeps count of one run of the service.

    Parameters
    ----------
    blocks : mapping of int to Block
        Of the protocol; empty without one.
    """

    def __init__(self, blocks: Mapping[int, Block]) -> None:
        self._blocks = blocks
        self._row: Mapping[str, float] = {}
        self._newest_s, self._begun_s = -math.inf, math.nan
        self._number = self._furthest = 0
        self._n_valid = self._n_above = 0
        self._score: float | None = None
        # Since when there has been no value, and why there was none at first.
        self._without_s, self._why = math.inf, 0.0

    @property
    def number(self) -> int:
        """Of the block, from 1; 0 for none."""
        return self._number

    @property
    def newest(self) -> Mapping[str, float]:
        """The newest sample, by the labels of its channels; empty before the first."""
        return self._row

    @property
    def block(self) -> Block | None:
        """The block that runs; None where the stream says nothing of it."""
        return self._blocks.get(self._number)

    @property
    def score(self) -> float | None:
        """Share of the time above the threshold in this block, or in the last with feedback."""
        return self._n_above / self._n_valid if self._n_valid else self._score

    def add(self, rows: Sequence[Mapping[str, float]], stamps: Sequence[float]) -> None:
        """Take samples of the feedback stream into account."""
        for row, stamp in zip(rows, stamps, strict=True):
            if int(row["block"]) != self._number:
                self._change_block(int(row["block"]), stamp)
            if row["valid"]:
                self._n_valid += 1
                self._n_above += bool(row["above"])
                self._without_s = math.inf
            elif self._without_s == math.inf:
                self._without_s, self._why = stamp, row["reason"]
            self._row, self._newest_s = row, stamp

    def _change_block(self, number: int, stamp: float) -> None:
        """Begin to count anew; the score of a block without any feedback is not known."""
        if self._kind == "regulate":
            self._score = self._n_above / self._n_valid if self._n_valid else None
        self._n_valid = self._n_above = 0
        # Whoever comes in the middle does not know when it began.
        self._begun_s = stamp if stamp - self._newest_s < STALE_S else math.nan
        self._number, self._furthest = number, number or self._furthest

    @property
    def _kind(self) -> str:
        """Of the block: without a protocol, all but the baseline is regulating."""
        if self._number in self._blocks:
            return self._blocks[self._number].kind
        if self._blocks:
            return "none"
        return "rest" if self._row.get("reason") == Suspended.REST.code else "regulate"

    def is_fresh(self, now_s: float) -> bool:
        """Whether what came last holds at an LSL time."""
        return BELIEVABLE_S[0] <= now_s - self._newest_s <= STALE_S

    def at(self, now_s: float) -> Scene | Page:
        """Return what is to be seen at an LSL time."""
        if not self._row:
            return Page("Waiting")
        kind = self._kind
        if kind == "regulate":
            return self._scene(now_s)
        left_s = self.left_s if self.is_fresh(now_s) else None
        if kind == "transfer":
            return Page("Continue without feedback", left_s)
        if kind in ("rest", "pause"):
            return Page(kind.capitalize(), left_s, self._score)
        is_over = self._furthest == max(self._blocks, default=0)
        return Page("The end" if is_over else "Please wait", None, self._score)

    @property
    def left_s(self) -> float | None:
        """How long the block still lasts, if that is known and it is not over time."""
        if self._number not in self._blocks:
            return None
        left_s = self._blocks[self._number].seconds - (self._newest_s - self._begun_s)
        return left_s if left_s > 0 else None  # not so of NaN either

    def _scene(self, now_s: float) -> Scene:
        row, is_fresh = self._row, self.is_fresh(now_s)
        threshold = row["threshold"]
        if is_fresh and row["valid"] and math.isfinite(row["value"]):
            return Scene(row["value"], threshold, bool(row["above"]), self._newest_s)
        is_brief = self._why == Suspended.ARTEFACT.code and now_s - self._without_s < BRIEF_S
        word = "" if is_fresh and is_brief else "one moment"
        return Scene(None, threshold, False, self._newest_s, word)


def time_left(seconds: float) -> str:
    """Return minutes and seconds, the one that runs included.

    Examples
    --------
    >>> time_left(64.2)
    '1:05'
    """
    whole = math.ceil(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
