"""The service: frames of a stream, published over LSL until it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import pylsl

from convdip.errors import StreamError
from convdip.frame import Frame
from convdip.live.events import EventOutlet
from convdip.live.frames import Frames
from convdip.live.health import Health
from convdip.live.listening import Listening
from convdip.live.loop.feedback import FeedbackOutlets
from convdip.live.loop.protocol_file import read_protocol
from convdip.live.loop.record import check_folder
from convdip.live.outlet import PowerOutlet, SourceOutlet, provenance_of
from convdip.live.quality import QualityOutlet
from convdip.live.settings import Settings
from convdip.live.summary import Summary
from convdip.streams import NONE, Provenance, stream_name

log = logging.getLogger(__name__)

STATUS_PERIOD_S = 1.0
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
        Name of the EEG stream, or ``NAME@host``; without it, the only EEG stream there is.
    name : str
        Stem of the published streams' names: ``NAME-Sources``.
    on_frame : callable, optional
        Gets each `Frame` once it is published, in the service's thread: what it takes delays the
        next sample.
    on_status : callable, optional
        Gets the `Health` once a second, in the same thread.
    **settings
        The other fields of `Settings`: ``source_id``, ``model``, ``provider``, ``precision``,
        ``overload``, ``max_backlog_s``, ``unit``, ``channels``, ``invert``, ``high_pass``,
        ``band``, ``notch``, ``filter``, ``bad``, ``keep``, ``window``, ``baseline``, ``renew``,
        ``rhythm``, ``roi``, ``measure``, ``toward``, ``threshold``, ``success_rate``, ``rest``,
        ``rest_markers``, ``follow``, ``protocol``, ``participant``, ``record``, ``features``,
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
        path, participant = self._settings.protocol, self._settings.participant
        self._protocol = None if path is None else read_protocol(path, participant)
        if self._settings.record is not None:
            check_folder(self._settings.record)
        self._on_frame = on_frame
        self._on_status = on_status
        self._stop = threading.Event()
        self._frames = Frames(self._settings, self._stop.is_set)
        self._is_open = self._is_closed = False
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._status_due_s = 0.0

    def open(self) -> bool:
        """Load the model, connect to the input, announce the published streams.

        Returns
        -------
        is_open : bool
            False if `stop` was called before the model was loaded and the input found.

        Raises
        ------
        ConvDipError
            If the model, the stream or its montage is not what it should be, or another service
            publishes under this name.
        """
        name = self._settings.name
        with closing(Listening()) as others:
            listening_s = time.monotonic()
            if not self._frames.load():
                return False
            time.sleep(max(0.0, listening_s + NAME_CHECK_S - time.monotonic()))
            _refuse_taken(stream_name(name, "Sources"), others.resolver)
            if not self._frames.connect(others):
                return False
            _refuse_taken(stream_name(name, "Sources"), others.resolver)
        imager, stream = self._frames.imager, self._frames.stream
        bundle, provenance = imager.bundle, self._provenance()
        self._publish(provenance)
        self._quality = QualityOutlet(name, stream.name)
        self._events = EventOutlet(name)
        self._frames.say = self._events.say
        self._feedback = None
        if self._settings.measured:
            self._feedback = FeedbackOutlets(
                self._settings,
                self._protocol,
                bundle,
                stream.sfreq_hz,
                provenance,
                self._events.say,
            )
            self._frames.health.feedback_delay_s = self._feedback.delay_s
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
                for power in self._powers:
                    power.push_if_due(float(frame.timestamps[-1]), clock())
                if self._frames.imager.network.provider != self._provider:
                    self._announce_anew()
            else:
                if self._frames.stream is not self._input:
                    self._follow_input()
                if self._feedback is not None:
                    self._feedback.push_silence(clock())
            self._report(health)

    def _provenance(self) -> Provenance:
        """Return where estimates come from, of the stream in force."""
        imager, settings = self._frames.imager, self._settings
        bundle, preparation = imager.bundle, imager.preparation
        assert preparation is not None
        interpolated = () if bundle.takes_any_cap else imager.montage.missing
        self._input = stream = self._frames.stream
        self._provider = imager.network.provider
        return replace(
            provenance_of(stream, bundle, imager.network, interpolated, settings.unit),
            electrodes=imager.montage.names,
            noise=imager.noise if bundle.takes_any_cap else NONE,
            input_channels=self._frames.channels,
            input_inverted=settings.invert,
            filter=str(settings.filters),
            filter_delay_s=preparation.conditioner.delay_s,
        )

    def _publish(self, provenance: Provenance) -> None:
        """Announce the streams that say where their estimates come from."""
        name, imager = self._settings.name, self._frames.imager
        head, sfreq_hz = imager.bundle.head, self._input.sfreq_hz
        self._outlet = SourceOutlet(name, head, sfreq_hz, provenance)
        self._powers = [
            PowerOutlet(name, head, past, provenance)
            for past in (imager.window, *imager.rhythms)
            if past is not None
        ]

    def _follow_input(self) -> None:
        """Say where estimates come from now: the input is back, maybe under another source id."""
        before, after = self._input, self._frames.stream
        self._input = after
        if (before.source_id, before.hostname) != (after.source_id, after.hostname):
            self._announce_anew()

    def _announce_anew(self) -> None:
        """Say where estimates come from now."""
        provenance = self._provenance()
        # A description stays as it is while its stream lives: these begin anew, the old ones first,
        # so that never two are there.
        del self._outlet, self._powers
        self._publish(provenance)
        if self._feedback is not None:
            self._feedback.follow_input(provenance)
        log.info("output %s, made anew", stream_name(self._settings.name, "Sources"))

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
        """Take the streams off the network, and finish the record; once the service has stopped."""
        if self._is_open and not self._is_closed:
            self._is_closed = True
            self._frames.close()
            if self._feedback is not None:
                self._feedback.close(self.summary)
            self._events.linger()
            del self._outlet, self._powers, self._feedback, self._quality, self._events

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
    def input_name(self) -> str:
        """Name of the EEG stream; once the service is open."""
        return self._frames.stream.name

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
            self.close()  # nothing feeds its streams any more

    def _report(self, health: Health) -> None:
        """Publish and report how it goes, when it is time."""
        now_s = pylsl.local_clock()
        self._quality.push_if_due(health, now_s)
        if now_s >= self._status_due_s:
            self._status_due_s = now_s + STATUS_PERIOD_S
            if self._on_status is not None:
                self._on_status(health)


def _refuse_taken(published: str, others: pylsl.ContinuousResolver) -> None:
    """Refuse a name that another service publishes under: clients could not tell them apart."""
    if any(other.name() == published for other in others.results()):
        raise StreamError(
            f"a stream {published!r} already exists: stop the other service, or choose another "
            "`name`"
        )
