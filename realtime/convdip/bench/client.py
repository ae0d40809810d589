"""A client for the benchmark, which records when each sample arrived."""

from __future__ import annotations

import os
import signal
import threading
from array import array
from pathlib import Path

import cyclopts
import numpy as np
import pylsl

from convdip.priority import take_realtime_priority
from convdip.processes import connect

BUFFER_S = 2
MAX_SAMPLES = 64


def receive(name: str, out: Path, rt: bool = False, stall: bool = False) -> None:
    """Read a stream until terminated, then save when each sample was received.

    Parameters
    ----------
    name : str
        Name of the stream.
    out : Path
        ``.npz`` with ``stamps``, the time stamps, and ``received``, the LSL time after each pull.
    rt : bool
        Take real-time priority.
    stall : bool
        Connect, then suspend this process: the connection stays, nothing is read or saved.
    """
    if rt:
        take_realtime_priority()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    inlet = connect(name, (), BUFFER_S)
    if stall:
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    # One array for all pulls: a new one each would cost more than the pull.
    samples = np.empty((MAX_SAMPLES, inlet.channel_count), np.float32)
    # Eight bytes per sample: a soak has millions.
    stamps, received = array("d"), array("d")
    while not stop.is_set():
        try:
            _, new = inlet.pull_chunk(
                timeout=0.2,
                max_samples=MAX_SAMPLES,
                min_samples=1,
                dest_obj=samples,
                as_numpy=True,
            )
        except pylsl.util.LostError:
            break
        if len(new):
            received.extend([pylsl.local_clock()] * len(new))
            stamps.extend(new)
    np.savez(out, stamps=np.array(stamps), received=np.array(received))


if __name__ == "__main__":
    cyclopts.run(receive)
