"""Feeds the project hostile input, kind by kind, each in a process of its own.

A kind is a module beside this one, with

``attempt(rng)``
    Makes one input of the kind from a `random.Random` and hands it to the code that would read it.
    It returns where that takes it, and raises what that raises.
``REFUSED``
    The errors that refuse an input; any other is a failure.
``TARGET``
    How many attempts a full run makes.
``AT_MOST_S``, ``MEMORY_MB``, ``GROWTH_MB``
    How long an attempt may take; how much address space all may take beyond what the process
    has when it begins; and how much more resident memory may be in use at the end than after the
    first attempts.

Usage: python -m tests.fuzz [KIND ...] [--n N] [--seed S] [--first I]
"""

from __future__ import annotations

import argparse
import sys

from convdip.markdown import markdown_table

from tests.fuzz.trial import Trial, run

# In the order of a full run.
KINDS = ("descriptions", "files", "streams")


def main() -> int:
    """Run; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Feed hostile input.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--n", type=int, help="attempts of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first attempt")
    asked = parser.parse_args()
    trials = [run(kind, asked.seed, asked.first, asked.n) for kind in asked.kinds or KINDS]
    print(report(trials))
    for trial in trials:
        for failure in trial.failures:
            print(
                f"\n{trial.kind} {failure.number}: {failure.what}\n{failure.said}\nagain: "
                f"scripts/fuzz {trial.kind} --seed {asked.seed} --first {failure.number} --n 1"
            )
    return int(any(trial.failures for trial in trials))


def report(trials: list[Trial]) -> str:
    """Return the table of what came of each kind."""
    header = (
        "kind", "tried", "accepted", "refused", "slowest ms", "growth MB", "seconds", "verdict"
    )  # fmt: skip
    rows = [
        (
            trial.kind,
            str(trial.tried),
            str(trial.accepted),
            ", ".join(f"{n} {name}" for name, n in sorted(trial.refused.items())) or "none",
            f"{trial.slowest_ms:.0f} (number {trial.slowest})",
            f"{trial.growth_mb:.1f}",
            f"{trial.took_s:.0f}",
            f"{len(trial.failures)} FAILED" if trial.failures else "held",
        )
        for trial in trials
    ]
    return markdown_table(header, rows, padded=True)


if __name__ == "__main__":
    sys.exit(main())
