"""Read a service's sources over LSL: the strongest region, and how old that is.

    python examples/read_sources.py Lab --seconds 10

Needs pylsl and NumPy only. Without a service: ``convdip simulate --name Amp`` and
``convdip run --input Amp --name Lab`` in two other terminals.
"""

import argparse
import sys
import time
from xml.etree import ElementTree

import numpy as np
import pylsl


def main() -> None:
    """Print a line about ten times a second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="the service's --name")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    arguments = parser.parse_args()

    found = pylsl.resolve_byprop("name", f"{arguments.name}-Sources", timeout=5)
    if not found:
        sys.exit(f"no stream {arguments.name}-Sources: is the service running?")
    # Stamps on this computer's clock, and at most two seconds of 10 MB each.
    inlet = pylsl.StreamInlet(found[0], max_buflen=2, processing_flags=pylsl.proc_clocksync)
    inlet.open_stream(timeout=5)
    desc = ElementTree.fromstring(inlet.info(timeout=5).as_xml()).find("desc")
    region_of = np.array([channel.findtext("region") for channel in desc.iter("channel")])
    # Dipoles of the medial wall keep their channels, though no cortex is there.
    medial_wall = [int(n) for n in desc.findtext("source_space/medial_wall", "").split()]
    regions = np.unique(np.delete(region_of, medial_wall))

    end = time.monotonic() + arguments.seconds
    while time.monotonic() < end:
        # All that came within a tenth of a second: (n, 5124) in nAm, and n time stamps.
        moments_nam, stamps = inlet.pull_chunk(timeout=0.1, max_samples=500, as_numpy=True)
        if not len(stamps):
            print("no sample for 0.1 s: whatever you show is stale")
            continue
        strength_nam = np.abs(moments_nam).mean(axis=0)
        means_nam = [strength_nam[region_of == region].mean() for region in regions]
        strongest = int(np.argmax(means_nam))
        age_ms = (pylsl.local_clock() - stamps[-1]) * 1e3
        print(f"{regions[strongest]:30} {means_nam[strongest]:6.2f} nAm   {age_ms:5.1f} ms old")


if __name__ == "__main__":
    main()
