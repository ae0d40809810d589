"""The floor: two LSL hops and one ``session.run``, in a process that does nothing else.

It pulls a sample, runs the network on a fixed random input, and pushes a row.
"""

from __future__ import annotations

import signal
import threading

import cyclopts
import numpy as np
import pylsl

from convdip.bundle import load_bundle
from convdip.live.network import Precision
from convdip.live.runtime import Provider
from convdip.live.tuning import open_network
from convdip.priority import take_realtime_priority
from convdip.processes import connect
from convdip.sources.player import eeg_outlet


def relay(
    name: str,
    out: str,
    model: str,
    provider: Provider = "auto",
    precision: Precision = "auto",
    rt: bool = False,
) -> None:
    """Relay until terminated.

    Parameters
    ----------
    name, out : str
        Names of the input and the output stream.
    model : str
        Bundle.
    provider, precision : str
        As the service's.
    rt : bool
        Take real-time priority.
    """
    if rt:
        take_realtime_priority()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    bundle = load_bundle(model)
    network = open_network(bundle, provider, precision)
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((1, network.n_inputs), np.float32) * 1e-5
    inlet = connect(name, ())
    sfreq_hz = inlet.info(timeout=10.0).nominal_srate()
    outlet = eeg_outlet(out, bundle.head.dipole_labels, sfreq_hz, f"relay-{name}")
    while not stop.is_set():
        try:
            _, [stamp] = inlet.pull_chunk(timeout=0.2, max_samples=1, as_numpy=True)
        except ValueError:  # none came
            continue
        except pylsl.util.LostError:
            break
        outlet.push_chunk(network(inputs), float(stamp))
    print("{}")  # as the service prints its summary


if __name__ == "__main__":
    cyclopts.run(relay)
