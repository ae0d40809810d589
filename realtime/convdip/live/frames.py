"""An EEG stream as frames: found, imaged, waited for when it is lost."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pylsl

from convdip.bundle import ONE_POLARITY, load_bundle
from convdip.errors import StreamError
from convdip.feedback.regions import find_regions
from convdip.frame import EegChunk, Frame
from convdip.live.backlog import Backlog
from convdip.live.channels import read_channels
from convdip.live.events import Say, log_event
from convdip.live.health import Health
from convdip.live.imager import Imager
from convdip.live.inlet import BUFFER_S, Inlet
from convdip.live.known_answer import check_answers
from convdip.live.listening import POLL_S, Listening
from convdip.live.montage import stream_montage
from convdip.live.patience import GivenUpError
from convdip.live.sender import resolve
from convdip.live.settings import Settings
from convdip.live.succession import Succession
from convdip.live.timeliness import Timeliness
from convdip.live.tuning import open_network
from convdip.live.watch import Watch
from convdip.streams import EegDescription, Event, told
from convdip.text import listed, shown

log = logging.getLogger(__name__)

# A stream that is silent for longer may hang, and its sender have been started again.
HANGS_S = 3.0
# Over less than this, filters go on: what they know of offsets is worth more.
GAP_S = 0.25


def frames(
    input: str | None = None,  # noqa: A002
    **settings: Any,
) -> Generator[Frame, None, None]:
    """Image an EEG stream in this process, without publishing anything.

    A stream that is lost is waited for; the first frame after it says so in its flags. Leave the
    loop to stop.

    Parameters
    ----------
    input : str, optional
        Name of the stream, or ``NAME@host``; without it, the only EEG stream there is.
    **settings
        The other fields of `Settings`: ``source_id``, ``model``, ``provider``, ``precision``,
        ``overload``, ``max_backlog_s``, ``unit``, ``channels``, ``invert``, ``high_pass``,
        ``band``, ``notch``, ``filter``, ``bad``, ``keep``, ``window``, ``baseline``, ``renew``,
        ``wait_s``. Those of feedback change nothing here: see `Features`.

    Yields
    ------
    frame : Frame
        As soon as it is imaged: usually one sample, more where several waited.

    Raises
    ------
    ConvDipError
        If a setting, the model, the stream or its montage is not what it should be.

    Examples
    --------
    ::

        for frame in convdip.frames(input="MyAmplifier"):
            print(frame.timestamps[-1], abs(frame.moments_nam[-1]).max(), frame.flags)
    """
    stream = Frames(Settings(input=input, **settings))
    if stream.load() and stream.connect():
        yield from filter(None, stream)


class Frames:
    """The frames of one input stream, through its losses.

    Parameters
    ----------
    settings : Settings
    stop : callable
        Ends search and iteration when true.

    Attributes
    ----------
    say : Say
        Where events go; at first, to the log.
    imager : Imager
    health : Health
    stream : EegDescription
        The input; when it is lost, only the same is taken up again, of which this then is the
        description: its program may have given it another source id.
    channels : str or None
        What the user said of the channels, as text.
    """

    imager: Imager
    health: Health
    stream: EegDescription
    channels: str | None

    def __init__(self, settings: Settings, stop: Callable[[], bool] = lambda: False) -> None:
        self.say: Say = log_event
        self._settings = settings
        self._stop = stop
        self._failures: deque[str] = deque()

    def load(self) -> bool:
        """Load the model: before the stream is connected, so that no sample waits for it.

        False if stopped before it was loaded.

        Raises
        ------
        ConvDipError
            If it cannot be loaded, or not run as the settings ask.
        """
        settings = self._settings
        self._bundle = bundle = load_bundle(settings.model)
        how = settings.provider, settings.precision
        try:
            self._network = network = open_network(bundle, *how, self._stop)
        except GivenUpError:
            return False
        network.on_failure = self._failures.append
        for feature in settings.measured:  # a slip is told before a stream is looked for
            find_regions(bundle.head, feature.regions, is_template=bundle.is_template)
        log.info("model %s: %d dipoles, on %s", bundle.name, bundle.head.n_dipoles, network.words)
        if bundle.polarity == "positive":
            log.warning("model %s %s", bundle.name, ONE_POLARITY)
        return True

    def connect(self, listening: Listening | None = None) -> bool:
        """Connect to the stream, after `load`; False if stopped before it was found.

        Parameters
        ----------
        listening : Listening, optional
            Where the search was begun already.

        Raises
        ------
        ConvDipError
            If the stream or its montage is not what it should be.
        """
        settings = self._settings
        inlet = self._find(listening or Listening())
        if inlet is None:
            return False
        self._inlet = inlet
        self.stream = stream = self._inlet.description
        channels = None if settings.channels is None else read_channels(settings.channels)
        montage = stream_montage(
            stream,
            self._bundle.head,
            unit=settings.unit,
            channels=channels,
            inverted=settings.invert,
        )
        self.channels = None if channels is None else str(channels)
        # Of a model for one cap, they are what regions are measured with alone.
        is_for_imager = self._bundle.takes_any_cap or not settings.measured
        looks = [one.window_s for one in settings.measured if one.band_hz]
        self.imager = Imager(
            stream.labels,
            montage=montage,
            sfreq_hz=stream.sfreq_hz,
            filters=settings.filters,
            bad=settings.bad_electrodes,
            keep=settings.keep,
            window_s=settings.window if is_for_imager else None,
            baseline_s=settings.baseline if is_for_imager else None,
            renew_s=settings.renew,
            bands=settings.bands,
            look_s=max(looks) if looks and self._bundle.takes_any_cap else None,
            rhythms=settings.rhythms(stream.sfreq_hz),
            model=self._bundle,
            network=self._network,
            clock=pylsl.local_clock,
        )
        self._log_input()
        self._is_resumed, self._n_missing = False, 0
        self._succession: Succession | None = None
        self._last_stamp = np.nan
        self.health = Health(stream.sfreq_hz, pylsl.local_clock())
        assert self.imager.preparation is not None
        self._watch = Watch(self.imager.preparation, self.health)
        self._timeliness = Timeliness(stream.sfreq_hz, self.health)
        self._n_baselines = 0
        return True

    def _find(self, listening: Listening) -> Inlet | None:
        """Return the input, once nothing else can be meant; None if stopped before."""
        settings, opened = self._settings, dict[str, Inlet]()

        def connect(stream: pylsl.StreamInfo) -> None:  # which takes a while
            opened[stream.uid()] = Inlet(stream)

        try:
            found = resolve(
                settings.input,
                settings.wait_s,
                source_id=settings.source_id,
                stop=self._stop,
                listening=listening,
                meanwhile=connect,
            )
        finally:
            listening.close()
        if found is None:
            return None
        return opened.get(found.uid()) or Inlet(found)

    def close(self) -> None:
        """Disconnect from the stream."""
        self.say = log_event
        del self._inlet

    def __iter__(self) -> Iterator[Frame | None]:
        """Yield each frame as soon as it is there, None at least ten times a second in silence.

        What can wait is done when the next one is asked for, once the last one is on its way.
        """
        self._backlog = self._empty_backlog()
        while not self._stop():
            try:
                chunk = self._backlog.take(self._inlet)
            except StreamError as loss:
                yield from self._outlast(loss)
                continue
            if chunk is None:
                yield from self._sit_out()
            else:
                yield from self._image(chunk)
            self._note_backlog()
        n_unread = self._inlet.n_waiting()
        self._tell_missing(self.health.ended(n_unread))
        text = f"stopping; {n_unread} samples unprocessed"
        self.say(Event.STOP, text, pylsl.local_clock(), logging.DEBUG, unread=n_unread)

    def _image(self, chunk: EegChunk) -> Iterator[Frame]:
        backlog, stamps = self._backlog, self._inlet.stamps
        self._timeliness.came(chunk, backlog, stamps)
        missing = self.health.received(chunk.timestamps, backlog.n_dropped)
        if chunk.skipped is not None:
            for piece in self._continued(chunk.skipped):
                self._watch.skip(piece)
        n_dropped, n_missing = backlog.n_dropped, missing + self._n_missing
        for piece in self._continued(chunk):
            frame = self.imager(piece.samples, piece.timestamps)
            self._tell_failures()
            flags = replace(
                self._watch.flags(frame),
                overload=backlog.is_over,
                is_late=backlog.is_late,
                n_dropped=n_dropped,
                n_missing=n_missing,
                is_resumed=self._is_resumed,
            )
            self._is_resumed, self._n_missing, n_dropped, n_missing = False, 0, 0, 0
            if flags:
                frame = replace(frame, flags=flags)
            yield frame
            self._watch.after(frame, pylsl.local_clock(), self.say)
            self._tell_noise()
        self._timeliness.after(backlog, stamps, pylsl.local_clock(), self.say)
        if missing and backlog.overflowed:
            self.health.overflowed(missing)
            text = f"{missing} samples lost: more than {BUFFER_S} s waited"
            self.say(Event.OVERFLOW, text, pylsl.local_clock(), logging.ERROR, lost=missing)
        else:
            self._tell_missing(missing)

    def _tell_missing(self, missing: int) -> None:
        if missing:
            text = f"{missing} samples are missing in the input"
            self.say(Event.GAP, text, pylsl.local_clock(), logging.WARNING, missing=missing)

    def _tell_failures(self) -> None:
        """Say that the network failed, once what it runs on now has given right answers."""
        while self._failures:
            network, what = self._network, self._failures.popleft()
            check_answers(self._bundle, network)
            text = f"{what}; from now on: {network.words}"
            facts = {"provider": network.provider, "reason": what}
            self.say(Event.NETWORK, text, pylsl.local_clock(), logging.ERROR, **facts)

    def _tell_noise(self) -> None:
        """Say that the noise is the person's own from now on, or was renewed."""
        n_baselines = self.imager.n_baselines
        if n_baselines == self._n_baselines:
            return
        self._n_baselines = n_baselines
        seconds = self._settings.baseline
        text = f"the noise of {seconds:g} s of baseline is used from now on"
        if n_baselines > 1:
            text = f"the noise was renewed from {seconds:g} s more of EEG"
        facts = {"noise": self.imager.noise, "seconds": seconds, "number": n_baselines}
        level = logging.WARNING if n_baselines == 1 else logging.INFO
        self.say(Event.OPERATOR, text, pylsl.local_clock(), level, **facts)

    def _continued(self, chunk: EegChunk) -> Iterator[EegChunk]:
        """Yield a chunk cut at its gaps: a filter does not go on over one."""
        gap_s = max(GAP_S, 3 / self.stream.sfreq_hz)
        for is_after_gap, piece in chunk.pieces(self._last_stamp, gap_s):
            if is_after_gap:
                self._watch.begin_anew()
            yield piece
        if np.isfinite(chunk.timestamps[-1]):
            self._last_stamp = float(chunk.timestamps[-1])

    def _note_backlog(self) -> None:
        """Report an overload, its end, and what was dropped."""
        was_over, backlog = self.health.is_over, self._backlog
        self.health.queued(backlog)
        if not (was_over or backlog.is_over or backlog.n_dropped or backlog.is_newly_full):
            return
        now_s, n_dropped, n_behind = pylsl.local_clock(), backlog.n_dropped, backlog.n_behind
        if backlog.is_over and not was_over:
            wait_ms = n_behind / self.stream.sfreq_hz * 1e3
            text = f"OVERLOAD: {n_behind} samples ({wait_ms:.0f} ms) wait to be imaged"
            self.say(Event.OVERLOAD, text, now_s, logging.ERROR, waiting=n_behind)
        if backlog.is_newly_full:  # at another rate than the stated one, losses may show no more
            text = f"samples may be lost: {BUFFER_S} s waited, and no more can"
            self.say(Event.OVERFLOW, text, now_s, logging.ERROR, lost=0)
        if backlog.dropped:  # to the log only as a sum, or an overload of hours would fill it
            text = f"{n_dropped} samples dropped to image the newest"
            facts = {"dropped": n_dropped, "stamps": backlog.dropped}
            self.say(Event.DROPPED, text, now_s, logging.DEBUG, **facts)
        if was_over and not backlog.is_over:
            text = f"caught up; {self.health.n_dropped} samples dropped so far"
            self.say(Event.CAUGHT_UP, text, now_s, logging.WARNING)

    def _outlast(self, loss: StreamError) -> Iterator[None]:
        """Wait until the lost stream is back, or the end."""
        self._lose(f"{loss}", "waiting for it to come back")
        succession = self._begin_to_look()
        while not self._stop():
            inlet = succession.look()
            if inlet is not None:
                yield from self._take_up(inlet)
                return
            time.sleep(POLL_S)
            yield None
        self.health.restarted(pylsl.local_clock())

    def _sit_out(self) -> Iterator[None]:
        """Go through a silence; a sender that hangs may have been started again."""
        now_s = pylsl.local_clock()
        self._timeliness.waits(now_s, self.say)
        if self.health.silence_s(now_s) <= HANGS_S:
            self._succession = None
            yield None
            return
        if self._succession is None:
            self._succession = self._begin_to_look(but_bound=True)
        inlet = self._succession.look()
        if inlet is None:
            yield None
            return
        self._succession = None
        self._lose(f"stream {told(self.stream.name)} hangs", "its sender was started again")
        yield from self._take_up(inlet)

    def _lose(self, loss: str, then: str) -> None:
        now_s, n_unread = pylsl.local_clock(), self._inlet.n_waiting()
        self._n_missing = self.health.ended(n_unread)
        self._tell_missing(self._n_missing)
        self.health.lost(now_s)
        text = f"{loss}, {n_unread} samples unprocessed; {then}"
        self.say(Event.LOST, text, now_s, logging.WARNING, unread=n_unread)

    def _begin_to_look(self, *, but_bound: bool = False) -> Succession:
        """Look for the lost stream as it was.

        A stream with other channels, units or another rate is never taken: its samples would
        go out under a description that is not theirs. Nor is another person's.
        """
        return Succession(
            self.stream,
            self._heard_s(),
            self.say,
            by_id_alone=self._settings.source_id is not None,
            but_bound=but_bound,
        )

    def _take_up(self, inlet: Inlet) -> Iterator[None]:
        """Go on with the stream that is back: all begins anew."""
        before, self._inlet, self.stream = self.stream, inlet, inlet.description
        self._last_stamp = np.nan
        yield None  # whoever publishes learns whose samples come, before they do
        self._backlog = self._empty_backlog()
        self._is_resumed = True
        self._watch.restart()
        self._timeliness.restart()
        now_s, stream = pylsl.local_clock(), self.stream
        self.health.restarted(now_s)
        text = f"input {stream.name} is back"
        if stream.source_id != before.source_id:
            text += f", with source id {told(stream.source_id)} instead of {told(before.source_id)}"
        facts = {key: getattr(stream, key) for key in ("source_id", "hostname", "uid")}
        self.say(Event.BACK, text, now_s, logging.WARNING, **facts)

    def _heard_s(self) -> float:
        """Return when the last sample was sent, as far as can be told: a stream made later is new.

        By its stamp, since it may have waited here while the sender was started again.
        """
        stamp = self._last_stamp
        is_told = self._inlet.stamps.has_age and stamp < pylsl.local_clock()
        return stamp if is_told else self.health.last_news_s

    def _empty_backlog(self) -> Backlog:
        settings = self._settings
        return Backlog(self.stream.sfreq_hz, settings.overload, settings.max_backlog_s)

    def _log_input(self) -> None:
        stream, montage, bundle = self.stream, self.imager.montage, self.imager.bundle
        n_missing, n = len(montage.missing), bundle.head.n_electrodes
        log.info(
            "input %s on %s: %g Hz, %d electrodes%s%s",
            shown(stream.name),
            shown(stream.hostname),
            stream.sfreq_hz,
            len(montage.names),
            "" if bundle.takes_any_cap else f", {n - n_missing} of the model's {n}",
            f", against {montage.reference}" if montage.reference else "",
        )
        if montage.missing and not bundle.takes_any_cap:
            log.warning("interpolated: %s (not in the stream)", ", ".join(montage.missing))
        if montage.unused:
            log.info("ignored channels: %s", listed(montage.unused))
