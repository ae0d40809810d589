"""Do one fault after the other, and say whether rows are right and all else is accounted for.

Everything that reliability lists and the field has shown is done to a service at random: to its
sender, its stream, its clients, its ports and itself. It runs without filters and leaves no
electrode out, so that a row depends on its own sample alone and an undisturbed imager says what
it has to be: every row that is a number must be that, and come from a sender that may be taken.
Each sample that was sent while the service listened must have its row or be counted in an event.

Usage: scripts/chaos [--minutes M] [--seed N] [--only FAULT …] [--json]
Code 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from convdip.processes import private_lsl
from faults import FAULTS
from report import tell, verdict
from world import World


def main() -> int:
    """Do it, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=[fault.__name__ for fault in FAULTS])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    faults = [fault for fault in FAULTS if not asked.only or fault.__name__ in asked.only]
    with tempfile.TemporaryDirectory() as folder, private_lsl() as env:
        found = chaos(Path(folder), env, faults, asked.minutes, asked.seed)
    print(json.dumps(found) if asked.json else tell(found))
    return 1 if found["wrong"] else 0


def chaos(folder, env, faults, minutes, seed):
    """Do one fault after the other, each as often as the others, and return what was found."""
    rng = random.Random(seed)
    world = World(folder, env, rng)
    done, unrecovered, round_of = Counter(), [], rng.sample(faults, len(faults))
    try:
        world.open()
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end and world.is_alive:
            if not round_of:
                if set(done.values()) == {1}:
                    world.first_cost = world.cost()
                round_of = rng.sample(faults, len(faults))
            fault = round_of.pop()
            name = fault.__name__.replace("_", " ")
            print(f"{(end - time.monotonic()) / 60:5.1f} min left   {name}", file=sys.stderr)
            fault(world)
            done[name] += 1
            if not world.settle() and world.is_alive:
                unrecovered.append(name)
                world.kill(world.amplifier)
                world.amplifier = world.start_amplifier()
                world.settle()
            world.note_missing(name)
            world.note_growth(name)
        return verdict(world, done, unrecovered, seed, minutes)
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main())
