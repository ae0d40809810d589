"""The baseline of the feedback: gathered, kept, followed, and told of."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.feedback.protocol import Block
from convdip.feedback.rest import SHORTEST_S, Rest, Scale, n_rest
from convdip.live.events import Say
from convdip.live.loop.markers import Between
from convdip.live.loop.protocol_file import Protocol
from convdip.live.settings import Settings
from convdip.streams import Event

log = logging.getLogger(__name__)

Float = NDArray[np.float64]

PROGRESS_S = 10.0


class RestBaseline:
    """What features are at rest: of the first seconds, between two markers, or of a block.

    Parameters
    ----------
    settings : Settings
    protocol : Protocol or None
        If it has a block of rest, the baseline is of that.
    names : sequence of str
        Of all features.
    of : str
        What they are: a kept baseline of anything else is refused.
    sfreq_hz : float
    say : Say

    Attributes
    ----------
    is_known : bool
        Whether there is one.

    Raises
    ------
    ConfigError
        If a kept one does not fit, or a protocol would do without any.
    """

    def __init__(
        self,
        settings: Settings,
        protocol: Protocol | None,
        names: list[str],
        of: str,
        sfreq_hz: float,
        say: Say,
    ) -> None:
        self._names, self._of, self._say, self._path = names, of, say, settings.rest
        self._least, self._progress_s = n_rest(SHORTEST_S, sfreq_hz), -np.inf
        self._follows = 0.0 if settings.follow is None else 1 / (settings.follow * sfreq_hz)
        linear = [one.measure == "moment" for one in settings.measured]
        linear += [True] * len(settings.contrasts)
        self._scales: list[Scale] = ["linear" if is_linear else "log" for is_linear in linear]
        markers, seconds = settings.rest_markers, settings.baseline
        self._between = None if markers is None else Between(*markers)
        self._is_in_blocks = protocol is not None
        # Without any of them, nothing is gathered.
        self._gathers = markers is not None or seconds is not None or protocol is not None
        is_elsewhere = markers is not None or protocol is not None
        self._n = None if seconds is None or is_elsewhere else n_rest(seconds, sfreq_hz)
        self._rest = Rest(self._scales, self._n)
        is_kept = settings.rest is not None and settings.rest.exists()
        if settings.rest is not None and is_kept:
            self._rest.load(settings.rest, of)
        elif protocol is not None:
            _check_order(protocol.blocks)
        elif not self._gathers:
            log.warning(
                "without `baseline`, `rest_markers`, a protocol or a kept `rest` there is no "
                "feedback, only features"
            )

    @property
    def is_known(self) -> bool:
        """Whether there is one."""
        return self._rest.is_complete

    @property
    def described(self) -> dict[str, list[float] | list[str]]:
        """Names, middle and spread of the features; once it is known."""
        return {
            "names": self._names,
            "median": self._rest.median.round(4).tolist(),
            "spread": self._rest.spread.round(4).tolist(),
        }

    def hear(self, said: str, stamp: float) -> None:
        """Take a marker into account, whatever it says."""
        if self._between is not None:
            self._between.hear(said, stamp)

    def add(
        self,
        values: Float,
        stamps: Float,
        block: Block | None,
        now_s: float,
    ) -> None:
        """Gather what belongs to it, or let it follow.

        Parameters
        ----------
        values : ndarray, shape (n_times, n_features)
        stamps : ndarray, shape (n_times,)
        block : Block or None
            Which they are of.
        now_s : float
            On LSL's clock.
        """
        is_rest = not self._is_in_blocks or (block is not None and block.kind == "rest")
        if self._rest.is_complete:
            if self._follows:
                self._rest.follow(values, self._follows)
        elif self._gathers and is_rest:
            self._gather(values, stamps, now_s)

    def must_last(self, block: Block, now_s: float) -> bool:
        """End the baseline with a block; whether that has too little of it, and must go on."""
        if block.kind != "rest" or self._rest.is_complete:
            return False
        if self._rest.n_seen >= self._least:
            self._rest.finish()
            self._tell(now_s)
            return False
        text = f"the rest goes on: less than {SHORTEST_S:g} s of it were without artefacts so far"
        self._say(Event.REST, text, now_s, logging.WARNING, samples=self._rest.n_seen)
        return True

    def z(self, values: Float) -> Float:
        """Return how far from rest features are, in standard deviations; NaN until it is known."""
        return self._rest.z(values)

    def _gather(self, values: Float, stamps: Float, now_s: float) -> None:
        """Gather values, and tell how far it is."""
        rest, between = self._rest, self._between
        rest.add(values if between is None else values[between.is_inside(stamps)])
        if between is not None and between.is_over(float(stamps[-1])):
            self._end_between(rest.n_seen, now_s)
        if self.is_known:
            self._tell(now_s)
        elif rest.n_seen and now_s >= self._progress_s:
            self._progress_s = now_s + PROGRESS_S
            of = "" if self._n is None else f" of {self._n}"
            log.info("the baseline of the feedback has %d%s samples", rest.n_seen, of)

    def _end_between(self, n_seen: int, now_s: float) -> None:
        """Take what lay between the markers, or begin anew."""
        if n_seen >= self._least:
            self._rest.finish()
        elif n_seen:
            self._rest = Rest(self._scales)
            text = f"the baseline had less than {SHORTEST_S:g} s without artefacts: gather it anew"
            self._say(Event.REST, text, now_s, logging.WARNING, samples=n_seen)

    def _tell(self, now_s: float) -> None:
        """Tell that it is known, and keep it where that was asked for."""
        text = "the baseline of the feedback is complete"
        if self._path is not None:
            try:
                self._rest.save(self._path, self._of)
                text += f", and kept in {self._path}"
            except OSError as error:  # the session goes on without it
                text += f", but cannot be kept in {self._path}: {error.strerror}"
        self._say(Event.REST, text, now_s, logging.WARNING, **self.described)


def _check_order(blocks: tuple[Block, ...]) -> None:
    """Refuse feedback before there is a baseline."""
    for block in blocks:
        if block.kind == "rest":
            return
        if block.gives_feedback or block.kind == "transfer":
            raise ConfigError(
                "the protocol regulates before it has a block of rest: expected one before, or a "
                "kept `rest`"
            )
