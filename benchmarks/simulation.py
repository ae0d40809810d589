"""Time the simulation: (EEG, source) pairs a second on one process.

Usage: .venv/bin/python benchmarks/simulation.py
"""

import time

import numpy as np
from convdip import load_bundle
from convdip.machine import n_cores
from convdip.sources.background import background_eeg
from convdip_training.config import load_preset
from convdip_training.simulate import Simulator

SECONDS = 3.0


def main() -> None:
    """Print a line a batch size."""
    head = load_bundle().head
    rng = np.random.default_rng(0)
    noise = background_eeg(head, 20_000, 100.0, rng).reshape(200, 100, -1)
    simulator = Simulator(head, noise, load_preset("paper").simulation)
    print(f"{n_cores()} cores, {head.n_electrodes} electrodes, {head.n_dipoles} dipoles")
    for size in (32, 256, 1024):
        simulator.batch(size, rng)
        start, n = time.perf_counter(), 0
        while time.perf_counter() - start < SECONDS:
            simulator.batch(size, rng)
            n += size
        rate = n / (time.perf_counter() - start)
        print(f"batches of {size:4}: {rate:10,.0f} pairs a second")


if __name__ == "__main__":
    main()
