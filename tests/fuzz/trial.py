"""One kind of hostile input: its attempts, made in a process that may die."""

from __future__ import annotations

import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
STATUS_S = 5.0
# How long the process may take to begin, and how many failures are enough to stop.
BEGIN_S, MOST_FAILURES = 120.0, 20
# Memory settles in the first attempts: growth counts from then on, and not in fewer.
SETTLED_SHARE, SETTLED_AFTER = 0.2, 100
# Of what a process said before it died.
TAIL = 4000


@dataclass(frozen=True)
class Failure:
    """What went wrong: at which attempt, what, and what was said."""

    number: int
    what: str
    said: str = ""


@dataclass
class Trial:
    """What came of a kind.

    Attributes
    ----------
    refused : Counter
        How often each error refused an input.
    slowest, slowest_ms
        Number of the attempt that took longest, and how long it took.
    growth_mb : float
        Resident memory at the end beyond that after the first attempts.
    """

    kind: str
    tried: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    slowest: int = 0
    slowest_ms: float = 0.0
    growth_mb: float = 0.0
    took_s: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    def count(self, number: int, outcome: str, took_ms: float) -> None:
        """Count an attempt that ended by itself."""
        self.tried += 1
        if outcome == "accepted":
            self.accepted += 1
        else:
            self.refused[outcome] += 1
        if took_ms > self.slowest_ms:
            self.slowest, self.slowest_ms = number, took_ms


def run(kind: str, seed: int, first: int, n: int | None) -> Trial:
    """Make attempts, in a new process after each that failed.

    Parameters
    ----------
    kind : str
    seed, first : int
        Each attempt's input depends on the seed and its number alone.
    n : int or None
        None: as many as a full run of the kind has.
    """
    trial = Trial(kind)
    began = time.monotonic()
    left: int | None = n
    while left != 0 and len(trial.failures) < MOST_FAILURES:
        first, left = _process(trial, seed, first, left)
    trial.took_s = time.monotonic() - began
    return trial


def _process(trial: Trial, seed: int, first: int, n: int | None) -> tuple[int, int]:
    """Make attempts in one process; return which is the first that is left, and how many are."""
    command = [sys.executable, "-m", "tests.fuzz.worker", trial.kind, str(seed), str(first)]
    with tempfile.TemporaryFile("w+", errors="replace") as messages:
        process = subprocess.Popen(
            [*command, str(n or 0)],
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            cwd=REPOSITORY,
        )
        told = _Told(process)
        try:
            n, at_most_s, growth_mb = told.bounds()
            failed = _watch(trial, told, range(first, first + n), at_most_s, growth_mb)
        finally:
            process.kill()
            process.communicate()
            messages.seek(0)
            said = messages.read()[-TAIL:]
    if failed is None:
        return first + n, 0
    number, what = failed
    trial.failures.append(Failure(number, what, said))
    return number + 1, max(0, first + n - number - 1)


class _Told:
    """What a process tells, line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def bounds(self) -> tuple[int, float, float]:
        """Return how many attempts it makes, how long each may take, and how memory may grow."""
        line = self.next(BEGIN_S)
        if not line:
            raise SystemExit(f"{self._process.args!r} does not begin: try it by itself")
        n, at_most_s, growth_mb = line
        return int(n), float(at_most_s), float(growth_mb)

    def next(self, timeout_s: float) -> list[str]:
        """Return what it tells next, in parts; empty if it has died.

        Raises
        ------
        queue.Empty
            If it tells nothing in time.
        """
        return self._lines.get(timeout=timeout_s).split()

    def code(self) -> int:
        """Return how it ended."""
        return self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")


def _watch(
    trial: Trial, told: _Told, numbers: range, at_most_s: float, growth_mb: float
) -> tuple[int, str] | None:
    """Count what a process tells; return the attempt at which it failed, and how."""
    due = time.monotonic() + STATUS_S
    memory_mb: list[float] = []
    for number in numbers:
        try:
            told_now = told.next(at_most_s)
        except queue.Empty:
            trial.tried += 1
            return number, f"it hangs: no end after {at_most_s:g} s"
        if not told_now:
            trial.tried += 1
            return number, f"the process died (code {told.code()})"
        outcome, took_ms, now_mb = told_now
        if outcome.startswith("!"):
            trial.tried += 1
            return number, outcome[1:]
        trial.count(number, outcome, float(took_ms))
        memory_mb.append(float(now_mb))
        if time.monotonic() > due:
            due = time.monotonic() + STATUS_S
            print(f"{trial.kind}: {trial.tried} tried, {now_mb} MB", file=sys.stderr, flush=True)
    settled = max(SETTLED_AFTER, int(SETTLED_SHARE * len(memory_mb)))
    if len(memory_mb) > settled:
        trial.growth_mb = max(trial.growth_mb, memory_mb[-1] - memory_mb[settled])
    if trial.growth_mb > growth_mb:
        grown = f"memory grew by {trial.growth_mb:.0f} MB: expected {growth_mb:g} at most"
        return numbers[-1], grown
    return None
