"""A service, its amplifier and a client that reads all it says; and what is done to them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pylsl
from account import Account, Sent
from convdip.bundle import load_bundle
from convdip.errors import StreamError
from convdip.live.sender import resolve
from convdip.sources.background import background_eeg
from convdip.streams import EventMessage, read_quality, stream_name
from pylsl.util import LostError

HERE = Path(__file__).parent
RATE_HZ = 125.0
EEG_S = 60
POLL_S = 0.05
# For whatever has to be there at the beginning, on a computer that has other things to do.
START_S = 90.0
# After a fault is over, how long until rows that are valid come again.
RECOVERY_S = 20.0
# `NAME-Quality` tells ten times a second whether rows are valid, and holds that for a second.
SAID_S = 2.5


class World:
    """All that takes part.

    Parameters
    ----------
    folder : Path
        For logs.
    env : dict
        From `convdip.processes.private_lsl`.
    rng : Random

    Attributes
    ----------
    account : Account
    events : list of (float, EventMessage)
    amplifier : Popen
        The one that the service should hear.
    n_deaths, n_skipped : int
        Of amplifiers; samples that they left out.
    reopened : list of (float, float)
        When the service's estimates were announced anew, so that this client had to open them
        again: from when to when, in LSL time.
    missing_after : dict of str to int
        After which fault samples had no row.
    grown_after : dict of str to float
        By how many MB the service grew with each fault.
    first_cost : dict
        Of the service, once it has seen each fault: what it needs to outlast them it holds by then.
    """

    def __init__(self, folder: Path, env: dict[str, str], rng: random.Random) -> None:
        self._folder, self._env, self.rng = folder, env, rng
        head = load_bundle().head
        self.labels = head.channels
        eeg = 10 * background_eeg(head, round(EEG_S * RATE_HZ), RATE_HZ, np.random.default_rng(1))
        np.save(folder / "eeg.npy", eeg.astype(np.float32))
        self.name = f"Chaos{os.getpid()}"
        self.source_id = f"id-{self.name}"
        self.account = Account(self.labels)
        self.processes: list[subprocess.Popen[Any]] = []
        self.events: list[tuple[float, EventMessage]] = []
        self._invalid_s: list[float] = []
        self._withheld_s: list[float] = []
        self.n_deaths = self.n_skipped = 0
        self.reopened: list[tuple[float, float]] = []
        self.missing_after: dict[str, int] = {}
        self.grown_after: dict[str, float] = {}

    def open(self) -> None:
        """Start amplifier and service, and listen until it images.

        Raises
        ------
        StreamError
            If it does not.
        """
        self.amplifier = self.start_amplifier()
        self.service = self._start_service()
        try:
            self._listen()
        except StreamError as error:
            raise StreamError(f"{error}; the service said: {self.said()}") from None

    def start(self, *command: object, **how: object) -> subprocess.Popen[str]:
        """Start a process that ends with its input, at the latest with this world."""
        process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdin=subprocess.PIPE,
            text=True,
            **{"env": self._env, **how},
        )
        self.processes.append(process)
        return process

    def start_amplifier(
        self, called: str = "amplifier", *, may_be_imaged: bool = True, **changes: object
    ) -> subprocess.Popen[str]:
        """Start an amplifier, and read its log from now on."""
        n = len(self.account.senders)
        log = self._folder / f"{n}-{called.replace(' ', '-')}.log"
        asked = {
            "name": self.name,
            "source_id": self.source_id,
            "labels": self.labels,
            "rate_hz": RATE_HZ,
            "eeg": str(self._folder / "eeg.npy"),
            "begin": self.rng.randrange(round(EEG_S * RATE_HZ)),
            "log": str(log),
            **changes,
        }
        # One that may not be imaged may have other channels: its rows are told by their stamps.
        self.account.senders.append(Sent(called, log, len(asked["labels"]), may_be_imaged))
        return self.start(HERE / "amplifier.py", json.dumps(asked))

    def wait_for_samples(self, timeout_s: float = RECOVERY_S) -> None:
        """Wait until the sender that was started last sends: from then on its stream is there."""
        deadline = time.monotonic() + timeout_s
        newest = self.account.senders[-1].path
        while not (newest.exists() and newest.stat().st_size) and time.monotonic() < deadline:
            self.pump(0.1)

    def start_display(self) -> subprocess.Popen[str]:
        """Start a live cortex of the service, which needs no screen."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        env = {**self._env, "QT_QPA_PLATFORM": "offscreen"}
        return self.start("-m", "convdip", "display", "--name", self.name, env=env, **quiet)

    def tell(self, **errors: object) -> None:
        """Let the amplifier err, or no longer."""
        assert self.amplifier.stdin is not None
        self.amplifier.stdin.write(f"{json.dumps(errors)}\n")
        self.amplifier.stdin.flush()
        self.n_skipped += int(errors.get("skip", 0))

    def kill(self, process: subprocess.Popen[str]) -> None:
        """End a process at once."""
        process.kill()
        process.wait()
        if process is self.amplifier:
            self.n_deaths += 1

    def _start_service(self) -> subprocess.Popen[str]:
        # So each row depends on its own sample alone.
        alone = ["--no-filter", "--keep", "--provider", "cpu", "--precision", "fp32"]
        run = ["-m", "convdip", "run", "--input", self.name, "--name", self.name, "--json"]
        with (self._folder / "service.txt").open("w") as said:
            self.log_reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=said)
        self.processes.append(self.log_reader)
        log = self.log_reader.stdin
        assert log is not None
        streams = {"stdout": subprocess.PIPE, "stderr": log}
        service = self.start(*run, *alone, "--wait-s", START_S, **streams)
        log.close()
        return service

    def _listen(self) -> None:
        self._inlets = {}
        for which in ("Sources", "Quality", "Events"):
            self._inlets[which] = self._opened(which)
        self.settle()
        self.first_cost = self.cost()
        self._last_mb = self.first_cost["memory_mb"]

    def _opened(self, which: str) -> pylsl.StreamInlet:
        found = resolve(stream_name(self.name, which), START_S, settle_s=0.0)
        inlet = pylsl.StreamInlet(found, max_buflen=30, recover=False)
        inlet.open_stream(timeout=START_S)
        return inlet

    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what came of the estimates; open them again where they are announced anew."""
        try:
            rows, stamps = self._inlets["Sources"].pull_chunk(
                timeout=0.0, max_samples=256, as_numpy=True
            )
        except LostError:
            begin_s = pylsl.local_clock()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.service.wait(1.0)
            if not self.is_alive:
                return np.zeros((0, 1)), np.zeros(0)
            self._inlets["Sources"] = self._opened("Sources")
            self.reopened.append((begin_s - 1.0, pylsl.local_clock() + 1.0))
            return np.zeros((0, 1)), np.zeros(0)
        return rows, stamps

    def pump(self, seconds: float) -> None:
        """Read what the service says for some time."""
        end = time.monotonic() + seconds
        while True:
            if not self.is_alive:  # its streams are gone, too
                return
            rows, stamps = self._rows()
            if len(stamps):
                before = self.account.n_withheld
                self.account(rows, stamps)
                now_s = time.monotonic()
                self._withheld_s += [now_s] * (self.account.n_withheld - before)
            with contextlib.suppress(LostError):  # the service has ended: told above
                self._hear()
            if time.monotonic() >= end:
                return
            if len(stamps) < 256:
                time.sleep(POLL_S)

    def _hear(self) -> None:
        """Read quality and events."""
        for row in self._inlets["Quality"].pull_chunk(timeout=0.0, as_numpy=True)[0]:
            if not read_quality(row)["valid"]:
                self._invalid_s.append(time.monotonic())
        for [text], stamp in zip(*self._inlets["Events"].pull_chunk(timeout=0.0), strict=True):
            event = EventMessage.from_json(text)
            if not event.facts.get("repeated"):
                self.events.append((stamp, event))
                print(f"{stamp:14.3f}   {event.event}: {event.text}", file=sys.stderr)

    def settle(self, timeout_s: float = RECOVERY_S) -> bool:
        """Wait until rows that are as they have to be come again; say whether they do."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.is_alive:
            before = self.account.n_equal
            self.pump(0.5)
            if self.account.n_equal - before > 0.3 * RATE_HZ:
                return True
        return False

    def note_missing(self, fault: str) -> None:
        """Note how many more samples have no row since the last fault."""
        own = [sender for sender in self.account.senders if sender.may_be_imaged]
        new = sum(len(sender.missing()) for sender in own) - sum(self.missing_after.values())
        if new:
            self.missing_after[fault] = self.missing_after.get(fault, 0) + new

    def note_growth(self, fault: str) -> None:
        """Note how much the service has grown since the last fault."""
        if self.is_alive:
            now_mb = self.cost()["memory_mb"]
            grown_mb = self.grown_after.get(fault, 0.0) + now_mb - self._last_mb
            self.grown_after[fault], self._last_mb = round(grown_mb, 1), now_mb

    @property
    def is_alive(self) -> bool:
        """Whether the service runs."""
        return self.service.poll() is None

    def cost(self) -> dict[str, float]:
        """Return what the service holds."""
        process = psutil.Process(self.service.pid)
        memory = process.memory_info().rss / 2**20
        return {
            "memory_mb": round(memory, 1),
            "threads": process.num_threads(),
            "files": process.num_fds(),
        }

    def unsaid(self) -> int:
        """Return how many rows were withheld while `NAME-Quality` called them valid."""
        invalid_s = np.array([-np.inf, *self._invalid_s])
        return sum(
            bool(np.abs(invalid_s - withheld_s).min() > SAID_S) for withheld_s in self._withheld_s
        )

    def end(self) -> dict[str, object]:
        """Stop the service as a person would, and return its summary."""
        self.pump(1.0)
        self.service.send_signal(signal.SIGINT)
        printed, _ = self.service.communicate(timeout=20)
        summary: dict[str, object] = json.loads(printed.splitlines()[-1])
        return summary

    def said(self) -> str:
        """Return what the service wrote last."""
        return (self._folder / "service.txt").read_text(errors="replace")[-3000:]

    def close(self) -> None:
        """End all that still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
