"""Real recordings with a known answer: eyes-closed alpha, and movement of hands and feet.

No one knows the sources of a recording, but much about some: alpha with closed eyes is occipital,
and both its half cycles come from one place; a moving fist takes the mu and beta rhythms from the
hand area of the other side.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from convdip.bundle import Bundle
from convdip.errors import ConvDipError, RecordingError
from convdip.head import Head
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from convdip_training.evaluation import known_alpha, known_hands
from convdip_training.evaluation.known_hands import Trials
from convdip_training.evaluation.known_methods import Imaging, linear_imaging, model_imaging
from convdip_training.evaluation.known_recordings import KnownRecording, prepare
from convdip_training.evaluation.laboratory import Plan

log = logging.getLogger(__name__)

Float = NDArray[np.float64]
Table = dict[str, Any]

EYES_OPEN, EYES_CLOSED = (f"eeg/eegmmidb_S001/S001R0{run}.edf" for run in (1, 2))
RESTS = "eeg/eegmat/Subject*_1.edf"
ELECTRODES = (*known_alpha.ELECTRODES, *known_hands.ELECTRODES)
OZ, C3_C4, THE_EEG = "Oz alone", "C3 and C4 alone", "the EEG itself"


@dataclass(frozen=True)
class Movement:
    """A task of EEGMMIDB.

    Attributes
    ----------
    title, first, second : str
        What it is about, and what ``T1`` and ``T2`` ask for.
    runs : tuple of str
        Its recordings: the movement, then the same imagined.
    index : callable
        From features, shape (n_trials, 2), to a number that is larger for ``T1``.
    """

    title: str
    first: str
    second: str
    runs: tuple[str, ...]
    index: Callable[[Float], Float]


MOVEMENTS = {
    "fists": Movement(
        "left against right fist",
        "left fist",
        "right fist",
        ("eeg/eegmmidb_S001/S001R03.edf", "eeg/eegmmidb_S001/S001R04.edf"),
        known_hands.lateralisation,
    ),
    "feet": Movement(
        "both fists against both feet",
        "both fists",
        "both feet",
        ("eeg/eegmmidb_S001/S001R05.edf", "eeg/eegmmidb_S001/S001R06.edf"),
        known_hands.hands_over_feet,
    ),
}


def known_answers(name: str, bundle: Bundle, plan: Plan, is_template: bool) -> Table:
    """Judge a model and linear inverses by recordings with a known answer.

    Parameters
    ----------
    name : str
        What the model is called in the tables.
    bundle : Bundle
        The model; the linear inverses have its head, too.
    plan : Plan
    is_template : bool
        Whether the head is fsaverage, whose coordinates can be converted to MNI.

    Returns
    -------
    table : dict
        ``alpha`` and ``movement`` by recording or task, and ``left_out``: what was not judged, and
        why.

    Raises
    ------
    RecordingError
        If a file is there but is not the expected recording.
    """
    left_out = [f"{path}: not found" for path in absent(plan.data)]
    table: Table = {"model": name, "alpha": {}, "movement": {}, "left_out": left_out}
    if reason := unfit(bundle.head, is_template):
        left_out.append(f"all of it: {reason}")
    else:
        model = {name: model_imaging(bundle)}
        # One thread: with more, the order of sums would depend on the number of cores.
        with threadpool_limits(1):
            table["alpha"] = _alpha(model, bundle.head, plan.data, plan.seed)
            table["movement"] = _movements(model, bundle.head, plan.data, plan.seed)
    for line in left_out:
        log.warning("known answers: skipping %s", line)
    return table


def absent(data: Path) -> list[str]:
    """Return the recordings, or patterns of them, of which there is no file."""
    wanted = [EYES_OPEN, EYES_CLOSED, RESTS]
    wanted += [run for movement in MOVEMENTS.values() for run in movement.runs]
    return [pattern for pattern in wanted if not any(data.glob(pattern))]


def unfit(head: Head, is_template: bool) -> str:
    """Return why a head's maps cannot be judged, or an empty string."""
    if lacking := set(ELECTRODES) - set(head.channels):
        return f"the model has no {' and no '.join(sorted(lacking))}"
    if not is_template:
        return "the head is not fsaverage, where the hand areas are known"
    if not known_alpha.occipital_dipoles(head).any():
        return "the atlas has no occipital regions of Desikan and Killiany's"
    return ""


def _read(path: Path, head: Head, band_hz: tuple[float, float]) -> KnownRecording:
    try:
        return prepare(path, head, band_hz)
    except ConvDipError as error:
        raise RecordingError(
            f"{path} is not the file that docs/data.md describes ({error}): replace it, or remove "
            "it to do without"
        ) from error


