"""How long a client is without sources when the service is killed and started again.

    python benchmarks/restart.py --times 5

A client that recovers, as pylsl's and LabRecorder's do, keeps reading ``NAME-Sources`` while the
service is killed (SIGKILL) and started anew at once; counted is the time from the start of the new
process to the client's next sample, and what of it went where. LSL is as it is by default: where
its searches must not be broadcast, it asks later, and all takes a second longer.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator

import numpy as np
import pylsl
from convdip.bundle import load_bundle
from convdip.live.sender import resolve
from convdip.sources.player import eeg_outlet

SFREQ_HZ, NAME = 250.0, "Restart"


@contextlib.contextmanager
def apart() -> Iterator[dict[str, str]]:
    """Keep to a session of its own; yield the environment for children."""
    content = f"[lab]\nSessionID = restart-{uuid.uuid4().hex}\n[log]\nlevel = -3\n"
    pylsl.util.set_config_content(content)
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(content)
        file.flush()
        yield {**os.environ, "LSLAPICFG": file.name}


def amplify(stop: threading.Event, labels: tuple[str, ...]) -> None:
    """Send noise until told to stop."""
    outlet = eeg_outlet(f"{NAME}EEG", labels, SFREQ_HZ, "amplifier")
    rng, begun_s, n_sent = np.random.default_rng(0), pylsl.local_clock(), 0
    while not stop.wait(0.004):
        n = int((pylsl.local_clock() - begun_s) * SFREQ_HZ) - n_sent
        if n > 0:
            stamps = begun_s + np.arange(n_sent, n_sent + n) / SFREQ_HZ
            samples = rng.standard_normal((n, len(labels))) * 10
            outlet.push_chunk(samples.astype(np.float32), stamps.tolist())
            n_sent += n


def begin(env: dict[str, str]) -> subprocess.Popen[str]:
    """Start the service."""
    command = [sys.executable, "-m", "convdip", "run", "--input", f"{NAME}EEG", "--name", NAME]
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)


def announced(service: subprocess.Popen[str]) -> float:
    """Return when the service says that its streams are there, on LSL's clock."""
    assert service.stderr is not None
    while line := service.stderr.readline():
        if "output" in line:
            break
    now_s = pylsl.local_clock()
    threading.Thread(target=service.stderr.read, daemon=True).start()
    return now_s


def main() -> None:
    """Measure, and print a line each time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    took_s = []
    with apart() as env:
        stop = threading.Event()
        sending = threading.Thread(target=amplify, args=(stop, load_bundle().head.channels))
        sending.start()
        service = begin(env)
        try:
            found = resolve(f"{NAME}-Sources", 30.0, settle_s=0.0)
            client = pylsl.StreamInlet(found, max_buflen=2)  # as most programs open one
            for _ in range(times):
                client.pull_sample(timeout=30)
                service.kill()
                service.wait()
                begun_s = pylsl.local_clock()
                service = begin(env)
                up_s = announced(service) - begun_s
                stamp = 0.0  # what the old service sent may still be on its way
                while stamp < begun_s:
                    _, stamp = client.pull_sample(timeout=60)
                took_s.append(pylsl.local_clock() - begun_s)
                said = f"streams after {up_s:.2f} s, sample at the client after {took_s[-1]:.2f} s"
                print(said, flush=True)
        finally:
            service.kill()
            stop.set()
            sending.join()
    print(f"median {statistics.median(took_s):.2f} s, most {max(took_s):.2f} s of {times}")


if __name__ == "__main__":
    main()
