import os
import platform
import subprocess
import sys

import pytest

ASK = """
import os, sys
from convdip.errors import PriorityError
from convdip.priority import take_realtime_priority
if os.getuid() == 0 and sys.argv[1] == "nobody":
    os.setuid(65534)
try:
    take_realtime_priority()
except PriorityError as error:
    print(error)
else:
    assert os.sched_getscheduler(0) == os.SCHED_FIFO
    print("taken")
"""


def ask(who):
    command = [sys.executable, "-c", ASK, who]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


ARENAS = """
import ctypes, os, sys, threading
from convdip.priority import dedicate_process
if sys.argv[1] == "dedicated":
    dedicate_process()
together = threading.Barrier(8)
def take():
    together.wait()
    kept = [bytearray(100_000) for _ in range(20)]
    together.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = libc.fdopen(os.dup(1), b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fclose(ctypes.c_void_p(out))
"""


def n_arenas(how):
    done = subprocess.run([sys.executable, "-c", ARENAS, how], capture_output=True, text=True)
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_threads_that_come_and_go_do_not_each_keep_memory():
    """As those that read foreign descriptions: what one has freed, the next one takes."""
    assert 1 <= n_arenas("dedicated") <= 2 < n_arenas("as it is")


@pytest.mark.skipif(sys.platform != "linux", reason="real-time priority is Linux's")
def test_realtime_priority_is_taken_or_told_how_to_get():
    import resource

    may = os.getuid() == 0 or resource.getrlimit(resource.RLIMIT_RTPRIO)[0] >= 20
    said = ask("self")
    assert said == "taken\n" if may else "limits.d" in said
    if os.getuid() == 0:
        assert "rtprio 20' to /etc/security/limits.d/realtime.conf" in ask("nobody")
