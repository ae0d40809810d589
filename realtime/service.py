"""The loop: inlet → imager → outlet, until it is told to stop."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from typing import Any

import pylsl

from realtime.bundle import load_bundle
from realtime.config import RunConfig
from realtime.errors import StreamError
from realtime.head import Head
from realtime.health import Health
from realtime.imager import Imager
from realtime.inlet import Inlet, StreamDescription, find_streams, resolve
from realtime.montage import LevelCheck, Montage, match_montage
from realtime.network import Network
from realtime.outlet import Provenance, SourceOutlet, sources_stream_name

log = logging.getLogger(__name__)

# Most samples imaged at once: what has piled up is worked off in batches.
MAX_BATCH = 64
STATUS_PERIOD_S = 1.0
RETRY_S = 0.5
# How long to look whether the name to publish under is taken.
NAME_CHECK_S = 0.5


def serve(
    config: RunConfig,
    stop: Callable[[], bool],
    on_status: Callable[[Health], None] = lambda health: None,
) -> dict[str, Any]:
    """Image a stream until ``stop()`` is true.

    A stream that ends is waited for and taken up again when the same one comes back; the
    published stream stays up meanwhile.

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
    # Before the inlet opens, so that no sample waits for it.
    bundle = load_bundle(config.model)
    network = Network(bundle.model, bundle.head, config.provider)
    log.info("model %s: %d dipoles, on %s", bundle.name, bundle.head.n_dipoles, network.provider)

    published = sources_stream_name(config.name)
    _refuse_taken(published)
    found = resolve(config.input, config.wait_s, stop=stop)
    if found is None:
        return _summary(Health(1.0), network.provider, interpolated=())
    first = Inlet(found)
    stream = first.description
    units = stream.units if config.unit is None else (config.unit,) * len(stream.labels)
    montage = match_montage(stream.labels, units, bundle.head.channels)
    _log_input(stream, montage, bundle.head)
    imager = Imager(bundle, montage, network)
    outlet = SourceOutlet(config.name, Provenance(stream, montage, bundle, network.provider))
    log.info("output %s", published)

    health = Health(stream.sfreq_hz, since_s=pylsl.local_clock())
    look = LevelCheck(montage, stream.sfreq_hz)
    inlet: Inlet | None = first
    while inlet is not None and not stop():
        try:
            _image_until_lost(inlet, imager, outlet, health, look, stop, on_status)
        except StreamError as loss:
            log.warning("%s; waiting for it to come back", loss)
            health.lost(pylsl.local_clock())
            inlet = _reopen(stream, stop)
            health.restarted(pylsl.local_clock())
    return _summary(health, network.provider, montage.missing)


def _summary(health: Health, provider: str, interpolated: tuple[str, ...]) -> dict[str, Any]:
    return {**health.summary(), "provider": provider, "interpolated": list(interpolated)}


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


def _image_until_lost(
    inlet: Inlet,
    imager: Imager,
    outlet: SourceOutlet,
    health: Health,
    look: LevelCheck,
    stop: Callable[[], bool],
    on_status: Callable[[Health], None],
) -> None:
    """Image one open stream; every sample that comes in goes out."""
    # What start-up allocated lives as long as the service: keep the collector off it.
    gc.collect()
    gc.freeze()
    status_due = 0.0
    while not stop():
        chunk = inlet.pull(MAX_BATCH)
        if chunk is not None:
            health.received(chunk.timestamps)
            look.at(chunk.samples)
            frame = imager(chunk)
            outlet.push(frame)
            health.published(frame.timestamps, pylsl.local_clock())
        if time.monotonic() > status_due:
            status_due = time.monotonic() + STATUS_PERIOD_S
            on_status(health)


def _reopen(stream: StreamDescription, stop: Callable[[], bool]) -> Inlet | None:
    """Wait until a lost stream is back as it was; None if stopped before.

    A stream with other channels, units or another rate is never taken: its samples would go
    out under a description that is not theirs.
    """
    said = ""
    while not stop():
        try:
            found = resolve(
                stream.name, float("inf"), source_id=stream.source_id, settle_s=0.0, stop=stop
            )
            if found is None:
                return None
            inlet = Inlet(found)
            difference = stream.difference(inlet.description)
        except StreamError as error:  # gone again: liblsl lists a dead stream for a while
            difference = str(error)
        if not difference:
            log.warning("input %s is back", stream.name)
            return inlet
        if difference != said:
            log.warning("not taken up: %s", difference)
            said = difference
        time.sleep(RETRY_S)
    return None
