"""What became of each sample: sent, imaged as an undisturbed imager does, or counted.

The service runs without filters and leaves no electrode out, so that a row depends on its own
sample alone: what it has to be is known whatever happened before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from amplifier import record_of
from convdip import Imager
from convdip.live.imager import LIMIT_NAM

# As a share of a row's peak. Without any fault, samples in batches come out up to 2.2e-5 other than
# all at once (37,500 of them, electrodes held); rows of successive samples differ by 0.36 at least.
TOLERANCE = 1e-4
# Of electrodes that are all at a rail, what is left of the average is what float32 cannot hold: so
# many nAm a microvolt.
ROUNDING_NAM = 1.0
# How far to look for the sample of a row whose stamp is not the sender's.
LOOK_AHEAD = 1500


@dataclass(eq=False)
class Sent:
    """What one sender sent.

    Attributes
    ----------
    name : str
        For people.
    path : Path
        Its log.
    n_channels : int
    may_be_imaged : bool
        False for those that must never be taken for the input.
    samples : ndarray
        As far as it was read.
    published : set of int
        Samples whose rows came.
    """

    name: str
    path: Path
    n_channels: int
    may_be_imaged: bool
    samples: np.ndarray = field(init=False)
    published: set[int] = field(default_factory=set)
    last: int = -1

    def __post_init__(self) -> None:
        self.samples = np.zeros(0, record_of(self.n_channels))

    def read(self) -> int:
        """Read what was written since, and return how much was there before."""
        n_before = len(self.samples)
        if self.path.exists():
            size = self.samples.itemsize
            with self.path.open("rb") as log:
                log.seek(len(self.samples) * size)
                new = log.read()
            more = np.frombuffer(new[: len(new) // size * size], self.samples.dtype)
            if len(more):
                self.samples = np.concatenate([self.samples, more])
        return n_before

    def missing(self) -> list[float]:
        """Return the stamps of the samples between the first and the last row that have none."""
        if not self.published:
            return []
        inner = set(range(min(self.published), self.last)) - self.published
        return self.samples["stamp"][sorted(inner)].tolist()


class Account:
    """Compares rows with what was sent.

    Attributes
    ----------
    senders : list of Sent
    n_rows, n_valid, n_equal, n_different, n_foreign : int
        Rows; those that are numbers; of these those that are as they have to be, those that are
        not, and those of a stream that must not be taken.
    n_withheld : int
        Rows that are not numbers although their sample could be imaged.
    n_rightly_withheld : int
        Rows that are not numbers, as it has to be.
    n_restamped, n_not_finite, n_backwards : int
        Rows whose stamp is not the sender's; stamps that are no number; that run backwards.
    largest_difference : float
        As a share of the row's peak.
    wrong : list of str
    """

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._imager = Imager(labels, "microvolts", provider="cpu", precision="fp32")
        self.senders: list[Sent] = []
        self._known: dict[float, tuple[Sent, int]] = {}
        self._now: Sent | None = None
        self._last_stamp = -math.inf
        self.n_rows = self.n_valid = self.n_equal = self.n_different = self.n_foreign = 0
        self.n_withheld = self.n_rightly_withheld = 0
        self.n_restamped = self.n_not_finite = self.n_backwards = 0
        self.largest_difference = 0.0
        self.wrong: list[str] = []

    def __call__(self, rows: np.ndarray, stamps: np.ndarray) -> None:
        """Take in rows of the service, in order."""
        self._read()
        found = []
        for row, stamp in zip(rows, stamps.tolist(), strict=True):
            self._note_stamp(stamp)
            place = self._next(stamp) or self._by_stamp(stamp) or self._by_content(row)
            if place is None:
                self._is_wrong(f"a row stamped {stamp:.3f} is of no sample that was sent")
                self.n_rows += 1
                self.n_valid += 1
                self.n_different += 1
                continue
            sender, i = place
            self.n_restamped += bool(sender.samples["stamp"][i] != stamp)
            self._now, sender.last = sender, i
            sender.published.add(i)
            found.append((row, sender, i))
        if found:
            self._compare(found)

    def _read(self) -> None:
        """Take in what was sent since."""
        for sender in self.senders:
            first = sender.read()
            for i, stamp in enumerate(sender.samples["stamp"][first:].tolist(), first):
                self._known.setdefault(stamp, (sender, i))

    def _by_stamp(self, stamp: float) -> tuple[Sent, int] | None:
        """Return the sample that was sent with this stamp, if its row has not come before."""
        place = self._known.get(stamp)
        return place if place is not None and place[1] > place[0].last else None

    def _note_stamp(self, stamp: float) -> None:
        if not math.isfinite(stamp):
            self.n_not_finite += 1
            return
        self.n_backwards += stamp < self._last_stamp
        self._last_stamp = stamp

    def _next(self, stamp: float) -> tuple[Sent, int] | None:
        """Return the sample after the last one, if it has this stamp."""
        now = self._now
        if now is None or now.last + 1 >= len(now.samples):
            return None
        return (now, now.last + 1) if now.samples["stamp"][now.last + 1] == stamp else None

    def _by_content(self, row: np.ndarray) -> tuple[Sent, int] | None:
        """Return the first sample from the last one on that looks so."""
        now = self._now
        newer = self.senders[self.senders.index(now) :] if now is not None else self.senders
        for n in (1, LOOK_AHEAD):
            for sender in newer:
                if not sender.may_be_imaged:
                    continue
                first = sender.last + 1
                samples = sender.samples["eeg"][first : first + n]
                if not len(samples):
                    continue
                if not np.isfinite(row).any():  # nothing to go by
                    return sender, first
                expected = self._expected(samples)
                fits = np.flatnonzero(self._differences(row[None], expected) <= TOLERANCE)
                if len(fits):
                    return sender, first + int(fits[0])
        return None

    def _compare(self, found: list[tuple[np.ndarray, Sent, int]]) -> None:
        rows = np.stack([row for row, _, _ in found])
        self.n_rows += len(rows)
        is_own = np.array([sender.may_be_imaged for _, sender, _ in found])
        is_valid = np.isfinite(rows).all(axis=1)
        for (_, sender, _), is_there in zip(found, is_valid & ~is_own, strict=True):
            if is_there:
                self.n_foreign += 1
                self._is_wrong(f"a row is of {sender.name}")
        rows, is_valid = rows[is_own], is_valid[is_own]
        if not len(rows):
            return
        samples = np.stack([s.samples["eeg"][i] for _, s, i in found if s.may_be_imaged])
        expected = self._expected(samples)
        can_be = np.isfinite(expected).all(axis=1)
        differences = self._differences(rows, expected)
        with np.errstate(all="ignore"):
            off_nam = np.abs(rows - expected).max(axis=1)
            rounded_nam = ROUNDING_NAM * np.spacing(np.abs(samples).max(axis=1))
        is_same = (differences <= TOLERANCE) | (off_nam <= rounded_nam)
        is_equal = is_valid & can_be & is_same
        self.n_valid += int(is_valid.sum())
        self.n_equal += int(is_equal.sum())
        self.n_different += int((is_valid & ~is_equal).sum())
        self.n_withheld += int((~is_valid & can_be).sum())
        self.n_rightly_withheld += int((~is_valid & ~can_be).sum())
        near = differences[is_equal & (differences <= TOLERANCE)]
        self.largest_difference = max(self.largest_difference, float(near.max(initial=0.0)))
        for n in np.flatnonzero(is_valid & ~is_equal)[:3]:
            self._is_wrong(
                f"a row differs by {differences[n]:.2g} of its peak, "
                f"{np.nanmax(np.abs(expected[n])):.3g} nAm"
            )

    def _expected(self, samples: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            moments_nam = self._imager(samples).moments_nam
            moments_nam[~(np.abs(moments_nam).max(axis=1) < LIMIT_NAM)] = np.nan
        return moments_nam

    def _differences(self, rows: np.ndarray, expected: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            off_nam = np.abs(rows - expected).max(axis=1)
            found: np.ndarray = off_nam / np.abs(expected).max(axis=1)
        found[off_nam == 0] = 0  # of a sample of zeros, too, whose row has no peak
        return found

    def _is_wrong(self, what: str) -> None:
        if len(self.wrong) < 20:
            self.wrong.append(what)
