"""Processes that end with the one that started them, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

STARTER = """
import os, sys, time
from convdip.processes import Process
process = Process(["convdip", "streams", "--wait-s", "120"], dict(os.environ), tied=True)
print(process.pid, flush=True)
time.sleep(120)
"""


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_orphan_is_left(number):
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True)
    with starter:
        pid = int(starter.stdout.readline())
        assert not is_gone(pid)
        os.kill(starter.pid, number)
        starter.wait(60)
        deadline = time.monotonic() + 60
        while not is_gone(pid):
            assert time.monotonic() < deadline, "it goes on alone"
            time.sleep(0.05)
