"""The set *ongoing*: its recordings, the scores of all methods on them, and their table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from convdip.bundle import FILES
from convdip.head import Head
from numpy.typing import NDArray
from tqdm import tqdm

from convdip_training.anatomy.resample import nearest_mean, to_model
from convdip_training.cache import fingerprint
from convdip_training.evaluation.aggregate import SMALLEST_GROUP, Table, statistics_of
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
from convdip_training.evaluation.ongoing_methods import (
    OngoingMethods,
    filtered,
    ongoing_names,
    own_names,
)
from convdip_training.evaluation.ongoing_metrics import COLUMNS, OngoingScorer, OngoingTruth
from convdip_training.evaluation.pieces import (
    chunks,
    code_files,
    in_processes,
    kept,
    package_versions,
)
from convdip_training.evaluation.rounding import rounded

Float = NDArray[np.float64]

N_RECORDINGS, N_QUICK = 100, 8
N_SOURCES = (1, 4)
# Power of the sources' EEG over the background's in the band, drawn with a uniform logarithm.
SNR = (0.5, 5.0)
CHUNK = 4
FACTS = ("rhythm", "n_sources", "n_groups", "snr")


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
    jobs = [(plan, *piece) for piece in chunks(n, CHUNK)]
    pieces = []
    with tqdm(total=n, unit="recording", desc="ongoing EEG", mininterval=1) as bar:
        for (_, first, last), piece in zip(jobs, in_processes(_score_kept, jobs), strict=True):
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
    names, n_own = ongoing_names(here.bundle), len(own_names(here.bundle))
    model = _kept(here, first, last, names[:n_own], FILES)
    rivals = _kept(here, first, last, names[n_own:], ("head.npz",))
    values = np.concatenate([model["values"], rivals["values"]], axis=1)
    return {"values": values, "facts": model["facts"]}


def _kept(
    here: Laboratory, first: int, last: int, names: list[str], files: tuple[str, ...]
) -> dict[str, Float]:
    """Score some of the methods; their scores hold for all bundles with the same ``files``."""
    content = fingerprint(
        names,
        {name: here.bundle.card["sha256"][name] for name in files},
        here.alternative.lead_field,
        here.plan.seed,
        [first, last],
        package_versions(),
        _code(),
    )
    path = here.plan.cache / "ongoing" / f"{first:04d}-{content}.npz"
    return kept(path, partial(_score, here, first, last, names))


@cache
def _code() -> list[Path]:
    names = (
        "ongoing", "ongoing_methods", "ongoing_metrics", "ongoing_scores", "metrics", "as_live",
        "alternative",
    )  # fmt: skip
    return code_files(names, ("background",))


@cache
def _tools(plan: Plan) -> tuple[OngoingSet, OngoingMethods, OngoingScorer]:
    """Return what scoring needs, made once in each process."""
    here = laboratory(plan)
    samples = OngoingSet(plan.seed, here.alternative)
    return samples, OngoingMethods(here.bundle), OngoingScorer(here.head)


def _score(here: Laboratory, first: int, last: int, names: list[str]) -> dict[str, Float]:
    recordings, methods, score = _tools(here.plan)
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
    maps = to_model(ongoing.maps, transform).astype(float)
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
