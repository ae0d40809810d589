"""Starts what the start page offers: a service for an EEG stream, or the demo."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence

from PySide6.QtCore import QSettings

from convdip.bundle import DEFAULT_MODEL, load_bundle
from convdip.display.feed import Feed
from convdip.display.recent import Recent
from convdip.display.start_page import StartPage
from convdip.errors import ConvDipError
from convdip.processes import Process
from convdip.sources.signs import signs_for
from convdip.streams import SOURCES_TYPE, stem_of
from convdip.text import shown

SERVICE, DEMO = "ConvDip", "ConvDipDemo"
DEMO_S = 300.0
# On a busy computer the session takes its time to be simulated.
DEMO_WAIT_S = 60.0
HINT = "Write what it asks for under Options, then press the button again."
# The lines of the box in which the command line says what is wrong with an option.
_FRAME = re.compile(r"[╭╮╰╯│─]+(?: Error ─*╮)?")


class Opener:
    """Runs services as processes of their own, and follows them.

    They end with the window, and with this process, however that ends.

    Parameters
    ----------
    feed : Feed
    page : StartPage
    store : QSettings
        Keeps what was opened last.
    say : callable
        Gets a message for the user.
    """

    def __init__(
        self, feed: Feed, page: StartPage, store: QSettings, say: Callable[[str], None]
    ) -> None:
        self._feed, self._page, self._say = feed, page, say
        self._recent = Recent(store)
        self._processes: list[Process] = []
        self._opening = ""
        self._refusal = ("", "")
        self._tried: tuple[str, str] | None = None  # a stream and its options
        if feed.model is not None:
            page.options.setText(shlex.join(["--model", feed.model]))
        page.chosen.connect(self.open_service)
        page.image.connect(self.open_stream)
        page.demo.clicked.connect(self.open_demo)
        page.cancel.clicked.connect(self.leave)

    @property
    def pids(self) -> list[int]:
        """Process ids of what runs for this window."""
        return [process.pid for process in self._processes if process.is_running]

    def open_service(self, name: str, host: str) -> None:
        """Show a service that runs already."""
        self.end()
        self._feed.choose(name, host)
        self._opening = name

    def open_stream(self, name: str, options: str) -> None:
        """Run a service for an EEG stream, and show it.

        Parameters
        ----------
        name : str
            Of the stream.
        options : str
            As on the command line, after ``convdip run``.
        """
        self.end()
        try:
            given = shlex.split(options)
        except ValueError as error:
            self._refuse(name, f"These options cannot be read ({error}): {options}")
            return
        service = self._free(SERVICE)
        # In one word with the flag: a stream's name may begin as a flag does.
        command = ["convdip", "run", f"--input={name}", "--name", service, *given]
        self._start(name, service, [command])
        self._tried = (name, options)

    def open_demo(self) -> None:
        """Run a simulated session and a service for it, and show it."""
        self.end()
        model, name = self._feed.model or DEFAULT_MODEL, self._free(DEMO)
        try:
            signs = signs_for(load_bundle(model).polarity)
        except ConvDipError as error:
            self._refuse("the demo", str(error))
            return
        simulate = ["convdip", "simulate", "--name", name, "--seconds", str(DEMO_S)]
        simulate += ["--signs", signs, "--model", model]
        run = ["convdip", "run", "--input", name, "--name", name, "--model", model]
        run += ["--wait-s", str(DEMO_WAIT_S)]
        self._start("the demo", name, [simulate, run])

    def leave(self) -> None:
        """Go back to the start page, and end what was started from it."""
        self.end()
        self._feed.leave()

    def update(self) -> None:
        """Show on the page what is there, and why what was started has ended."""
        failed = next((process for process in self._processes if process.has_failed), None)
        if failed is not None:
            why = reason(failed.said())
            is_shown = self._feed.service is not None
            opening = self._opening
            if self._tried is not None and "--" in why:
                why += f"\n\n{HINT}"
            self.end()
            if is_shown:
                self._say(f"{opening} has ended: {why}")
            else:
                self._feed.leave()
                self._refuse(opening, why)
        if self._feed.service is not None:
            self._keep_recent()
        else:
            title, text = self._refusal
            if self._feed.refusal:
                title, text = f"Cannot show {self._feed.name}", self._feed.refusal
            streams = self._feed.on_network()
            self._page.show_streams(streams, self._recent.entries)
            self._page.show_state(self._opening or self._feed.name, title, text)

    def end(self) -> None:
        """End what was started."""
        if self._feed.service is not None:
            self._keep_recent()
        for process in self._processes:
            process.tell_to_end()
        for process in self._processes:
            process.__exit__()
        self._processes = []
        self._opening, self._refusal, self._tried = "", ("", ""), None

    def _keep_recent(self) -> None:
        """Keep what was opened, once it is shown: what was refused is not worth keeping."""
        if self._tried is not None:
            self._recent.add(*self._tried)
            self._tried = None

    def _start(self, opening: str, service: str, commands: Sequence[Sequence[str]]) -> None:
        env = dict(os.environ)
        self._processes = [Process(command, env, tied=True) for command in commands]
        self._opening = opening
        self._feed.choose(service)

    def _free(self, wanted: str) -> str:
        """Return a name that no service on the network has."""
        taken = {stem_of(s.name()) for s in self._feed.on_network() if s.type() == SOURCES_TYPE} | {
            s.name() for s in self._feed.on_network()
        }
        numbers = range(2, len(taken) + 3)
        return next(n for n in (wanted, *(f"{wanted}{i}" for i in numbers)) if n not in taken)

    def _refuse(self, opening: str, why: str) -> None:
        self._refusal = f"Cannot show {shown(opening)}", why


def reason(said: str) -> str:
    """Return why a command ended, from all that it wrote."""
    _, mark, after = said.rpartition("convdip: ")
    lines = _FRAME.sub(" ", after if mark else said).splitlines()
    told = [line.strip() for line in lines if line.strip()]
    if mark:
        return "\n".join(told)
    return "\n".join(told[-5:]) or "It ended and said nothing."
