"""Samples and stamps as no honest amplifier sends them, through all that is done with them.

A row comes out as finite moments that a brain can have, or as NaN with a reason; stamps are finite
and in order; and what is told is JSON that anybody reads.
"""

from __future__ import annotations

import json
import random
import warnings

import numpy as np
from convdip.bundle import load_bundle
from convdip.errors import ConvDipError
from convdip.frame import EegChunk, Frame, Invalid
from convdip.live.conditioning import Filters
from convdip.live.health import Health
from convdip.live.imager import Imager
from convdip.live.network import Network
from convdip.live.stamps import Stamps
from convdip.live.watch import Watch
from convdip.streams import EventMessage

TARGET, REFUSED = 10_000, (ConvDipError,)
AT_MOST_S, MEMORY_MB, GROWTH_MB = 20.0, 3000.0, 40.0

BUNDLE = load_bundle()
NETWORK = Network(BUNDLE.model, BUNDLE.head, "cpu")
# Above this no moment is a brain's (docs/service.md).
MOST_NAM = 2000.0
NOW_S = 1e4
LIES = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e6, 1e300, -1e300, 3600.0, 0.3)
VALUES = (
    np.nan, np.inf, -np.inf, 0.0, 1e-300, 3e38, -3e38, 1e300, 375e3, 1e6, -1e9, 500.0, 32767.0
)  # fmt: skip

warnings.simplefilter("error")
np.seterr(all="ignore")  # as the command does: what is no number is judged, not warned of


def attempt(rng: random.Random) -> None:
    """Send a hostile stream of a second or two, and look at all that comes of it."""
    sfreq_hz = rng.choice((80.0, 125.0, 250.0, 500.0))
    labels = list(BUNDLE.head.channels)
    rng.shuffle(labels)
    labels = labels[: rng.choice((12, 19, 31, 31, 31))]
    n = rng.randrange(20, round(2 * sfreq_hz))
    imager = Imager(
        labels,
        unit=rng.choice(("microvolts", "microvolts", "millivolts", "volts", "0.1uV")),
        sfreq_hz=sfreq_hz,
        filters=rng.choice((Filters(), Filters(0.5, (8, 12), None), Filters(None, None, None))),
        keep=rng.random() < 0.3,
        model=BUNDLE,
        network=NETWORK,
    )
    assert imager.preparation is not None
    health = Health(sfreq_hz, NOW_S)
    watch, stamps, told = Watch(imager.preparation, health), Stamps(sfreq_hz), []
    samples = _samples(rng, n, len(labels))
    sent, true = _stamps(rng, n, sfreq_hz)
    first, last = 0, -np.inf
    while first < n:
        end = min(n, first + rng.choice((1, 1, 7, 32, 64)))
        now_s = true[end - 1] + 0.002
        chunk = EegChunk(samples[first:end], stamps(sent[first:end], now_s))
        health.received(chunk.timestamps)
        if rng.random() < 0.05:
            watch.begin_anew()
        if rng.random() < 0.05:
            watch.skip(chunk)
        else:
            frame = imager(chunk.samples, chunk.timestamps)
            last = _check(frame, end - first, last)
            health.published(frame, now_s)
            watch.flags(frame)
            watch.after(frame, now_s, lambda *said, **facts: told.append((said, facts)))
        first = end
    for (event, text, *_), facts in told:
        json.loads(EventMessage(event, text, facts).to_json(), parse_constant=_no_number)
    health.ended(0)
    health.report(NOW_S + 10)
    health.summary()


def _samples(rng: random.Random, n: int, n_channels: int) -> np.ndarray:
    """Return noise with whatever in it."""
    numbers = np.random.default_rng(rng.randrange(2**32))
    samples = numbers.normal(0, rng.choice((1.0, 20.0, 20.0, 1e4)), (n, n_channels))
    for _ in range(rng.randrange(8)):
        begin = rng.randrange(n)
        span = slice(begin, begin + rng.choice((1, 3, 50, n)))
        channels = rng.sample(range(n_channels), rng.choice((1, 1, 2, n_channels // 2, n_channels)))
        value = np.array(rng.choice(VALUES))
        if rng.random() < 0.3:
            value = value * numbers.choice((-1.0, 1.0), (len(samples[span]), len(channels)))
        with np.errstate(all="ignore"):
            place = np.ix_(range(*span.indices(n)), channels)
            samples[place] = samples[place] + value if rng.random() < 0.5 else value
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return samples.astype(rng.choice(("float32", "float32", "float64", "int16", "int32")))


def _stamps(rng: random.Random, n: int, sfreq_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Return stamps with whatever in them, and when samples come."""
    true = NOW_S + (1 + np.arange(n)) / (sfreq_hz * rng.choice((1.0, 1.0, 0.5, 1.3)))
    sent = true + rng.choice((0.0, 0.0, 1.7e9, -NOW_S))
    for _ in range(rng.randrange(6)):
        begin, lie = rng.randrange(n), rng.choice(LIES)
        span = slice(begin, begin + rng.choice((1, 2, 40, n)))
        with np.errstate(all="ignore"):
            sent[span] = sent[span] + lie if rng.random() < 0.5 else lie
    return sent, true


def _check(frame: Frame, n: int, last: float) -> float:
    """See that a frame is what it should be; return its last stamp."""
    stamps, moments_nam = frame.timestamps, frame.moments_nam
    assert len(stamps) == len(moments_nam) == n
    assert np.isfinite(stamps).all()
    assert stamps[0] >= last
    assert (np.diff(stamps) >= 0).all()
    is_number = np.isfinite(moments_nam)
    is_valid = is_number.all(axis=1)
    assert (is_valid | ~is_number.any(axis=1)).all(), "half a map"
    assert is_valid.all() or frame.flags.invalid != Invalid.NOT
    assert (np.abs(moments_nam[is_valid]) <= MOST_NAM).all()
    fit = frame.goodness_of_fit[is_valid]
    assert ((fit >= -1e-5) & (fit <= 1 + 1e-5)).all()
    return float(stamps[-1])


def _no_number(said: str) -> None:
    raise AssertionError(f"{said} is no JSON")
