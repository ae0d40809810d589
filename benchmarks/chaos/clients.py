"""Clients of a service that do it no good: python clients.py STREAM N, until the input is closed.

N inlets are opened and never read; where there are many, they are closed and opened again.
"""

import sys
import threading

import pylsl

over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
n = int(sys.argv[2])
while not over.is_set():
    found = pylsl.resolve_byprop("name", sys.argv[1], timeout=2)
    inlets = [pylsl.StreamInlet(found[0], max_buflen=2) for _ in range(n) if found]
    for inlet in inlets:
        try:
            inlet.open_stream(timeout=2)
        except (pylsl.util.TimeoutError, pylsl.util.LostError):
            continue
    over.wait(1.0 if n > 1 else None)
    del inlets
