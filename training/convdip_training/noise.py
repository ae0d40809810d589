"""The pool of noise segments that simulated trials draw from (section 2.2).

Recorded where recordings are given, synthetic otherwise; both go through the paper's chain:
band-pass, 100 Hz, missing electrodes interpolated, one-second segments, baseline, average
reference. Segments are scaled so that the largest channel SD is 1, which is the paper's
single-trial noise level.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import mne
import numpy as np
from convdip.errors import ConfigError, MontageError, RecordingError
from convdip.head import Head
from convdip.live.montage import match_montage
from convdip.live.topography import input_matrices
from convdip.sources.background import background_eeg
from convdip.sources.recordings import read_recording
from numpy.typing import NDArray

from convdip_training.anatomy.scalp_fields import everywhere
from convdip_training.cache import fingerprint, write_whole
from convdip_training.config import NoiseConfig

log = logging.getLogger(__name__)

SEGMENT_S = 1.0
# Increase with any change of the numbers below or of the synthetic noise, so that no older noise is
# taken from the cache.
VERSION = 2
# Fewest electrodes of a recording: with more than a third interpolated, noise no longer has the
# covariance of EEG.
MIN_ELECTRODES = 18
SYNTHETIC_SFREQ_HZ = 200.0
SEGMENTS_PER_SYNTHETIC_RECORDING = 20


def noise_pool(config: NoiseConfig, head: Head, seed: int, cache: Path) -> NDArray[np.float32]:
    """Return noise segments, from the cache if they are there.

    Parameters
    ----------
    config : NoiseConfig
    head : Head
        Gives the electrodes and, for synthetic noise, the lead field.
    seed : int
    cache : Path

    Returns
    -------
    pool : ndarray, shape (n_segments, n_times, n_electrodes)
        Average-referenced; the largest channel SD of each segment is 1.
    """
    files = [Path(name) for name in config.recordings]
    absent = [str(file) for file in files if not file.is_file()]
    if absent:
        raise RecordingError(f"no recording at {', '.join(absent)}")
    content = fingerprint(config, seed, VERSION, head.lead_field, files)
    path = cache / f"noise-{content}.npy"
    if path.is_file():
        log.info("noise: from %s", path)
        cached: NDArray[np.float32] = np.load(path)
        return cached
    rng = np.random.default_rng([seed, 0])
    with mne.use_log_level("error"):
        if config.recordings:
            sources = [_recorded(file, head) for file in files]
        else:
            n_recordings = -(-config.n_segments // SEGMENTS_PER_SYNTHETIC_RECORDING)
            log.info("noise: %d synthetic recordings", n_recordings)
            sources = [_synthetic(head, rng) for _ in range(n_recordings)]
        segments = np.concatenate([_segments(raw, config) for raw in sources])
    if not len(segments):
        raise RecordingError(
            f"the recordings ({', '.join(config.recordings)}) have no segment of noise: expected "
            "more than three seconds of EEG"
        )
    pool = segments[rng.permutation(len(segments))[: config.n_segments]]
    if len(pool) < config.n_segments:
        log.warning("noise: only %d segments, expected %d", len(pool), config.n_segments)
    write_whole(path, lambda unfinished: np.save(unfinished, pool, allow_pickle=False))
    return pool


def with_noise(head: Head, config: NoiseConfig, seed: int, cache: Path) -> Head:
    """Return a head whose scalp has the covariance of noise segments.

    Parameters
    ----------
    head : Head
        With its scalp.
    config : NoiseConfig
    seed : int
    cache : Path
    """
    assert head.scalp is not None
    segments = noise_pool(config, everywhere(head), seed, cache)
    covariance = np.cov(segments.reshape(-1, segments.shape[-1]), rowvar=False)
    scaled = (covariance / covariance.diagonal().max()).astype(np.float32)
    return replace(head, scalp=replace(head.scalp, noise=scaled))


def _synthetic(head: Head, rng: np.random.Generator) -> mne.io.BaseRaw:
    """Return one synthetic recording, with two more seconds than its segments for the filter."""
    n_times = int((SEGMENTS_PER_SYNTHETIC_RECORDING * SEGMENT_S + 2) * SYNTHETIC_SFREQ_HZ)
    eeg = background_eeg(head, n_times, SYNTHETIC_SFREQ_HZ, rng)
    info = mne.create_info(list(head.channels), SYNTHETIC_SFREQ_HZ, "eeg")
    return mne.io.RawArray(eeg.T, info)


def _recorded(path: Path, head: Head) -> mne.io.BaseRaw:
    """Return a recording at the model's electrodes, prepared as the live service does."""
    raw = read_recording(path)
    try:
        montage = match_montage(
            raw.ch_names, ["volts"] * len(raw.ch_names), head, at_least=MIN_ELECTRODES
        )
    except MontageError as error:
        raise RecordingError(f"{path}: {error}") from None
    if montage.missing:
        log.info(
            "noise: interpolating electrodes that %s lacks: %s",
            path.name,
            ", ".join(montage.missing),
        )
    to_eeg, _ = input_matrices(head, montage)
    info = mne.create_info(list(head.channels), raw.info["sfreq"], "eeg")
    return mne.io.RawArray(to_eeg @ raw.get_data()[montage.channels], info)


def _segments(raw: mne.io.BaseRaw, config: NoiseConfig) -> NDArray[np.float32]:
    """Filter, resample and cut a recording."""
    low_hz, high_hz = config.band_hz
    if raw.info["sfreq"] < config.sfreq_hz:
        raise ConfigError(
            f"a recording's sampling rate is {raw.info['sfreq']:g} Hz: expected at least "
            f"{config.sfreq_hz:g} Hz"
        )
    # Butterworth, forwards and backwards: a 0.1 Hz FIR filter would be longer than many files.
    raw.filter(low_hz, high_hz, method="iir").resample(config.sfreq_hz)
    eeg = raw.get_data().T
    eeg -= eeg.mean(axis=1, keepdims=True)
    margin = round(config.sfreq_hz)  # one second at each end, where the filter settles
    length = round(SEGMENT_S * config.sfreq_hz)
    usable = eeg[margin : len(eeg) - margin]
    count = max(0, len(eeg) - 2 * margin) // length
    return levelled(usable[: count * length].reshape(count, length, eeg.shape[1]), config)


def levelled(segments: NDArray[np.float64], config: NoiseConfig) -> NDArray[np.float32]:
    """Return segments without the mean of their baselines; the largest channel SD of each is 1.

    Segments of a constant are left out.
    """
    n_baseline = round(config.baseline_s * config.sfreq_hz)
    segments = segments - segments[:, :n_baseline].mean(axis=1, keepdims=True)
    level = segments.std(axis=1).max(axis=1)
    kept = level > 0  # a disconnected amplifier records no noise
    scaled: NDArray[np.float32] = (segments[kept] / level[kept, None, None]).astype(np.float32)
    return scaled
