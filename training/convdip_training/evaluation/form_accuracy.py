"""What reduced precision costs: accuracy and speed of a model's forms, and their report."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import date
from typing import Any

import numpy as np
from convdip.live.network import Network
from convdip.machine import processor_name
from convdip.markdown import markdown_table
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from convdip_training.evaluation.as_live import imager_of
from convdip_training.evaluation.laboratory import Laboratory
from convdip_training.evaluation.metrics import METRICS, Scorer
from convdip_training.evaluation.precision import FORMS, Maps, forms_of
from convdip_training.evaluation.rounding import rounded
from convdip_training.evaluation.sets import MULTI_SIGNED, SINGLE_SIGNED, Sample
from convdip_training.quantise import BLOCK_SIZE, PrecisionError

log = logging.getLogger(__name__)

Table = dict[str, Any]

N_SCORED = 300
# The metric that is a set's localisation error.
ERRORS = {SINGLE_SIGNED: "peak_error", MULTI_SIGNED: "maxima_error"}
ERROR_MEAN, ERROR_MEDIAN = "localisation_error_mm_mean", "localisation_error_mm_median"
# In the service there is a pause after each sample, and one network only. Within a turn a network
# has the caches for itself, as there.
PAUSE_S = 0.002
N_TURNS, RUNS_A_TURN = 20, 20


def compare_forms(here: Laboratory) -> tuple[Table, dict[str, float]] | None:
    """Score and time a bundle's forms; None where the bundle has no int8 form.

    Returns
    -------
    table : dict
        What the card says about each form's deviations, and each form's accuracy.
    times_ms : dict
        Time of one sample, by form.

    Raises
    ------
    PrecisionError
        If a form finds no source in any sample.
    """
    bundle = here.bundle
    on_card = bundle.card.get("precision")
    if bundle.int8 is None or on_card is None:
        return None
    imagers = {form: imager_of(bundle, file) for form, file in forms_of(bundle).items()}
    maps_of: dict[str, Maps] = {form: imager.maps for form, imager in imagers.items()}
    # The card of an older bundle describes its accuracy, too.
    deviations = on_card["data"].removeprefix("deviations: ").split("; accuracy:")[0]
    table: Table = {
        "data": f"deviations: {deviations}; accuracy: {N_SCORED} samples each of the evaluation's "
        f"sets, seed {here.plan.seed}",
        **{form: dict(on_card[form]) for form in FORMS},
    }
    log.info("reduced precision: accuracy")
    # One thread: with more, the order of sums would depend on the number of cores.
    with threadpool_limits(1):
        for config, error in ERRORS.items():
            samples = (here.samples(config)[i] for i in range(N_SCORED))
            shown = tqdm(samples, f"precision, {config.title}", N_SCORED, mininterval=1)
            scores = accuracy(maps_of, shown, here.scorer, error)
            for form in FORMS:
                table[form][config.name] = scores[form]
        log.info("reduced precision: times of one sample, forms in turn")
        times_ms = paced_ms({form: imager.network for form, imager in imagers.items()})
    return rounded(table), times_ms


def accuracy(
    forms: dict[str, Maps], samples: Iterable[Sample], scorer: Scorer, error: str
) -> dict[str, Table]:
    """Return AUC and localisation error of all forms on the same samples.

    Parameters
    ----------
    forms : dict of callable
        EEG (n_times, n_electrodes) in volts → source maps, by form, ``fp32`` among them.
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
        maps = [maps_of(eeg)[0] for maps_of in forms.values()]
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
        for i, form in enumerate(forms)
    }
    fp32 = values["fp32"]
    return {
        form: row
        if form == "fp32"
        else row | {"difference_to_fp32": {name: row[name] - fp32[name] for name in fp32}}
        for form, row in values.items()
    }


def paced_ms(networks: dict[str, Network]) -> dict[str, float]:
    """Return the median time of one sample in milliseconds, by form."""
    sample = np.zeros((1, networks["fp32"].n_inputs), np.float32)
    times_ms: dict[str, list[float]] = {form: [] for form in networks}
    for _ in range(N_TURNS):
        for form, network in networks.items():
            for _ in range(RUNS_A_TURN):
                time.sleep(PAUSE_S)
                start = time.perf_counter()
                network(sample)
                times_ms[form].append((time.perf_counter() - start) * 1e3)
    return {form: float(np.median(times)) for form, times in times_ms.items()}


def precision_markdown(table: Table, times_ms: dict[str, float]) -> str:
    """Return the report for people.

    Parameters
    ----------
    table : dict
        By form, from `compare_forms`.
    times_ms : dict of float
        Time of one sample, by form.
    """
    forms = FORMS[::-1]

    def deviation(title: str, name: str, factor: float = 100.0) -> list[str]:
        values = [table[form].get(name) for form in forms]
        return [title, *("–" if v is None else f"{factor * v:.2f}" for v in values)]

    def score(title: str, of_set: str, name: str, digits: int) -> list[str]:
        cells = [title]
        for scores in (table[form][of_set] for form in forms):
            by = scores.get("difference_to_fp32", {}).get(name)
            said = "" if by is None else f" ({by:+z.{digits}f})".replace("-", "−")
            cells.append(f"{scores[name]:.{digits}f}{said}")
        return cells

    rows = [
        ["file, MB", *(f"{table[form]['bytes'] / 1e6:.1f}" for form in forms)],
        ["one sample, ms (median)", *(f"{times_ms[form]:.2f}" for form in forms)],
        [
            "alone or in a batch: largest difference, % of the map's maximum",
            *(f"{100 * table[form]['batch_difference']:.1g}" for form in forms),
        ],
        deviation("largest deviation, % of the map's maximum: median", "median_deviation"),
        deviation("the same: worst sample", "largest_deviation"),
        deviation("relative L2 norm of the deviation, %: median", "relative_l2_median"),
        deviation("samples with another strongest dipole, %", "moved_share"),
        deviation("… at a distance, mm: median", "moved_mm_median", 1.0),
        deviation("… at a distance, mm: 95th percentile", "moved_mm_95", 1.0),
    ]
    for config in ERRORS:
        rows += [
            score(f"{config.title}: AUC", config.name, "auc", 4),
            score(f"{config.title}: error, mm, mean", config.name, ERROR_MEAN, 2),
            score(f"{config.title}: error, mm, median", config.name, ERROR_MEDIAN, 2),
        ]
    return (
        f"# Weights in reduced precision\n\n`convdip-train evaluate`, {date.today().isoformat()}, "
        f"{processor_name()}, one thread, no GPU used. Data: {table['data']}. In brackets: "
        "difference to fp32 on the same samples.\n\n"
        + markdown_table(["", *forms], rows)
        + "\n\nIn int8 and fp16 only the weights of the large matrix products are stored. int8 is "
        f"ONNX Runtime's MatMulNBits with blocks of {BLOCK_SIZE} weights and integer products. "
        "ONNX Runtime's CPU provider widens fp16 weights when it loads them, so fp16 saves disk "
        f"space but no time. Times: {N_TURNS * RUNS_A_TURN} samples with pauses of "
        f"{PAUSE_S * 1e3:.0f} ms, forms in turns of {RUNS_A_TURN}; they differ from run to run and "
        "are not part of `evaluation.json`, which holds the other numbers.\n"
    )