def _alpha(model: dict[str, Imaging], head: Head, data: Path, seed: int) -> Table:
    rng = np.random.default_rng([seed, 17])
    table: Table = {}
    band_hz = known_alpha.BAND_HZ
    if all((data / name).is_file() for name in (EYES_OPEN, EYES_CLOSED)):
        log.info("known answers: eyes-closed alpha, S001")
        closed, opened = (_read(data / name, head, band_hz) for name in (EYES_CLOSED, EYES_OPEN))
        both = np.concatenate([known_alpha.settled(closed), known_alpha.settled(opened)])
        methods = model | linear_imaging(head, closed.white, both)
        table["S001R02"] = one_rest(methods, closed, head, rng)
        table["S001R02"]["closed_over_open"] = _closed_over_open(methods, closed, opened, head, rng)
    people = []
    for path in sorted(data.glob(RESTS)):
        log.info("known answers: eyes-closed alpha, %s", path.stem)
        rest = _read(path, head, band_hz)
        methods = model | linear_imaging(head, rest.white, known_alpha.settled(rest))
        people.append(one_rest(methods, rest, head, rng))
    if people:
        table["EEGMAT"] = _over_people(people, rng)
    return table


def one_rest(
    methods: dict[str, Imaging], rest: KnownRecording, head: Head, rng: np.random.Generator
) -> Table:
    """Compare peaks and troughs of one recording's alpha by all methods."""
    pairs = known_alpha.half_cycles(rest, head)
    itself = known_alpha.compare_signed(rest.eeg[pairs.peaks], rest.eeg[pairs.troughs])
    measures = {
        name: known_alpha.compare_half_cycles(imaging, rest, pairs, head)
        for name, imaging in methods.items()
    }
    occipital = known_alpha.occipital_dipoles(head)
    return {
        "n_recorded": rest.n_recorded,
        "n": len(pairs.peaks),
        "flat_share": occipital.sum() / head.is_cortex.sum(),
        "methods": {name: known_alpha.medians(values, rng) for name, values in measures.items()}
        | {THE_EEG: known_alpha.medians(itself, rng)},
    }


def _over_people(people: list[Table], rng: np.random.Generator) -> Table:
    """Return the median over people of their medians; intervals resample people."""
    methods = {
        method: known_alpha.medians(
            {
                measure: np.array([one["methods"][method][measure]["median"] for one in people])
                for measure in row
            },
            rng,
        )
        for method, row in people[0]["methods"].items()
    }
    common = {name: people[0][name] for name in ("n_recorded", "flat_share")}
    return common | {"n": len(people), "methods": methods}


def _closed_over_open(
    methods: dict[str, Imaging],
    closed: KnownRecording,
    opened: KnownRecording,
    head: Head,
    rng: np.random.Generator,
) -> Table:
    occipital = known_alpha.occipital_dipoles(head)
    rows = {name: (imaging, occipital) for name, imaging in methods.items()}
    rows[OZ] = (known_hands.electrode_imaging, np.array(head.channels) == "Oz")
    table = {}
    for name, (imaging, chosen) in rows.items():
        power_closed = known_alpha.window_power(imaging, closed, chosen)
        power_open = known_alpha.window_power(imaging, opened, chosen)
        table[name] = known_alpha.closed_over_open(power_closed, power_open, rng)
    return table


def _movements(model: dict[str, Imaging], head: Head, data: Path, seed: int) -> Table:
    rng = np.random.default_rng([seed, 18])
    table: Table = {}
    for key, movement in MOVEMENTS.items():
        paths = [data / run for run in movement.runs]
        if not all(path.is_file() for path in paths):
            continue
        log.info("known answers: %s, S001", movement.title)
        recordings = [_read(path, head, known_hands.BAND_HZ) for path in paths]
        trials = known_hands.trials_of(recordings)
        is_first = trials.is_first
        if min(is_first.sum(), (~is_first).sum()) < 2:
            raise RecordingError(
                f"{', '.join(map(str, paths))} have {is_first.sum()} trials of T1 and "
                f"{(~is_first).sum()} of T2: expected EEGMMIDB's annotations, at least 2 of each"
            )
        noise = np.concatenate(trials.before)
        methods = model | linear_imaging(head, recordings[0].white, trials.eeg, noise)
        table[key] = one_movement(methods, movement, trials, head, rng)
    return table


def one_movement(
    methods: dict[str, Imaging],
    movement: Movement,
    trials: Trials,
    head: Head,
    rng: np.random.Generator,
) -> Table:
    """Tell a task's two kinds of trials apart by all methods, and by two electrodes."""
    areas, is_first = known_hands.hand_areas(head), trials.is_first
    rows = {name: (imaging, areas) for name, imaging in methods.items()}
    rows[C3_C4] = (known_hands.electrode_imaging, known_hands.electrode_areas(head))
    judged = {}
    for name, (imaging, places) in rows.items():
        before, after = (
            known_hands.log_power(imaging, eeg, places) for eeg in (trials.before, trials.after)
        )
        judged[name] = {
            key: known_hands.judge(features, is_first, movement.index(features), rng)
            for key, features in (("after", after), ("change", after - before))
        }
    return {
        "title": movement.title,
        "trials": {movement.first: is_first.sum(), movement.second: (~is_first).sum()},
        "n_dipoles": [int(area.sum()) for area in areas],
        "methods": judged,
    }
