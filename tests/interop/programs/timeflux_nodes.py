# /// script
# requires-python = "==3.11.*"
# dependencies = ["timeflux==0.17.2", "pylsl==1.16.2"]
# [tool.uv]
# exclude-newer = "2026-11-20T00:00:00Z"
# ///
"""Read a stream with timeflux's node, and send it on with the other: timeflux_nodes.py FILE A B HZ.

Reads A and sends B until it is ended; what came first, 100 samples or more, is in FILE.npz then.
timeflux 0.17 wants NumPy 1, and a pylsl that knows `resolve_stream`: such a one brings no liblsl,
so that `PYLSL_LIB` has to name one.
"""

import sys
import time

import numpy as np
from timeflux.nodes.lsl import Receive, Send

file, name, echo, rate_hz = sys.argv[1:]
receive = Receive(value=name, timeout=60)
send = Send(echo, type="EEG", rate=float(rate_hz), source=f"id-{echo}")
values, stamps, end = [], [], time.monotonic() + 60
while time.monotonic() < end:
    receive.clear()
    receive.update()
    if receive.o.ready():
        send.i = receive.o
        send.update()
        values.append(receive.o.data.to_numpy())
        stamps.append(receive.o.data.index.to_numpy().astype("datetime64[ns]").astype(np.int64))
        if sum(map(len, stamps[:-1])) < 100 <= sum(map(len, stamps)):
            np.savez(
                file,
                names=receive.o.data.columns.to_list(),
                rate_hz=receive.o.meta["rate"],
                values=np.concatenate(values),
                stamps=np.concatenate(stamps) / 1e9,
            )
            print("read", flush=True)
    time.sleep(0.02)
