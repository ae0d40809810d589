"""The set *ongoing*: its recordings, the scores of all methods on them, and their table."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import convdip
import joblib
import numpy as np
from convdip.bundle import FILES
from convdip.head import Head
from convdip.machine import n_cores
from numpy.typing import NDArray
from tqdm import tqdm

from convdip_training.anatomy.resample import nearest_mean, to_model
from convdip_training.cache import fingerprint, write_whole
from convdip_training.evaluation.aggregate import Table, statistics_of
from convdip_training.evaluation.alternative import N_NEIGHBOURS
from convdip_training.evaluation.laboratory import Laboratory, Plan, laboratory
from convdip_training.evaluation.ongoing import (
    QUIET_S,
    RHYTHMS,
    SECONDS,
    SFREQ_HZ,
    Ongoing,
    band_pass,
    simulate_ongoing,
)
from convdip_training.evaluation.ongoing_methods import OngoingMethods, filtered, ongoing_names
from convdip_training.evaluation.ongoing_metrics import COLUMNS, OngoingScorer, OngoingTruth
from convdip_training.evaluation.rounding import rounded
from convdip_training.evaluation.scores import package_versions

log = logging.getLogger(__name__)

Float = NDArray[np.float64]

N_RECORDINGS, N_QUICK = 100, 8
N_SOURCES = (1, 4)
# Power of the sources' EEG over the background's in the band, drawn with a uniform logarithm.
SNR = (0.5, 5.0)
CHUNK = 4
FACTS = ("rhythm", "n_sources", "n_groups", "snr")
SMALLEST_GROUP = 5


class OngoingSet:
    """Draws the recordings of the set; each depends only on the seed and its number.

    Parameters
    ----------
    seed : int
    alternative : Head
        The head that they come from.
    """

    def __init__(self, seed: int, alternative: Head) -> None:
        self._seed = seed
        self._head = alternative

    def __getitem__(self, i: int) -> Ongoing:
        """Draw the recording of number ``i``; rhythms and numbers of sources take turns."""
        rng = np.random.default_rng([self._seed, *b"ongoing", i])
        fewest, most = N_SOURCES
        turn, rhythm = divmod(i, len(RHYTHMS))
        n_sources = fewest + turn % (most - fewest + 1)
        snr = float(np.exp(rng.uniform(*np.log(SNR))))
        return simulate_ongoing(self._head, RHYTHMS[rhythm], n_sources, snr, rng)


@dataclass(frozen=True)
class OngoingScores:
    """All methods on the set.

    Attributes
    ----------
    methods : list of str
        The model first, the two uninformed maps last.
    values : ndarray, shape (n_methods, n_recordings, n_metrics)
        In the order of ``COLUMNS``.
    facts : dict of ndarray, shape (n_recordings,)
        ``FACTS``; the rhythm by its number in ``RHYTHMS``.
    """

    methods: list[str]
    values: Float
    facts: dict[str, Float]


def score_ongoing(plan: Plan) -> OngoingScores:
    """Score all methods on the set, in one process per core."""
    _ = laboratory(plan).alternative  # made once, before the processes start
    n = N_QUICK if plan.quick else N_RECORDINGS
    jobs = [(first, min(first + CHUNK, n)) for first in range(0, n, CHUNK)]
    pieces = []
    with (
        joblib.parallel_config("loky", n_jobs=n_cores(), inner_max_num_threads=1),
        tqdm(total=n, unit="recording", desc="ongoing EEG", mininterval=1) as bar,
    ):
        work = joblib.Parallel(return_as="generator")(
            joblib.delayed(_score_kept)(plan, *job) for job in jobs
        )
        for (first, last), piece in zip(jobs, work, strict=True):
            pieces.append(piece)
            bar.update(last - first)
    values, facts = (np.concatenate([p[name] for p in pieces]) for name in ("values", "facts"))
    names = ongoing_names(laboratory(plan).bundle)
    return OngoingScores(
        names, values.swapaxes(0, 1), {name: facts[:, i] for i, name in enumerate(FACTS)}
    )


def _score_kept(plan: Plan, first: int, last: int) -> dict[str, Float]:
    """Score some recordings, or take their scores from the cache.

    The rivals' are kept separately, so that another model of the same head reuses them.
    """
    here = laboratory(plan)
    parts = [
        _kept(here, first, last, is_model, files)
        for is_model, files in ((True, FILES), (False, ("head.npz",)))
    ]
    values = np.concatenate([part["values"] for part in parts], axis=1)
    return {"values": values, "facts": parts[0]["facts"]}


def _kept(
    here: Laboratory, first: int, last: int, is_model: bool, files: tuple[str, ...]
) -> dict[str, Float]:
    content = fingerprint(
        is_model,
        {name: here.bundle.card["sha256"][name] for name in files},
        here.alternative.lead_field,
        here.plan.seed,
        [first, last],
        package_versions(),
        _code(),
    )
    path = here.plan.cache / "ongoing" / f"{first:04d}-{content}.npz"
    if not path.is_file():
        scored = _score(here, first, last, is_model)
        write_whole(path, lambda unfinished: np.savez(unfinished, allow_pickle=False, **scored))
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


@cache
def _code() -> list[Path]:
    """Return the source files that scores depend on."""
    own, live = Path(__file__).parent, Path(convdip.__file__).parent
    names = ("ongoing", "ongoing_methods", "ongoing_metrics", "ongoing_scores", "metrics")
    return sorted(
        [
            *(own / f"{name}.py" for name in (*names, "as_live", "alternative")),
            *(
                live / "live" / f"{name}.py"
                for name in ("imager", "topography", "scale", "network")
            ),
            *(live / "sources" / f"{name}.py" for name in ("patches", "background")),
            *(own.parent / "baselines").glob("*.py"),
            *(own.parent / "anatomy").glob("*.py"),
        ]
    )


@cache
def _tools(plan: Plan) -> tuple[OngoingSet, OngoingMethods, OngoingScorer]:
    """Return what scoring needs, made once in each process."""
    here = laboratory(plan)
    samples = OngoingSet(plan.seed, here.alternative)
    return samples, OngoingMethods(here.bundle), OngoingScorer(here.head)


def _score(here: Laboratory, first: int, last: int, is_model: bool) -> dict[str, Float]:
    recordings, methods, score = _tools(here.plan)
    all_names = ongoing_names(here.bundle)
    names = all_names[:1] if is_model else all_names[1:]
    values, facts = [], []
    for i in range(first, last):
        ongoing = recordings[i]
        recording, truth = filtered(ongoing), truth_of(ongoing, here.alternative, here.head)
        rng = np.random.default_rng([here.plan.seed, i])
        estimates = (methods.estimate(name, recording, rng) for name in names)
        values.append([score(truth, estimate, ongoing.sfreq_hz) for estimate in estimates])
        facts.append(
            [
                RHYTHMS.index(ongoing.rhythm),
                len(ongoing.maps),
                len(set(ongoing.groups)),
                ongoing.snr,
            ]
        )
    return {"values": np.array(values), "facts": np.array(facts, float)}


def truth_of(ongoing: Ongoing, cortex: Head, head: Head) -> OngoingTruth:
    """Return what was active in a recording of one head, on the dipoles of another.

    Parameters
    ----------
    ongoing : Ongoing
    cortex : Head
        That it was simulated on.
    head : Head
        The model's.
    """
    transform = nearest_mean(cortex.dipoles_m, head.dipoles_m, N_NEIGHBOURS)
    signs = np.sign(ongoing.maps.sum(axis=1, keepdims=True))
    maps = signs * to_model(np.abs(ongoing.maps), transform)
    courses = band_pass(ongoing.courses, ongoing.rhythm.band_hz, ongoing.sfreq_hz)
    return OngoingTruth(maps, courses)


def ongoing_table(plan: Plan) -> Table:
    """Score the set and return the numbers of the report, with five significant digits."""
    scores = score_ongoing(plan)
    rng = np.random.default_rng([plan.seed, 5])
    methods = {
        name: {
            column: statistics_of(scores.values[m, :, c], rng) for c, column in enumerate(COLUMNS)
        }
        for m, name in enumerate(scores.methods)
    }
    plain: Table = rounded(
        {
            "n": scores.values.shape[1],
            "seconds": SECONDS,
            "quiet_s": QUIET_S,
            "sfreq_hz": SFREQ_HZ,
            "snr": list(SNR),
            "methods": methods,
            "groups": _groups(scores),
        }
    )
    return plain


def _groups(scores: OngoingScores) -> dict[str, Any]:
    """Return means by what the recordings are like."""
    facts = scores.facts
    middle = float(np.sqrt(np.prod(SNR)))
    several = facts["n_sources"] > 1
    together = facts["n_groups"] < facts["n_sources"]
    kinds = {rhythm.name: facts["rhythm"] == i for i, rhythm in enumerate(RHYTHMS)} | {
        "one source": ~several,
        "several, all independent": several & ~together,
        "several, some synchronous": several & together,
        f"SNR {SNR[0]:g}–{middle:.1f}": facts["snr"] < middle,
        f"SNR {middle:.1f}–{SNR[1]:g}": facts["snr"] >= middle,
    }
    return {
        name: {"n": int(inside.sum()), "methods": _means(scores, inside)}
        for name, inside in kinds.items()
        if inside.sum() >= SMALLEST_GROUP
    }


def _means(scores: OngoingScores, inside: NDArray[np.bool_]) -> dict[str, dict[str, float | None]]:
    table: dict[str, dict[str, float | None]] = {}
    for m, method in enumerate(scores.methods):
        table[method] = {}
        for c, column in enumerate(COLUMNS):
            values = scores.values[m, inside, c]
            values = values[np.isfinite(values)]
            table[method][column] = float(values.mean()) if values.size else None
    return table
