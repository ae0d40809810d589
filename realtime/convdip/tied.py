"""``python -m convdip.tied MODULE …``: a module that ends when the process that started it does.

A pipe on stdin closes with that process, however it ends, on every system.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

# After this long, a module that does not end when told to is stopped.
PATIENCE_S = 10.0


def _end_with_starter() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE_S)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
