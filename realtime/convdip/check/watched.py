"""A signal as the service would prepare it, and what was found on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convdip.frame import Artefact, Invalid
from convdip.live.electrodes import Finding
from convdip.live.preparation import Preparation

Float = NDArray[np.float64]

SHOWN_EVERY = 40  # judgements


@dataclass(frozen=True)
class Watched:
    """What was found, judgement by judgement.

    Attributes
    ----------
    good : ndarray of bool, shape (n_judgements, n_electrodes)
    coverage : ndarray, shape (n_judgements, n_electrodes of the model)
    artefacts : list of Artefact, length n_judgements
    invalid : list of Invalid, length n_judgements
    bad : dict of str to Finding
        By electrode, the last time that it was found bad.
    level_v : ndarray, shape (n_electrodes,)
        SD over a second behind the filters, the median.
    """

    good: NDArray[np.bool_]
    coverage: Float
    artefacts: list[Artefact]
    invalid: list[Invalid]
    bad: dict[str, Finding]
    level_v: Float


def watch(
    preparation: Preparation,
    samples: NDArray[np.generic],
    sfreq_hz: float,
    on_status: Callable[[str], None],
) -> Watched:
    """Prepare a signal, up to each judgement and look.

    Parameters
    ----------
    preparation : Preparation
    samples : ndarray, shape (n_times, n_channels)
        Two seconds or more, in the source's own numbers.
    sfreq_hz : float
    on_status : callable
        Gets a line from time to time.
    """
    good, coverage, artefacts, invalid, sds_v = [], [], [], [], []
    bad: dict[str, Finding] = {}
    hop = preparation.electrodes.n_hop
    second: list[NDArray[np.float32]] = []
    for first in range(0, len(samples), hop):
        second += [stretch.eeg for stretch in preparation(samples[first : first + hop])]
        if sum(map(len, second)) >= sfreq_hz:
            sds_v.append(np.concatenate(second).std(axis=0, dtype=float))
            second = []
        if not preparation.look():
            continue
        bad |= {f.electrode: f for f in preparation.findings() if f.is_bad}
        good.append(preparation.electrodes.good)
        coverage.append(preparation.coverage)
        artefacts.append(preparation.artefact)
        invalid.append(preparation.invalid)
        if len(good) % SHOWN_EVERY == 0:
            on_status(f"judged: {first / sfreq_hz:.0f} of {len(samples) / sfreq_hz:.0f} s")
    return Watched(
        np.array(good), np.array(coverage), artefacts, invalid, bad, np.median(sds_v, axis=0)
    )
