"""The process that makes the attempts: tells of each in a line, and ends with the first failure."""

from __future__ import annotations

import faulthandler
import importlib
import os
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

PAGE_MB = resource.getpagesize() / 1e6


def main(kind: str, seed: int, first: int, n: int) -> int:
    """Tell the bounds of the kind, and then of each attempt what came of it, how long it took, and
    what memory is in use then.

    Without a number of attempts (0), as many as a full run has.
    """
    faulthandler.enable()
    # What is tried may print: that must not come between.
    with os.fdopen(os.dup(1), "w", buffering=1) as told:
        os.dup2(2, 1)
        return _tell(told, kind, seed, first, n)


def _tell(told: TextIO, kind: str, seed: int, first: int, n: int) -> int:
    module = importlib.import_module(f"tests.fuzz.{kind}")
    attempt: Callable[[random.Random], object] = module.attempt
    most = int(_pages(0) * PAGE_MB * 1e6 + module.MEMORY_MB * 1e6)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    n = n or module.TARGET
    told.write(f"{n}\t{module.AT_MOST_S}\t{module.GROWTH_MB}\n")
    for number in range(first, first + n):
        rng = random.Random(f"{seed} {number}")
        began = time.perf_counter()
        try:
            attempt(rng)
            outcome = "accepted"
        except module.REFUSED as error:
            outcome = type(error).__name__
        except BaseException as error:
            traceback.print_exc()
            sys.stderr.flush()
            outcome = f"!{type(error).__name__}"
        took_ms = 1e3 * (time.perf_counter() - began)
        told.write(f"{outcome}\t{took_ms:.2f}\t{_pages(1) * PAGE_MB:.1f}\n")
        if outcome.startswith("!"):
            return 1
    return 0


def _pages(which: int) -> int:
    """Return this process's pages: of address space (0) or resident (1)."""
    return int(Path("/proc/self/statm").read_text().split()[which])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
