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
from realtime.health import Health
from realtime.imager import Imager
from realtime.inlet import Inlet, resolve
from realtime.montage import match_montage
from realtime.outlet import Provenance, SourceOutlet, sources_stream_name

log = logging.getLogger(__name__)

# Most samples imaged at once: what has piled up is worked off in batches.
MAX_BATCH = 64
STATUS_PERIOD_S = 1.0


def serve(
    config: RunConfig,
    stop: Callable[[], bool],
    on_status: Callable[[Health], None] = lambda health: None,
) -> dict[str, Any]:
    """Image a stream until ``stop()`` is true.

    A stream that ends is waited for and taken up again; the published stream stays up.

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
    bundle = load_bundle(config.model)
    log.info("model %s (%d dipoles)", bundle.name, bundle.head.n_dipoles)
    health: Health | None = None
    outlet: SourceOutlet | None = None
    provider, n_lost = "", 0
    missing: tuple[str, ...] = ()
    published_rate_hz = 0.0
    wait_s = config.wait_s
    while not stop():
        found = resolve(config.input, wait_s, stop=stop)
        if found is None:
            break
        inlet = Inlet(found)
        stream = inlet.description
        units = stream.units if config.unit is None else (config.unit,) * len(stream.labels)
        montage = match_montage(stream.labels, units, bundle.head.channels)
        missing = montage.missing
        log.info(
            "input %s on %s: %g Hz, %d of %d electrodes",
            stream.name,
            stream.hostname,
            stream.sfreq_hz,
            len(bundle.head.channels) - len(missing),
            len(bundle.head.channels),
        )
        if missing:
            log.warning("interpolated: %s (not in the stream)", ", ".join(missing))
        if montage.unused:
            log.info("not used: %s", ", ".join(montage.unused))
        imager = Imager(bundle, montage, config.provider)
        provider = imager.provider
        if outlet is None:
            provenance = Provenance(stream, montage, bundle, provider)
            outlet = SourceOutlet(config.name, provenance)
            published_rate_hz = stream.sfreq_hz
            log.info("output %s, on %s", sources_stream_name(config.name), provider)
        elif stream.sfreq_hz != published_rate_hz:
            raise StreamError(
                f"stream {stream.name!r} came back with {stream.sfreq_hz:g} Hz instead of "
                f"{published_rate_hz:g} Hz: start the service again"
            )
        if health is None:
            health = Health(stream.sfreq_hz)
        else:
            health.restarted(stream.sfreq_hz)
        try:
            _image_until_lost(inlet, imager, outlet, health, stop, on_status)
        except StreamError as lost:
            n_lost += 1
            wait_s = float("inf")
            log.warning("%s; waiting for it to come back", lost)
    counts = health.summary() if health else Health(1.0).summary()
    return {**counts, "lost": n_lost, "provider": provider, "interpolated": list(missing)}


def _image_until_lost(
    inlet: Inlet,
    imager: Imager,
    outlet: SourceOutlet,
    health: Health,
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
            frame = imager(chunk)
            outlet.push(frame)
            health.published(frame.timestamps, pylsl.local_clock())
        if time.monotonic() > status_due:
            status_due = time.monotonic() + STATUS_PERIOD_S
            on_status(health)
