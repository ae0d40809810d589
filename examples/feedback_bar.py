"""Neurofeedback in a terminal: a bar that follows a region's rhythm, and stops when it must.

    convdip run --input Amp --name Lab --band 8 12 --roi cuneus,pericalcarine --baseline 60
    python examples/feedback_bar.py Lab

Needs pylsl only. The bar is drawn from valid values alone: none while the baseline is gathered,
during blinks and movements, or when no EEG comes.
"""

import argparse
import sys
import time

import pylsl


def main() -> None:
    """Draw a line for the last value of each tenth of a second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="the service's --name")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    arguments = parser.parse_args()

    found = pylsl.resolve_byprop("name", f"{arguments.name}-Feedback", timeout=5)
    if not found:
        sys.exit(f"no stream {arguments.name}-Feedback: does the service run with --roi?")
    inlet = pylsl.StreamInlet(found[0])
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        rows, _ = inlet.pull_chunk(timeout=0.1)
        if not rows:
            continue  # a running service says it within a tenth of a second when no EEG comes
        value, valid, above, _, reason = rows[-1][:5]
        if valid:
            print(f"{'█' * round(40 * value):40} {value:.2f} {'★' if above else ''}")
        else:
            print(f"-- suspended ({reason:.0f})")


if __name__ == "__main__":
    main()
