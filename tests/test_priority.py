import os
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


@pytest.mark.skipif(sys.platform != "linux", reason="real-time priority is Linux's")
def test_realtime_priority_is_taken_or_told_how_to_get():
    import resource

    may = os.getuid() == 0 or resource.getrlimit(resource.RLIMIT_RTPRIO)[0] >= 20
    said = ask("self")
    assert said == "taken\n" if may else "limits.d" in said
    if os.getuid() == 0:
        assert "rtprio 20' to /etc/security/limits.d/realtime.conf" in ask("nobody")
