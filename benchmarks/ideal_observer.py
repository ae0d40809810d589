"""How far any method could come: an observer that knows everything but the sources.

Usage: .venv/bin/python benchmarks/ideal_observer.py [--signs random|positive] [--model NAME]
    [--seed N] [--samples N]
"""

import argparse

import numpy as np
from convdip.bundle import DEFAULT_MODEL, load_bundle
from convdip.markdown import markdown_table
from convdip_training.config import DEFAULT_CACHE, DEFAULT_DATA
from convdip_training.evaluation.alternative import N_NEIGHBOURS
from convdip_training.evaluation.ideal_observer import IdealObserver
from convdip_training.evaluation.laboratory import Plan, laboratory
from convdip_training.evaluation.metrics import METRICS
from convdip_training.evaluation.pieces import chunks, in_processes
from convdip_training.evaluation.sets import (
    MULTI,
    MULTI_SIGNED,
    SINGLE,
    SINGLE_SIGNED,
    SetConfig,
)
from tqdm import tqdm

SHOWN = (
    "auc", "average_precision", "peak_error", "maxima_error", "found", "ghosts", "relative_nmse",
    "emd", "sign",
)  # fmt: skip
SETS = {"random": (SINGLE_SIGNED, MULTI_SIGNED), "positive": (SINGLE, MULTI)}
CHUNK = 20


def score(plan: Plan, config: SetConfig, first: int, last: int) -> np.ndarray:
    """Return the metrics of samples ``first`` to ``last`` − 1."""
    here = laboratory(plan)
    observer = IdealObserver(config, here.alternative, here.head, here.noise(config), N_NEIGHBOURS)
    rows = []
    for i in range(first, last):
        sample = here.samples(config)[i]
        estimate = observer(sample, np.random.default_rng([plan.seed, i]))
        rows.append(here.scorer(sample.truth, [estimate], sample.n_sources)[0])
    return np.array(rows)


def main() -> None:
    """Print a table of both sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signs", choices=SETS, default="random", help="of the sources")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="whose dipoles maps are given on")
    parser.add_argument("--seed", type=int, default=2021, help="of the samples")
    parser.add_argument("--samples", type=int, default=200, help="of each set")
    arguments = parser.parse_args()
    path = load_bundle(arguments.model).path
    plan = Plan(path, arguments.seed, True, DEFAULT_DATA, DEFAULT_CACHE)
    table = []
    for config in SETS[arguments.signs]:
        jobs = [(plan, config, *piece) for piece in chunks(arguments.samples, CHUNK)]
        pieces = in_processes(score, jobs)
        rows = list(tqdm(pieces, config.title, len(jobs), unit=f"{CHUNK} samples"))
        scores = np.concatenate(rows)[:, [list(METRICS).index(name) for name in SHOWN]]
        values = zip(np.nanmean(scores, axis=0), np.nanmedian(scores, axis=0), strict=True)
        table.append([config.title, *(f"{mean:.3g} ({median:.3g})" for mean, median in values)])
    header = ["mean (median)", *(METRICS[name].title for name in SHOWN)]
    print(markdown_table(header, table, padded=True))


if __name__ == "__main__":
    main()
