"""What a model's confidence is made from, and whether it was right, sample by sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from convdip.bundle import Bundle
from convdip.head import Head
from convdip.live.confidence import peaks_of, terms_of
from convdip.live.montage import match_montage
from convdip.live.network import Network
from convdip.live.operator import operators
from convdip.live.products import product
from convdip.live.scale import scale_to_eeg
from convdip.live.topography import average_reference
from numpy.typing import NDArray

from convdip_training.evaluation.metrics import Scorer
from convdip_training.evaluation.sets import N_TRIALS, PEAK, SampleSet

Float = NDArray[np.floating]


@dataclass(frozen=True)
class Looked:
    """Samples as the live service looks at them.

    Attributes
    ----------
    terms : ndarray, shape (n, n_terms)
        From `convdip.live.confidence.terms_of`.
    strongest : ndarray of int, shape (n,)
        The dipole that is strongest in the map.
    """

    terms: Float
    strongest: NDArray[np.intp]


class Look:
    """Looks at the EEG of some electrodes with a bundle's network.

    Parameters
    ----------
    bundle : Bundle
    network : Network
        The bundle's.
    names : sequence of str, length n_electrodes
        The bundle's own electrodes, or of a model for any cap, any.
    """

    def __init__(self, bundle: Bundle, network: Network, names: Sequence[str]) -> None:
        montage = match_montage(names, ("volts",) * len(names), bundle.head)
        self._network = network
        self._operator = operators(bundle.head, montage, network.takes, network.cortex)()

    def __call__(self, eeg: Float) -> Looked:
        """Look at EEG in volts, shape (n, n_electrodes)."""
        network, operator = self._network, self._operator
        terms, strongest = [], []
        for first in range(0, len(eeg), network.batch):
            part = eeg[first : first + network.batch].astype(np.float32)
            prepared = product(part, operator.matrix)
            inputs, referenced = np.split(prepared, [network.n_inputs], axis=1)
            maps = network(inputs, given=operator.given)
            peaks = peaks_of(maps)
            moments_nam, fit = scale_to_eeg(maps, referenced, operator.lead_field)
            terms.append(terms_of(peaks, moments_nam, fit, referenced, operator))
            strongest.append(np.abs(moments_nam).argmax(axis=1))
        return Looked(np.concatenate(terms), np.concatenate(strongest))


def errors_mm(
    head: Head, scorer: Scorer, truths: Sequence[NDArray[np.float32]], strongest: NDArray[np.intp]
) -> Float:
    """Return how far each dipole is from the middle of the nearest source of its sample.

    The middle of a source is where the truth has a maximum, as in the other errors; where a small
    one has none that counts, its strongest dipole.

    Parameters
    ----------
    head : Head
        The model's.
    scorer : Scorer
        Of this head.
    truths : sequence of ndarray, shape (n_dipoles,)
    strongest : ndarray of int, shape (n,)
    """
    places_m = head.dipoles_m.astype(float)
    errors = np.empty(len(truths))
    for i, (truth, dipole) in enumerate(zip(truths, strongest, strict=True)):
        middles_m = scorer.maxima_m(truth[scorer.cortex])
        if not len(middles_m):
            middles_m = places_m[[np.abs(truth).argmax()]]
        errors[i] = np.linalg.norm(middles_m - places_m[dipole], axis=1).min() * 1e3
    return errors


def drawn(samples: SampleSet, numbers: Iterable[int]) -> tuple[Float, list[NDArray[np.float32]]]:
    """Return the EEG of samples at the peak, shape (n, n_electrodes) in volts, and the truths.

    Their trials are not kept: those of electrodes everywhere are megabytes each.
    """
    eeg, truths = [], []
    for i in numbers:
        sample = samples[i]
        eeg.append(sample.erp.average[sample.erp.peak])
        truths.append(sample.truth)
    return np.array(eeg), truths


def noise_alone(
    noise: Float, n: int, rng: np.random.Generator, *, in_sessions: bool = False
) -> Float:
    """Return averages of trials that hold noise alone, shape (n, n_electrodes).

    Parameters
    ----------
    noise : ndarray, shape (n_segments, n_times, n_electrodes)
    n : int
    rng : Generator
    in_sessions : bool
        All trials of an average are of one session, as brain noise comes.
    """
    if in_sessions:
        firsts = N_TRIALS * rng.integers(len(noise) // N_TRIALS, size=(n, 1))
        trials = firsts + np.arange(N_TRIALS)
    else:
        trials = rng.integers(len(noise), size=(n, N_TRIALS))
    return np.asarray(noise[trials, PEAK].mean(axis=1))


def shuffled(eeg: Float, rng: np.random.Generator) -> Float:
    """Return EEG whose electrodes have changed places, each sample's in another way."""
    return rng.permuted(eeg, axis=1)


def white(n: int, n_electrodes: int, rng: np.random.Generator) -> Float:
    """Return white noise against the average, shape (n, n_electrodes)."""
    return np.asarray(rng.standard_normal((n, n_electrodes)) @ average_reference(n_electrodes))
