"""Run commands of this program as child processes, with LSL streams of their own."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pylsl
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from convdip.errors import StreamError
from convdip.live.sender import resolve

START_S = 30.0
STOP_S = 10.0
# Blocks of ports between liblsl's usual ones and those that systems give to outgoing connections.
FIRST_PORT, PORTS_APART, N_PORT_BLOCKS = 17_000, 50, 300


@contextmanager
def private_lsl() -> Iterator[dict[str, str]]:
    """Keep LSL on this computer, in a session of its own; yield the environment for children.

    This process must not have used LSL yet.
    """
    # liblsl finds the streams of one computer by asking its 32 usual ports. Where other programs'
    # streams hold all of them, a new one would never be found: hence ports of its own.
    base_port = FIRST_PORT + PORTS_APART * random.randrange(N_PORT_BLOCKS)
    content = (
        f"[ports]\nBasePort = {base_port}\nPortRange = {PORTS_APART}\n"
        "[multicast]\nResolveScope = machine\nListenAddress = 127.0.0.1\n"
        "[lab]\nKnownPeers = {127.0.0.1}\n"
        f"SessionID = convdip-{uuid.uuid4().hex}\n[log]\nlevel = -3\n"
    )
    # The content takes precedence over any file that the environment names.
    pylsl.util.set_config_content(content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lsl_api.cfg"
        path.write_text(content)
        yield {**os.environ, "LSLAPICFG": str(path)}


class Process:
    """A Python module as a child process, which ends with the block.

    Parameters
    ----------
    arguments : sequence of str
        The module and its arguments, as for ``python -m``.
    env : dict
        From `private_lsl`.
    apart : bool
        In a session of its own, out of reach of the terminal's signals.
    tied : bool
        It ends with this process, even if that is killed.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        env: dict[str, str],
        *,
        apart: bool = False,
        tied: bool = False,
    ) -> None:
        self.name = " ".join(arguments[:2])
        # A file, not a pipe, which would fill up: it is only read if the command fails.
        self._messages = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", *(["convdip.tied"] if tied else []), *arguments],
            env=env,
            stdin=subprocess.PIPE if tied else None,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
            start_new_session=apart,
        )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._messages.close()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def check_alive(self) -> None:
        """Raise a StreamError with the command's last message if it has failed."""
        if self._process.poll() not in (None, 0):
            said = self.said().strip().splitlines() or ["no message"]
            raise StreamError(f"'{self.name}' failed: {said[-1]}")

    @property
    def has_failed(self) -> bool:
        """Whether it has ended with an error."""
        return self._process.poll() not in (None, 0)

    def said(self) -> str:
        """Return what it has written to stderr, once it has ended: it shares the file's place."""
        self._messages.seek(0)
        return self._messages.read()

    def tell_to_end(self) -> None:
        """Terminate the command without waiting for it."""
        self._process.terminate()

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    @property
    def is_suspended(self) -> bool:
        """Whether it is stopped by a signal, as in a debugger."""
        return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)

    def end(self) -> str:
        """Terminate the command and return its output."""
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)  # a suspended process would not react
        try:
            return self._process.communicate(timeout=STOP_S)[0]
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.communicate()[0]
        except ValueError:  # already ended
            return ""

    def end_with_json(self) -> dict[str, Any]:
        """Terminate the command and return the JSON object on its last line.

        Raises
        ------
        StreamError
            If it failed or printed none.
        """
        printed = self.end().splitlines()
        self.check_alive()
        if not printed:
            raise StreamError(f"'{self.name}' ended without its summary")
        last: dict[str, Any] = json.loads(printed[-1])
        return last


def wait_for(
    ending: Process,
    processes: Sequence[Process],
    timeout_s: float,
    look: Callable[[], None] | None = None,
) -> None:
    """Wait until a process has ended by itself, while all others keep running.

    Meanwhile ``look`` is called ten times a second.

    Raises
    ------
    StreamError
        If one of them fails, or the first does not end in time.
    """
    deadline = time.monotonic() + timeout_s
    while ending.is_running:
        for process in processes:
            process.check_alive()
        if time.monotonic() > deadline:
            raise StreamError(f"'{ending.name}' did not end within {timeout_s:.0f} s")
        if look is not None:
            look()
        time.sleep(0.1)
    for process in processes:
        process.check_alive()


def connect(name: str, processes: Sequence[Process], buffer_s: int = 10) -> pylsl.StreamInlet:
    """Connect to a stream that one of the processes publishes.

    Raises
    ------
    StreamError
        If a process fails, or the stream does not appear.
    """
    deadline = time.monotonic() + START_S
    while True:
        for process in processes:
            process.check_alive()
        try:
            stream = resolve(name, wait_s=1.0, settle_s=0.0)
            break
        except StreamError:
            if time.monotonic() > deadline:
                raise
    inlet = pylsl.StreamInlet(stream, max_buflen=buffer_s, recover=False)
    try:
        inlet.open_stream(timeout=START_S)
    except (LslTimeoutError, LostError):
        raise StreamError(f"the stream {name!r} does not respond") from None
    return inlet
