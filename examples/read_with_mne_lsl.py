"""Read the regions of a service with MNE-LSL: the strongest one, and how old that is.

    python examples/read_with_mne_lsl.py Lab --seconds 10

Needs mne-lsl only; leave pylsl out of the same program, since either brings a liblsl of its own.
Without a service: ``convdip simulate --name Amp`` and ``convdip run --input Amp --name Lab --roi
cuneus`` in two other terminals.
"""

import argparse
import sys
import time

import numpy as np
from mne_lsl.lsl import local_clock
from mne_lsl.stream import StreamLSL


def main() -> None:
    """Print a line four times a second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="the service's --name")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    arguments = parser.parse_args()

    stream = StreamLSL(bufsize=2, name=f"{arguments.name}-ROI")
    try:
        stream.connect(processing_flags=["clocksync"], timeout=5)
    except RuntimeError:
        sys.exit(f"no stream {arguments.name}-ROI: does the service run with --roi?")
    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        time.sleep(0.25)
        if not stream.n_new_samples:
            print("no sample for 0.25 s: whatever you show is stale")
            continue
        amplitudes_nam, stamps = stream.get_data(winsize=0.25)  # (68, n) and (n,)
        newest_nam = amplitudes_nam[:, -1]  # over the last quarter of a second already
        if np.isnan(newest_nam).all():
            print("nothing to show: blinks, movements, or a window that is not full yet")
            continue
        strongest = int(np.nanargmax(newest_nam))
        age_ms = (local_clock() - stamps[-1]) * 1e3
        name = stream.ch_names[strongest]
        print(f"{name:30} {newest_nam[strongest]:6.2f} nAm   {age_ms:5.1f} ms old")
    stream.disconnect()


if __name__ == "__main__":
    main()
