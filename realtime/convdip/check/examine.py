"""From a source to the report on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from convdip.check.accuracy import expected_error_mm
from convdip.check.remarks import judge
from convdip.check.report import About, Electrode, Findings, Ignored, Image, Report, Voltages
from convdip.check.source import Recording, Stream
from convdip.check.stamps import read_timing
from convdip.check.watched import Watched, watch
from convdip.frame import Artefact, Invalid
from convdip.head import Head
from convdip.live.channels import read_channels
from convdip.live.conditioning import Filters
from convdip.live.labels import read_label
from convdip.live.level import EEG_LEVEL_V
from convdip.live.mains import amplitudes_v
from convdip.live.montage import Montage, stream_montage
from convdip.live.preparation import Preparation
from convdip.live.settings import Settings
from convdip.streams import EEG_TYPES, UNSTATED_TYPES

Float = NDArray[np.float64]

N_LEAST_COVERED = 4
# An electrode that is left out for longer counts for nothing in what is said of all.
USABLE = 0.5


def examine(
    source: Stream | Recording,
    settings: Settings,
    head: Head,
    *,
    seconds: float | None = None,
    on_status: Callable[[str], None] = lambda line: None,
) -> Report:
    """Look at a source as the service would, and report.

    Parameters
    ----------
    source : Stream or Recording
    settings : Settings
        Of which ``channels``, ``invert`` and the filters count here.
    head : Head
        Of the model.
    seconds : float, optional
        How long to listen to a stream (10), or how much of a recording to read (120).
    on_status : callable
        Gets lines that say how far it is.

    Raises
    ------
    MontageError
        If the channels do not give electrodes: before any sample is waited for.
    StreamError, RecordingError
        If there are too few samples.
    """
    eeg = source.eeg
    said = None if settings.channels is None else read_channels(settings.channels)
    montage = stream_montage(eeg, head, unit=source.unit, channels=said, inverted=settings.invert)
    signal = source.read(seconds, on_status)
    preparation = Preparation(head, montage, eeg.sfreq_hz, settings.filters)
    watched = watch(preparation, signal.samples, eeg.sfreq_hz, on_status)
    raw_v = signal.samples[:, montage.channels].astype(float) * montage.volts
    electrodes = _electrodes(source, montage, watched, raw_v)
    usable = np.array([electrode.bad_share < USABLE for electrode in electrodes])
    usable = usable if usable.any() else ~usable
    stamps, filters = signal.stamps, preparation.conditioner.filters
    findings = Findings(
        source=_about(source, len(signal.samples)),
        electrodes=electrodes,
        ignored=_ignored(source, montage, is_named=said is not None),
        reference=montage.reference,
        timing=None if stamps is None else read_timing(stamps, eeg.sfreq_hz, signal.age_s),
        voltages=_voltages(electrodes, watched, raw_v[:, usable], usable, eeg.sfreq_hz, filters),
        image=_image(montage, watched, head),
    )
    return Report(findings, *judge(findings))


def _about(source: Stream | Recording, n_samples: int) -> About:
    """Sum up what a source says of itself."""
    eeg = source.eeg
    return About(
        kind="stream" if isinstance(source, Stream) else "recording",
        name=eeg.name,
        hostname=eeg.hostname,
        source_id=eeg.source_id,
        sample_format=eeg.sample_format,
        rate_hz=eeg.sfreq_hz,
        seconds=round(n_samples / eeg.sfreq_hz, 3),
    )


def _electrodes(
    source: Stream | Recording, montage: Montage, watched: Watched, raw_v: Float
) -> tuple[Electrode, ...]:
    """Say which channel is which electrode, and what is measured there."""
    eeg, bad_shares = source.eeg, 1 - watched.good.mean(axis=0)
    electrodes = []
    for i, (name, channel) in enumerate(zip(montage.names, montage.channels.tolist(), strict=True)):
        label, found = eeg.labels[channel], watched.bad.get(name)
        numbers = raw_v[np.isfinite(raw_v[:, i]), i]
        electrodes.append(
            Electrode(
                name=name,
                label=label,
                channel=channel + 1,
                unit=source.unit or eeg.units[channel].strip() or read_label(label).unit,
                volts=float(montage.volts[i]),
                level_uv=_rounded(watched.level_v[i] * 1e6),
                offset_mv=_rounded(np.median(numbers) * 1e3) if numbers.size else None,
                bad_share=round(float(bad_shares[i]), 3),
                is_bad=not watched.good[-1, i],
                reason=str(found.reason) if found else "",
                facts=found.facts if found else {},
            )
        )
    return tuple(electrodes)


def _ignored(
    source: Stream | Recording, montage: Montage, *, is_named: bool
) -> tuple[Ignored, ...]:
    """Say which channels are no electrodes, and why."""
    eeg, ignored = source.eeg, []
    for i, (label, kind) in enumerate(zip(eeg.labels, eeg.types, strict=True)):
        if i in montage.channels:
            continue
        is_other = kind.strip().lower() not in (*EEG_TYPES, *UNSTATED_TYPES)
        why = f"type {kind}" if is_other else "no electrode whose place is known"
        ignored.append(Ignored(label, "not an electrode by `channels`" if is_named else why))
    return (*ignored, *(Ignored(label, f"type {kind}") for label, kind in source.others))


def _voltages(
    electrodes: Sequence[Electrode],
    watched: Watched,
    usable_v: Float,
    usable: NDArray[np.bool_],
    sfreq_hz: float,
    filters: Filters,
) -> Voltages:
    """Sum up what is measured: levels, offsets, mains."""
    level_v = float(np.median(watched.level_v[usable]))
    offsets_mv = [abs(e.offset_mv) for e in electrodes if e.offset_mv is not None]
    # A notch was added where mains was found.
    found_hz = filters.notch_hz if isinstance(filters.notch_hz, float) else None
    return Voltages(
        level_uv=_rounded(level_v * 1e6),
        is_eeg_level=EEG_LEVEL_V[0] <= level_v <= EEG_LEVEL_V[1],
        offset_largest_mv=max(offsets_mv, default=None),
        offset_median_mv=_rounded(np.median(offsets_mv)) if offsets_mv else None,
        mains_hz=found_hz,
        mains_uv=None if found_hz is None else _mains_uv(usable_v, sfreq_hz, found_hz),
    )


def _mains_uv(raw_v: Float, sfreq_hz: float, mains_hz: float) -> float:
    """Return the amplitude of mains: median over electrodes and seconds."""
    from scipy.signal import detrend  # as in `convdip.live.conditioning`

    n = round(sfreq_hz)
    times_s = np.arange(n) / sfreq_hz
    raw_v = np.where(np.isfinite(raw_v), raw_v, 0.0)
    seconds = [detrend(raw_v[i : i + n], axis=0) for i in range(0, len(raw_v) - n + 1, n)]
    return _rounded(
        np.median([amplitudes_v(v, times_s, np.array([mains_hz])) for v in seconds]) * 1e6
    )


def _image(montage: Montage, watched: Watched, head: Head) -> Image:
    """Sum up what may be imaged."""
    coverage = np.median(watched.coverage, axis=0)
    worst = np.argsort(coverage, kind="stable")[:N_LEAST_COVERED].tolist()
    why = Counter(why for why in watched.invalid if why is not Invalid.NOT)
    n = len(watched.invalid)
    mean = float(coverage.mean())
    return Image(
        missing=montage.missing,
        coverage=round(mean, 3),
        least_covered={head.channels[i]: round(float(coverage[i]), 3) for i in worst},
        expected_error_mm=round(expected_error_mm(mean), 1),
        valid_share=round(1 - why.total() / n, 3),
        invalid=str(why.most_common(1)[0][0]) if why else "",
        artefacts={
            str(kind): round(watched.artefacts.count(kind) / n, 3)
            for kind in Artefact
            if kind is not Artefact.NONE
        },
    )


def _rounded(value: float | np.floating) -> float:
    """Return a number of mV or µV to three decimals and six digits, as a table shows it."""
    return round(float(f"{value:.6g}"), 3) + 0.0  # never -0
