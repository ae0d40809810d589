"""The loop: inlet → imager → outlet, until it is told to stop."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from typing import Any

import pylsl
from threadpoolctl import threadpool_limits

from convdip.bundle import Bundle, load_bundle
from convdip.errors import StreamError
from convdip.head import Head
from convdip.live.backlog import Backlog
from convdip.live.events import EventOutlet
from convdip.live.frame import EegChunk, SourceFrame
from convdip.live.health import Health
from convdip.live.imager import Imager
from convdip.live.inlet import BUFFER_S, POLL_S, Inlet, StreamDescription, find_streams, resolve
from convdip.live.latency import AGE
from convdip.live.montage import LevelCheck, Montage, match_montage
from convdip.live.network import Network, open_network
from convdip.live.outlet import Provenance, SourceOutlet, sources_stream_name
from convdip.live.quality import QualityOutlet
from convdip.live.settings import RunConfig
from convdip.priority import take_realtime_priority

log = logging.getLogger(__name__)

STATUS_PERIOD_S = 1.0
RETRY_S = 0.5
# Older than this by their stamps, samples come from the past, or from another clock.
UNBELIEVABLE_MS = 5000.0
# How long to look whether the name to publish under is taken.
NAME_CHECK_S = 0.5

OnStatus = Callable[[Health], None]


def serve(
    config: RunConfig,
    stop: Callable[[], bool],
    on_status: OnStatus = lambda health: None,
) -> dict[str, Any]:
    """Image a stream until ``stop()`` is true.

    A stream that ends is waited for and taken up again when the same one comes back; the
    published streams stay up meanwhile.

    Parameters
    ----------
    config : RunConfig
    stop : callable
    on_status : callable
        Gets the health once a second.

    Returns
    -------
    summary : dict
        What ``convdip run --json`` prints.

    Raises
    ------
    ConvDipError
        If the model, the stream or its montage is not what it should be.
    """
    if config.realtime:
        take_realtime_priority()
    # A sample's products are too small to share: a second thread would only wake up for them.
    threadpool_limits(1, "blas")
    # Before the inlet opens, so that no sample waits for it.
    bundle = load_bundle(config.model)
    network = open_network(bundle, config.provider, config.precision)
    log.info("model %s: %d dipoles, on %s", bundle.name, bundle.head.n_dipoles, network.words)

    _refuse_taken(sources_stream_name(config.name))
    found = resolve(config.input, config.wait_s, stop=stop)
    if found is None:
        return _summary(Health(1.0, 0.0), network, interpolated=())
    inlet = Inlet(found)
    stream = inlet.description
    units = stream.units if config.unit is None else (config.unit,) * len(stream.labels)
    montage = match_montage(stream.labels, units, bundle.head.channels)
    _log_input(stream, montage, bundle.head)
    loop = Loop(config, stream, montage, bundle, network, on_status)
    log.info("output %s", sources_stream_name(config.name))
    loop.run(inlet, stop)
    return _summary(loop.health, network, montage.missing)


class Loop:
    """One input stream on its way to the published ones.

    Parameters
    ----------
    config : RunConfig
    stream : StreamDescription
        The input; when it is lost, only the same is taken up again.
    montage : Montage
    bundle : Bundle
    network : Network
    on_status : callable
        Gets the health once a second.
    """

    def __init__(
        self,
        config: RunConfig,
        stream: StreamDescription,
        montage: Montage,
        bundle: Bundle,
        network: Network,
        on_status: OnStatus,
    ) -> None:
        self._stream = stream
        self._imager = Imager(bundle, montage, network)
        provenance = Provenance(stream, montage, bundle, network, config.unit)
        self._outlet = SourceOutlet(config.name, provenance)
        self._quality = QualityOutlet(config.name, stream)
        self._events = EventOutlet(config.name)
        self._overload = config.overload, config.max_backlog_s
        self._backlog = Backlog(stream.sfreq_hz, *self._overload)
        self._look = LevelCheck(montage, stream.sfreq_hz)
        self._on_status = on_status
        self._status_due_s = 0.0
        self._is_clock_told = False
        self.health = Health(stream.sfreq_hz, pylsl.local_clock(), n_bad=len(montage.missing))

    def run(self, inlet: Inlet | None, stop: Callable[[], bool]) -> None:
        """Image until told to stop; a lost stream is waited for."""
        while inlet is not None and not stop():
            try:
                self._image_until_lost(inlet, stop)
            except StreamError as loss:
                inlet = self._wait_for_return(loss, inlet.n_waiting(), stop)
        n_unread = 0 if inlet is None else inlet.n_waiting()
        self.health.ended(n_unread)
        text = f"told to stop, {n_unread} samples not imaged"
        self._events.say("stop", text, pylsl.local_clock(), logging.DEBUG, unread=n_unread)

    def _wait_for_return(
        self, loss: StreamError, n_unread: int, stop: Callable[[], bool]
    ) -> Inlet | None:
        now_s = pylsl.local_clock()
        self.health.ended(n_unread)
        self.health.lost(now_s)
        text = f"{loss}, {n_unread} samples not imaged; waiting for it to come back"
        self._events.say("lost", text, now_s, logging.WARNING, unread=n_unread)
        self._backlog = Backlog(self._stream.sfreq_hz, *self._overload)
        inlet = self._reopen(stop)
        now_s = pylsl.local_clock()
        self.health.restarted(now_s)
        if inlet is not None:
            self._events.say("back", f"input {self._stream.name} is back", now_s, logging.WARNING)
        return inlet

    def _image_until_lost(self, inlet: Inlet, stop: Callable[[], bool]) -> None:
        # What start-up allocated lives as long as the service: keep the collector off it.
        gc.collect()
        gc.freeze()
        while not stop():
            chunk = self._backlog.take(inlet)
            if chunk is not None:
                self._image(chunk)
            self._note_backlog()
            self._report()

    def _image(self, chunk: EegChunk) -> None:
        """Image and publish what was pulled; all else comes after, while clients have it."""
        clock = pylsl.local_clock
        pulled_s = clock()
        inputs, eeg = self._imager.prepare(chunk)
        prepared_s = clock()
        maps = self._imager.infer(inputs)
        inferred_s = clock()
        sources, fit = self._imager.scale(maps, eeg)
        scaled_s = clock()
        self._outlet.push(SourceFrame(sources, fit, chunk.timestamps))
        reached_s = (pulled_s, prepared_s, inferred_s, scaled_s, clock())
        self.health.published(chunk.timestamps, reached_s, fit)
        self._look.at(chunk.samples)
        missing = self.health.received(chunk.timestamps, self._backlog.n_dropped)
        if missing and self._backlog.overflowed:
            self.health.overflowed(missing)
            text = f"{missing} samples lost: more than {BUFFER_S} s waited"
            self._events.say("overflow", text, reached_s[-1], logging.ERROR, lost=missing)
        elif missing:
            text = f"{missing} samples are missing in the input"
            self._events.say("gap", text, reached_s[-1], logging.WARNING, missing=missing)

    def _note_backlog(self) -> None:
        """Say loudly where too much waits, and what was dropped."""
        was_over, backlog = self.health.is_over, self._backlog
        self.health.queued(backlog)
        if not (was_over or backlog.is_over or backlog.n_dropped):
            return
        now_s, n_dropped, n_behind = pylsl.local_clock(), backlog.n_dropped, backlog.n_behind
        if backlog.is_over and not was_over:
            wait_ms = n_behind / self._stream.sfreq_hz * 1e3
            text = f"OVERLOAD: {n_behind} samples ({wait_ms:.0f} ms) wait to be imaged"
            self._events.say("overload", text, now_s, logging.ERROR, waiting=n_behind)
        if backlog.dropped:  # to the log only as a sum, or an overload of hours would fill it
            text = f"{n_dropped} samples dropped to image the newest"
            facts = {"dropped": n_dropped, "stamps": backlog.dropped}
            self._events.say("dropped", text, now_s, logging.DEBUG, **facts)
        if was_over and not backlog.is_over:
            text = f"the overload is over; {self.health.n_dropped} samples dropped so far"
            self._events.say("caught up", text, now_s, logging.WARNING)

    def _report(self) -> None:
        """Say how it goes, when it is time."""
        now_s = pylsl.local_clock()
        self._quality.push_if_due(self.health, now_s)
        if now_s >= self._status_due_s:
            self._status_due_s = now_s + STATUS_PERIOD_S
            self._check_clock(now_s)
            self._on_status(self.health)

    def _check_clock(self, now_s: float) -> None:
        """Say once that the stamps are not this computer's LSL time: no age would be true."""
        if self._is_clock_told:
            return
        median_ms = float(self.health.stages_ms()[AGE][0])
        if not (median_ms < 0 or median_ms > UNBELIEVABLE_MS):
            return
        self._is_clock_told = True
        text = (
            f"samples are {median_ms / 1e3:.3g} s old by their stamps: either they come late, or "
            "the sender does not stamp them with LSL's clock, and no age shown is true"
        )
        self._events.say("clock", text, now_s, logging.WARNING, age_ms=median_ms)

    def _reopen(self, stop: Callable[[], bool]) -> Inlet | None:
        """Wait until the lost stream is back as it was; None if stopped before.

        A stream with other channels, units or another rate is never taken: its samples would
        go out under a description that is not theirs.
        """
        stream, said = self._stream, ""

        def reporting_stop() -> bool:
            self._report()
            return stop()

        while not reporting_stop():
            try:
                found = resolve(
                    stream.name,
                    float("inf"),
                    source_id=stream.source_id,
                    settle_s=0.0,
                    stop=reporting_stop,
                )
                if found is None:
                    return None
                inlet = Inlet(found)
                difference = stream.difference(inlet.description)
            except StreamError as error:  # gone again: liblsl lists a dead stream for a while
                difference = str(error)
            if not difference:
                return inlet
            if difference != said:
                log.warning("not taken up: %s", difference)
                said = difference
            for _ in range(round(RETRY_S / POLL_S)):
                if reporting_stop():
                    return None
                time.sleep(POLL_S)
        return None


def _summary(health: Health, network: Network, interpolated: tuple[str, ...]) -> dict[str, Any]:
    return {
        **health.summary(),
        "provider": network.provider,
        "precision": network.precision,
        "threads": network.threads,
        "interpolated": list(interpolated),
    }


def _refuse_taken(published: str) -> None:
    """Refuse a name that another service publishes under: clients could not tell them apart."""
    if any(other.name() == published for other in find_streams(NAME_CHECK_S)):
        raise StreamError(
            f"a stream {published!r} is there already: stop the other service, or choose "
            "another --name"
        )


def _log_input(stream: StreamDescription, montage: Montage, head: Head) -> None:
    log.info(
        "input %s on %s: %g Hz, %d of %d electrodes",
        stream.name,
        stream.hostname,
        stream.sfreq_hz,
        head.n_electrodes - len(montage.missing),
        head.n_electrodes,
    )
    if montage.missing:
        log.warning("interpolated: %s (not in the stream)", ", ".join(montage.missing))
    if montage.unused:
        log.info("not used: %s", ", ".join(montage.unused))
