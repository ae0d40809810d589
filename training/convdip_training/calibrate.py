"""Calibrate a model's confidence: a logistic regression on simulated EEG of another head.

Neither head, noise nor samples are those of the training or of the evaluation: choices and claims
stay apart.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from convdip.bundle import INT8_FILE, Bundle
from convdip.errors import ConfigError
from convdip.head import Head
from convdip.live.confidence import NEAR_MM, TERMS
from convdip.live.network import Network
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from convdip_training.bundle_files import write_bundle
from convdip_training.card import card_text
from convdip_training.evaluation import trust
from convdip_training.evaluation.alternative import (
    SKULL_S_M,
    alternative_everywhere,
    alternative_head,
    head_family,
)
from convdip_training.evaluation.brain_noise import brain_noise
from convdip_training.evaluation.caps import caps_of
from convdip_training.evaluation.laboratory import N_NOISE_SEGMENTS
from convdip_training.evaluation.metrics import Scorer
from convdip_training.evaluation.sets import N_TRIALS, SampleSet, SetConfig
from convdip_training.experiment import Experiment
from convdip_training.noise import noise_pool

log = logging.getLogger(__name__)

Float = NDArray[np.floating]

SEED = 7
# What live EEG may be, as far as that can be simulated: any number of sources, from far below the
# noise to far above it; and one sample in five has none at all.
CALIBRATION = SetConfig(
    "calibration",
    "1–10 sources, SNR 0.5–20, for calibration",
    (1, 10),
    signs="random",
    snr=(0.5, 20.0),
    repaired=(0, 3),
    skulls_s_m=(SKULL_S_M,),
)
N_WITH = 2400
N_POOL, N_BRAIN, N_WHITE, N_SHUFFLED = 200, 120, 80, 200
N_BRAIN_SESSIONS = 25
CAPS = ("19, clinical", "31, the paper's", "64, BioSemi", "128")
DIGITS = 4


@dataclass(frozen=True)
class Part:
    """The samples of one cap.

    Attributes
    ----------
    names : tuple of str
        Its electrodes.
    eeg : ndarray, shape (n, n_electrodes)
        At the peak, in volts.
    truths : list of ndarray, shape (n_dipoles,)
        Of the first samples; the others hold no source.
    """

    names: tuple[str, ...]
    eeg: Float
    truths: list[NDArray[np.float32]]


def calibration(bundle: Bundle, experiment: Experiment) -> dict[str, Any]:
    """Return what the card of a bundle says of confidence.

    Parameters
    ----------
    bundle : Bundle
    experiment : Experiment
        That it came from.

    Raises
    ------
    ConfigError
        If the model holds for sources of one polarity alone.
    """
    if bundle.polarity != "both":
        raise ConfigError(
            f"{bundle.name} holds for sources of one polarity alone, and live EEG has both: how "
            "often it is right there cannot be said; expected a model trained with "
            'signs = "random"'
        )
    log.info("calibration: samples of another head")
    network, scorer = Network(bundle.model, bundle.head, "cpu"), Scorer(bundle.head)
    parts = list(_of_caps(bundle.head, experiment) if network.cortex else _of_one(experiment))
    terms, right = [], []
    for part in parts:
        looked = trust.Look(bundle, network, part.names)(part.eeg)
        n = len(part.truths)
        errors = trust.errors_mm(bundle.head, scorer, part.truths, looked.strongest[:n])
        terms.append(looked.terms)
        right.append(np.append(errors <= NEAR_MM, np.zeros(len(part.eeg) - n, bool)))
    # What a network for any cap gives of a single sample is no probability, but grows with it.
    left_out = "odds" if network.cortex else "peak"
    used = [i for i, term in enumerate(TERMS) if term != left_out]
    bias, weights = fit_logistic(np.concatenate(terms)[:, used], np.concatenate(right))
    n = sum(len(part.eeg) for part in parts)
    caps = f", seen by {len(parts)} caps of 19 to 128 electrodes" if len(parts) > 1 else ""
    return {
        "says": f"probability that the strongest dipole lies within {NEAR_MM:g} mm of the middle "
        "of a source",
        "data": f"{n:,} simulated samples of another head than the training's, seed {SEED}{caps}; "
        f"{CALIBRATION.n_sources[0]}–{CALIBRATION.n_sources[1]} sources, SNR "
        f"{CALIBRATION.snr[0]:g}–{CALIBRATION.snr[1]:g}, and in a fifth of them none",
        "bias": round(bias, DIGITS),
        "weights": {
            TERMS[i]: round(float(weight), DIGITS) for i, weight in zip(used, weights, strict=True)
        },
    }


def fit_logistic(terms: Float, right: NDArray[np.bool_]) -> tuple[float, Float]:
    """Return bias and weights of the logistic regression that makes the samples likeliest.

    Parameters
    ----------
    terms : ndarray, shape (n, n_terms)
    right : ndarray of bool, shape (n,)

    Raises
    ------
    ConfigError
        If all samples are right, or none.
    """
    if right.all() or not right.any():
        raise ConfigError(
            f"calibration: the maximum is at a source in {np.count_nonzero(right)} of {len(right)} "
            "samples: expected some of either kind; is the network trained?"
        )
    middle, spread = terms.mean(axis=0, dtype=float), terms.std(axis=0, dtype=float) + 1e-12
    model = LogisticRegression(C=np.inf, max_iter=1000).fit((terms - middle) / spread, right)
    weights = model.coef_[0] / spread
    return float(model.intercept_[0] - weights @ middle), weights


def recalibrate(bundle: Bundle, experiment: Experiment, folder: Path) -> dict[str, Any]:
    """Write a bundle with its confidence calibrated anew, and return its card.

    Network and head stay as they are.

    Parameters
    ----------
    bundle : Bundle
    experiment : Experiment
        That it came from.
    folder : Path
        Made if it is not there; may be the bundle's own.

    Raises
    ------
    ConfigError
        If the model holds for sources of one polarity alone.
    """
    said = calibration(bundle, experiment)
    contents = {"model.onnx": bundle.model, "head.npz": (bundle.path / "head.npz").read_bytes()}
    if bundle.int8 is not None:
        contents[INT8_FILE] = bundle.int8
    card = {key: value for key, value in bundle.card.items() if key != "sha256"}
    card["confidence"] = said
    write_bundle(folder, contents, card)
    (folder / "card.md").write_text(card_text(card), encoding="utf-8")
    return card


def _of_one(experiment: Experiment) -> Iterator[Part]:
    """Draw samples of the model's own electrodes."""
    alternative = alternative_head(experiment, SEED)
    family = head_family(experiment, CALIBRATION.skulls_s_m, SEED)
    pool, brain = _noise(experiment, alternative)
    samples = SampleSet(CALIBRATION, SEED, experiment.head, alternative, pool, family)
    numbers, every = range(N_WITH), slice(None)
    yield _part(samples, numbers, experiment.head.channels, every, pool, brain)


