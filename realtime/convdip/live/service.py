"""The service: frames of a stream, published over LSL until it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import pylsl

from convdip.errors import StreamError
from convdip.frame import Frame
from convdip.live.events import EventOutlet
from convdip.live.feedback import FeedbackOutlets
from convdip.live.frames import Frames
from convdip.live.health import Health
from convdip.live.outlet import PowerOutlet, SourceOutlet, provenance_of
from convdip.live.quality import QualityOutlet
from convdip.live.settings import Settings
from convdip.live.summary import Summary
from convdip.streams import AGE, NONE, Event, stream_name

log = logging.getLogger(__name__)

STATUS_PERIOD_S = 1.0
# Older than this by their stamps, samples come from the past, or from another clock.
UNBELIEVABLE_MS = 5000.0
# Look at least so long whether the name to publish under is taken.
NAME_CHECK_S = 0.5


class Service:
    """Images an EEG stream and publishes what it finds, until it is stopped.

    A stream that ends is waited for and taken up again when the same one comes back; the
    published streams stay up meanwhile.

    ``with Service(…)`` opens it and runs it in a thread. Nothing outside the service is changed:
    no signal handler, no priority, no setting of a library that the whole process shares.

    Parameters
    ----------
    input : str, optional
        Name of the EEG stream; without it, the only EEG stream there is.
    name : str
        Stem of the published streams' names: ``NAME-Sources``.
    on_frame : callable, optional
        Gets each `Frame` once it is published, in the service's thread: what it takes delays the
        next sample.
    on_status : callable, optional
        Gets the `Health` once a second, in the same thread.
    **settings
        The other fields of `Settings`: ``model``, ``provider``, ``precision``, ``overload``,
        ``max_backlog_s``, ``unit``, ``channels``, ``invert``, ``high_pass``, ``band``, ``notch``,
        ``filter``, ``bad``, ``keep``, ``window``, ``baseline``, ``renew``, ``roi``, ``measure``,
        ``toward``, ``threshold``, ``success_rate``, ``rest``, ``rest_markers``, ``features``,
        ``feedback``, ``osc``, ``wait_s``.

    Raises
    ------
    ConvDipError
        If a setting is out of range.

    Examples
    --------
    ::

        with convdip.Service(input="MyAmplifier", name="Lab", on_frame=feedback) as service:
            service.wait()
        print(service.summary)
    """

    def __init__(
        self,
        input: str | None = None,  # noqa: A002
        name: str = "ConvDip",
        *,
        on_frame: Callable[[Frame], None] | None = None,
        on_status: Callable[[Health], None] | None = None,
        **settings: Any,
    ) -> None:
        self._settings = Settings(input=input, name=name, **settings)
        self._on_frame = on_frame
        self._on_status = on_status
        self._stop = threading.Event()
        self._frames = Frames(self._settings, self._stop.is_set)
        self._is_open = False
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._status_due_s = 0.0
        self._is_clock_told = False

    def open(self) -> bool:
        """Load the model, connect to the input, announce the published streams.

        Returns
        -------
        is_open : bool
            False if `stop` was called before the input was found.

        Raises
        ------
        ConvDipError
            If the model, the stream or its montage is not what it should be, or another service
            publishes under this name.
        """
        name = self._settings.name
        listening_s, others = time.monotonic(), pylsl.ContinuousResolver()
        self._frames.load()
        time.sleep(max(0.0, listening_s + NAME_CHECK_S - time.monotonic()))
        _refuse_taken(stream_name(name, "Sources"), others)
        if not self._frames.connect():
            return False
        _refuse_taken(stream_name(name, "Sources"), others)
        imager, stream = self._frames.imager, self._frames.stream
        assert imager.preparation is not None
        bundle, network = imager.bundle, imager.network
        interpolated = () if bundle.takes_any_cap else imager.montage.missing
        provenance = replace(
            provenance_of(stream, bundle, network, interpolated, self._settings.unit),
            electrodes=imager.montage.names,
            noise=imager.noise if bundle.takes_any_cap else NONE,
            input_channels=self._frames.channels,
            input_inverted=self._settings.invert,
            filter=str(self._settings.filters),
            filter_delay_s=imager.preparation.conditioner.delay_s,
        )
        self._outlet = SourceOutlet(name, bundle.head, stream.sfreq_hz, provenance)
        self._power = None
        if imager.window is not None:
            self._power = PowerOutlet(name, bundle.head, imager.window, provenance)
        self._quality = QualityOutlet(name, stream.name)
        self._events = EventOutlet(name)
        self._frames.say = self._events.say
        self._feedback = None
        if self._settings.measured:
            self._feedback = FeedbackOutlets(
                self._settings, bundle, stream.sfreq_hz, provenance, self._events.say
            )
        self._is_open = True
        log.info("output %s", stream_name(name, "Sources"))
        return True

    def run(self) -> None:
        """Image and publish, in the calling thread, until `stop` is called; after `open`."""
        clock, health = pylsl.local_clock, self._frames.health
        for frame in self._frames:
            if frame is not None:
                self._outlet.push(frame)
                health.published(frame, clock())
                if self._on_frame is not None:
                    self._on_frame(frame)
                if self._feedback is not None:
                    self._feedback.push(frame, clock(), is_noise_known=self._is_noise_known)
                if self._power is not None:
                    self._power.push_if_due(frame, clock())
            elif self._feedback is not None:
                self._feedback.push_silence(clock())
            self._report(health)

    @property
    def _is_noise_known(self) -> bool:
        imager = self._frames.imager
        return (
            self._settings.baseline is None
            or imager.noise == "baseline"
            or not (imager.bundle.takes_any_cap)
        )

    def __enter__(self) -> Self:
        if self.open():
            self._thread = threading.Thread(target=self._run_apart, name="convdip", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        try:
            self.wait()
        except BaseException:
            if error is None:  # what the block raised is what the user has to see
                raise
        finally:
            self.close()

    def close(self) -> None:
        """Take the published streams off the network; once the service has stopped."""
        if self._is_open:
            self._frames.close()
            if self._feedback is not None:
                self._feedback.close()
            del self._outlet, self._power, self._feedback, self._quality, self._events

    def stop(self) -> None:
        """Tell the service to stop; it does within a tenth of a second. From any thread."""
        self._stop.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the service has stopped.

        Parameters
        ----------
        timeout_s : float, optional
            How long; without it, until it has.

        Returns
        -------
        has_stopped : bool

        Raises
        ------
        Exception
            What ended the service, if not `stop`.
        """
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return not self._thread.is_alive()

    @property
    def health(self) -> Health:
        """Counts and ages; once the service is open."""
        return self._frames.health

    @property
    def summary(self) -> Summary:
        """What the service did so far."""
        if not self._is_open:
            return Summary()
        imager = self._frames.imager
        network, preparation = imager.network, imager.preparation
        assert preparation is not None
        return replace(
            self.health.summary(),
            provider=network.provider,
            precision=network.precision,
            threads=network.threads,
            interpolated=preparation.operator.interpolated,
        )

    def _run_apart(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self._failure = error

    def _report(self, health: Health) -> None:
        """Publish and report how it goes, when it is time."""
        now_s = pylsl.local_clock()
        self._quality.push_if_due(health, now_s)
        if now_s >= self._status_due_s:
            self._status_due_s = now_s + STATUS_PERIOD_S
            self._check_clock(now_s)
            if self._on_status is not None:
                self._on_status(health)

    def _check_clock(self, now_s: float) -> None:
        """Report once that the stamps are not this computer's LSL time: no age would be true."""
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
        self._events.say(Event.CLOCK, text, now_s, logging.WARNING, age_ms=median_ms)


def _refuse_taken(published: str, others: pylsl.ContinuousResolver) -> None:
    """Refuse a name that another service publishes under: clients could not tell them apart."""
    if any(other.name() == published for other in others.results()):
        raise StreamError(
            f"a stream {published!r} already exists: stop the other service, or choose another "
            "`name`"
        )
