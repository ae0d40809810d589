"""How soon a client has a sample's feedback, and hears that no EEG comes.

A service in this process images a stream that it is sent; beside the delay of filter and window.

Usage: .venv/bin/python benchmarks/feedback_delay.py [--times N] [--rate HZ]
"""

import argparse
import time
import uuid

import numpy as np
import pylsl
from convdip import Service, load_bundle
from convdip.feedback.features import Suspended
from convdip.sources.background import background_eeg
from convdip.streams import eeg_info, read_feedback, stream_name


def main():
    """Print medians and worst cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20, help="how often the stream stops")
    parser.add_argument("--rate", type=float, default=500.0)
    arguments = parser.parse_args()
    rate_hz, name = arguments.rate, f"Delay{uuid.uuid4().hex[:8]}"
    head = load_bundle().head
    n = round(2 * rate_hz)
    eeg_uv = 10 * background_eeg(head, n, rate_hz, np.random.default_rng(0)).astype(np.float32)
    outlet = pylsl.StreamOutlet(eeg_info(name, head.channels, rate_hz, name))
    ages_ms, silences_ms = [], []
    with Service(name, name, provider="cpu", band=(8, 12), roi="cuneus", baseline=5, wait_s=20):
        assert outlet.wait_for_consumers(10)
        [info] = pylsl.resolve_byprop("name", stream_name(name, "Feedback"), timeout=10)
        inlet = pylsl.StreamInlet(info)
        inlet.open_stream(timeout=10)
        for _ in range(arguments.times):
            begin_s = pylsl.local_clock()
            sent = 0
            while sent < n:
                due = min(n, 1 + int((pylsl.local_clock() - begin_s) * rate_hz))
                for row in eeg_uv[sent:due]:
                    last_s = pylsl.local_clock()
                    outlet.push_sample(row, last_s)
                sent = due
                _, stamps = inlet.pull_chunk(timeout=0.0)
                ages_ms += [1e3 * (pylsl.local_clock() - stamp) for stamp in stamps]
                time.sleep(2e-4)
            while True:
                row, _ = inlet.pull_sample(timeout=1.0)
                if read_feedback(row)["reason"] == Suspended.SILENCE.code:
                    silences_ms.append(1e3 * (pylsl.local_clock() - last_s))
                    break
    ages, silences = np.array(ages_ms[n // 2 :]), np.array(silences_ms)
    print(
        f"{rate_hz:g} Hz: a client has a sample's feedback after {np.median(ages):.2f} ms in the "
        f"median (99th percentile {np.quantile(ages, 0.99):.1f} ms), and hears that no EEG comes "
        f"{np.median(silences):.0f} ms after the last sample (worst of {len(silences)}: "
        f"{silences.max():.0f} ms)"
    )


if __name__ == "__main__":
    main()