def _of_caps(head: Head, experiment: Experiment) -> Iterator[Part]:
    """Draw samples that several caps see, each those of its own."""
    alternative = alternative_everywhere(experiment, SEED)
    pool, brain = _noise(experiment, alternative)
    # Electrodes that fail are left out, never interpolated.
    config = replace(CALIBRATION, repaired=(0, 0), skulls_s_m=())
    samples = SampleSet(config, SEED, experiment.head, alternative, pool)
    place = {name: i for i, name in enumerate(alternative.channels)}
    caps = caps_of(head)
    for i, cap in enumerate(CAPS):
        names = caps[cap]
        electrodes = [place[name] for name in names]
        yield _part(samples, range(i, N_WITH, len(CAPS)), names, electrodes, pool, brain)


def _part(
    samples: SampleSet,
    numbers: range,
    names: tuple[str, ...],
    electrodes: slice | list[int],
    pool: Float,
    brain: Float,
) -> Part:
    """Return samples of a set at some electrodes, then those without a source."""
    everywhere, truths = trust.drawn(samples, numbers)
    eeg = everywhere[:, electrodes]
    rng = np.random.default_rng([SEED, 8, numbers.start])
    share = len(numbers) / N_WITH
    without = (
        trust.noise_alone(pool, round(share * N_POOL), rng)[:, electrodes],
        trust.noise_alone(brain, round(share * N_BRAIN), rng, in_sessions=True)[:, electrodes],
        trust.white(round(share * N_WHITE), len(names), rng),
        trust.shuffled(eeg[: round(share * N_SHUFFLED)], rng),
    )
    return Part(names, np.concatenate([eeg, *without]), truths)


def _noise(experiment: Experiment, head: Head) -> tuple[Float, Float]:
    """Return segments of noise of the training's kind, and sessions of brain noise."""
    config = replace(experiment.config.noise, n_segments=N_NOISE_SEGMENTS)
    rng = np.random.default_rng([SEED, 6])
    pool = noise_pool(config, head, SEED, experiment.cache)
    return pool, brain_noise(head, config, N_BRAIN_SESSIONS, N_TRIALS, rng)
