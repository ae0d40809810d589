"""How far the maps of weights in fewer bits are from fp32's, and what that costs in accuracy.

int8 is measured to be shipped, fp16 for comparison.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from convdip.bundle import INT8_FILE, sha256_of
from convdip.head import Head
from convdip.live.network import Network
from convdip.machine import processor_name
from convdip.sources.background import background_eeg
from convdip.sources.simulator import simulate_session
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from convdip_training.cache import write_whole
from convdip_training.evaluation.evaluate import Laboratory
from convdip_training.evaluation.metrics import METRICS, Scorer
from convdip_training.evaluation.sets import MULTI, SINGLE, Sample
from convdip_training.evaluation.summary import rounded
from convdip_training.quantise import BLOCK_SIZE, PrecisionError, to_fp16, to_int8

log = logging.getLogger(__name__)

Float = NDArray[np.float32]
Table = dict[str, Any]

FORMS = ("int8", "fp16", "fp32")
BATCH = 64
# Against samples one by one: a few, as after a delay, and as recordings are imaged.
BATCHES = (3, BATCH, 128)
SFREQ_HZ = 100.0
SESSION_S = 40.0
N_NOISE = 1000
NOISE_V = 1e-5
N_BATCHED = 640
N_SCORED = 300
# Which metric is a set's localisation error.
ERRORS = {SINGLE: "peak_error", MULTI: "maxima_error"}
ERROR_MEAN, ERROR_MEDIAN = "localisation_error_mm_mean", "localisation_error_mm_median"
# In the service there is a pause after each sample, and one network alone. Within a turn a
# network has the caches for itself, as there.
PAUSE_S = 0.002
N_TURNS, RUNS_A_TURN = 20, 20


def measure(here: Laboratory) -> tuple[bytes, Table, dict[str, float]]:
    """Measure the model's forms.

    Parameters
    ----------
    here : Laboratory

    Returns
    -------
    int8 : bytes
        The ONNX file.
    table : dict
        What the card says, by form.
    times_ms : dict
        Time of one sample, by form.

    Raises
    ------
    PrecisionError
        If the model has no int8 form, or its maps or those of a form cannot be measured.
    """
    bundle, head, seed = here.bundle, here.bundle.head, here.plan.seed
    files = {"int8": to_int8(bundle.model), "fp16": to_fp16(bundle.model), "fp32": bundle.model}
    networks = {form: Network(files[form], head, "cpu") for form in FORMS}
    table: Table = {}
    # One thread: with more, sums would be rounded otherwise on another number of cores.
    with threadpool_limits(1):
        log.info("precision: maps of simulated samples")
        eeg = simulated_eeg(head, seed)
        table["data"] = (
            f"deviations: {len(eeg):,} simulated samples on the model's own head, {N_NOISE:,} of "
            f"them noise alone; accuracy: the evaluation's sets, {N_SCORED} samples each; "
            f"seed {seed}, ONNX Runtime {ort.__version__}"
        )
        inputs = network_inputs(networks["fp32"], head, eeg)
        for form, network in networks.items():
            entry: Table = {"bytes": len(files[form])}
            if form != "fp32":
                entry |= deviations(network, networks["fp32"], inputs, head.dipoles_m)
            some = inputs[:: -(-len(inputs) // N_BATCHED)]
            table[form] = entry | {"batch_difference": batch_difference(network, some)}
        for config, error in ERRORS.items():
            samples = (here.samples(config)[i] for i in range(N_SCORED))
            shown = tqdm(samples, f"precision, {config.title}", N_SCORED, mininterval=1)
            scores = accuracy(networks, head, shown, here.scorer, error)
            for form in FORMS:
                table[form][config.name] = scores[form]
        log.info("precision: times of one sample, by turns")
        times_ms = paced_ms(networks, inputs[-1:])
    return files["int8"], rounded(table), times_ms


def simulated_eeg(head: Head, seed: int) -> Float:
    """Return simulated EEG: sources one after another in noise, then noise alone.

    Parameters
    ----------
    head : Head
    seed : int

    Returns
    -------
    eeg : ndarray, shape (n_times, n_electrodes)
        Volts.
    """
    session = simulate_session(head, SESSION_S, SFREQ_HZ, seed)
    noise = background_eeg(head, N_NOISE, SFREQ_HZ, np.random.default_rng([seed, 5]))
    return np.concatenate([session.eeg_uv * 1e-6, noise * NOISE_V]).astype(np.float32)


def network_inputs(network: Network, head: Head, eeg: Float) -> Float:
    """Return what a network takes of EEG (n_times, n_electrodes), in volts."""
    return eeg @ head.interpolation.T if network.takes == "topography" else eeg


def deviations(network: Network, reference: Network, inputs: Float, dipoles_m: Float) -> Table:
    """Return how far a network's maps are from another's.

    Parameters
    ----------
    network, reference : Network
    inputs : ndarray, shape (n_times, n_inputs)
    dipoles_m : ndarray, shape (n_dipoles, 3)

    Raises
    ------
    PrecisionError
        If a map is not finite, or all maps of the reference are zero.
    """
    largest, relative_l2, moved_mm = [], [], []
    for batch in np.split(inputs, range(BATCH, len(inputs), BATCH)):
        expected, maps = reference(batch), network(batch)
        there = expected.any(axis=1)  # nothing is relative to a map of zeros
        expected, maps = expected[there], maps[there]
        difference = np.abs(maps - expected)
        largest.append(difference.max(axis=1) / np.abs(expected).max(axis=1))
        norms = [np.linalg.norm(values, axis=1) for values in (difference, expected)]
        relative_l2.append(norms[0] / norms[1])
        strongest = [dipoles_m[np.abs(values).argmax(axis=1)] for values in (expected, maps)]
        moved_mm.append(np.linalg.norm(strongest[1] - strongest[0], axis=1) * 1e3)
    of_maximum, mm = np.concatenate(largest), np.concatenate(moved_mm)
    if not (of_maximum.size and np.isfinite(of_maximum).all()):
        raise PrecisionError(
            "the model's maps are all zero, or not finite: expected maps of simulated EEG that "
            "can be compared; is it a trained model?"
        )
    moves = mm > 0
    return {
        "median_deviation": np.median(of_maximum),
        "largest_deviation": of_maximum.max(),
        "relative_l2_median": np.median(np.concatenate(relative_l2)),
        "moved_share": moves.mean(),
        "moved_mm_median": np.median(mm[moves]) if moves.any() else None,
        "moved_mm_95": np.quantile(mm[moves], 0.95) if moves.any() else None,
    }


def batch_difference(network: Network, inputs: Float) -> float:
    """Return how far samples in batches are at most from what they give one by one.

    As a share of the map's maximum: sums are rounded in another order in another batch.
    """

    def maps(size: int) -> Float:
        pieces = np.split(inputs, range(size, len(inputs), size))
        return np.concatenate([network(piece) for piece in pieces])

    alone = maps(1)
    largest = np.maximum(np.abs(alone).max(axis=1), np.finfo(np.float32).tiny)
    return max(float((np.abs(maps(size) - alone).max(axis=1) / largest).max()) for size in BATCHES)


def accuracy(
    networks: dict[str, Network], head: Head, samples: Iterable[Sample], scorer: Scorer, error: str
) -> dict[str, Table]:
    """Return AUC and localisation error of all forms on the same samples.

    Parameters
    ----------
    networks : dict of Network
        By form, ``fp32`` among them.
    head : Head
    samples : iterable of Sample
    scorer : Scorer
    error : str
        The metric that is the localisation error.

    Raises
    ------
    PrecisionError
        If a form has no AUC or no localisation error.
    """
    chosen = [list(METRICS).index(name) for name in ("auc", error)]
    rows = []
    for sample in samples:
        eeg = sample.erp.average[None, sample.erp.peak].astype(np.float32)
        maps = [network(network_inputs(network, head, eeg))[0] for network in networks.values()]
        rows.append(scorer(sample.truth, maps, sample.n_sources)[:, chosen])
    scores = np.array(rows)
    # A map without a maximum has no error: such a sample is left out of all forms' errors.
    known = np.asarray(np.isfinite(scores).all(axis=1))
    if not known.any(axis=0).all():
        raise PrecisionError("a form of the model finds no source in any sample: is it trained?")
    areas, errors_mm = scores[known[:, 0], :, 0], scores[known[:, 1], :, 1]
    values = {
        form: {
            "auc": areas[:, i].mean(),
            ERROR_MEAN: errors_mm[:, i].mean(),
            ERROR_MEDIAN: np.median(errors_mm[:, i]),
        }
        for i, form in enumerate(networks)
    }
    fp32 = values["fp32"]
    return {
        form: row
        if form == "fp32"
        else row | {"difference_to_fp32": {name: row[name] - fp32[name] for name in fp32}}
        for form, row in values.items()
    }


def paced_ms(networks: dict[str, Network], sample: Float) -> dict[str, float]:
    """Return the median time of one sample (1, n_inputs) in milliseconds, by form."""
    times_ms: dict[str, list[float]] = {form: [] for form in networks}
    for _ in range(N_TURNS):
        for form, network in networks.items():
            for _ in range(RUNS_A_TURN):
                time.sleep(PAUSE_S)
                start = time.perf_counter()
                network(sample)
                times_ms[form].append((time.perf_counter() - start) * 1e3)
    return {form: float(np.median(times)) for form, times in times_ms.items()}


def write_precision(folder: Path, int8: bytes, table: Table, times_ms: dict[str, float]) -> None:
    """Write the int8 form, the table for people and, last, the card that names the form."""
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["sha256"][INT8_FILE] = sha256_of(int8)
    card["precision"] = table
    text = f"{json.dumps(card, indent=2, ensure_ascii=False)}\n"
    markdown = precision_markdown(table, times_ms)
    write_whole(folder / INT8_FILE, lambda path: path.write_bytes(int8))
    write_whole(folder / "precision.md", lambda path: path.write_text(markdown, encoding="utf-8"))
    write_whole(folder / "card.json", lambda path: path.write_text(text, encoding="utf-8"))


def precision_markdown(table: Table, times_ms: dict[str, float]) -> str:
    """Return the table for people."""
    forms = FORMS[::-1]

    def row(title: str, cells: Iterable[str]) -> str:
        return f"| {title} | {' | '.join(cells)} |"

    def deviation(title: str, name: str, factor: float = 100.0) -> str:
        values = [table[form].get(name) for form in forms]
        return row(title, ("–" if v is None else f"{factor * v:.2f}" for v in values))

    def score(title: str, of_set: str, name: str, digits: int) -> str:
        cells = []
        for scores in (table[form][of_set] for form in forms):
            by = scores.get("difference_to_fp32", {}).get(name)
            said = "" if by is None else f" ({by:+z.{digits}f})".replace("-", "−")
            cells.append(f"{scores[name]:.{digits}f}{said}")
        return row(title, cells)

    rows = [
        row("", forms),
        f"|---{'|---' * len(forms)}|",
        row("file, MB", (f"{table[form]['bytes'] / 1e6:.1f}" for form in forms)),
        row("one sample, ms (median)", (f"{times_ms[form]:.2f}" for form in forms)),
        row(
            "alone or in a batch: at most so many % of the map's maximum apart",
            (f"{100 * table[form]['batch_difference']:.1g}" for form in forms),
        ),
        deviation("largest deviation, % of the map's maximum: median", "median_deviation"),
        deviation("the same: worst sample", "largest_deviation"),
        deviation("relative L2 norm of the deviation, %: median", "relative_l2_median"),
        deviation("strongest dipole is another one, % of samples", "moved_share"),
        deviation("… by mm: median", "moved_mm_median", 1.0),
        deviation("… by mm: 95th percentile", "moved_mm_95", 1.0),
    ]
    for config in ERRORS:
        rows += [
            score(f"{config.title}: AUC", config.name, "auc", 4),
            score(f"{config.title}: error, mm, mean", config.name, ERROR_MEAN, 2),
            score(f"{config.title}: error, mm, median", config.name, ERROR_MEDIAN, 2),
        ]
    return (
        f"# Weights in fewer bits\n\n`convdip-train precision`, {date.today().isoformat()}, "
        f"{processor_name()}, one thread, no GPU used. Data: {table['data']}. In brackets: "
        "difference to fp32 on the same samples.\n\n"
        + "\n".join(rows)
        + "\n\nint8, fp16: the weights of the large matrix products alone. int8 is ONNX Runtime's "
        f"MatMulNBits, {BLOCK_SIZE} weights to a block, with products of integers; in fp16 ONNX "
        "Runtime's CPU provider widens the weights when it loads them, so that it saves disk and "
        f"no time. Times: {N_TURNS * RUNS_A_TURN} samples with pauses of {PAUSE_S * 1e3:.0f} ms, "
        f"forms by turns of {RUNS_A_TURN}; they differ from run to run and are not in `card.json`, "
        "which holds the other numbers.\n"
    )
