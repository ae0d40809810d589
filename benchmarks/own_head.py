"""What it is worth to know the head: sources on a head of another shape and skull.

The network for any cap is given that head's own lead field, or the template's; beside it the model
for one cap as it is, the same carried over to the head but not trained further, and γ-MAP with
either head. The first run solves the head: two minutes.

Usage: .venv/bin/python benchmarks/own_head.py [--samples N] [--seed N] [--cache FOLDER]
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from convdip import Imager
from convdip.bundle import DEFAULT_MODEL, load_bundle
from convdip.markdown import markdown_table
from convdip.patches import cortex_only
from convdip_training.anatomy.resample import resampling
from convdip_training.anatomy.scalp_fields import scalp_family
from convdip_training.baselines.erp import Erp
from convdip_training.baselines.gamma_map import GammaMap
from convdip_training.config import DEFAULT_CACHE, ELECTRODES, HeadConfig, load_preset
from convdip_training.evaluation.metrics import METRICS, Scorer
from convdip_training.grid import SHAPE
from convdip_training.networks.transfer import transfer_config, transferred
from convdip_training.patch_draws import PatchDraws
from tqdm import tqdm

# To the right, to the front, upwards: not among those of the training; nor is the skull.
STRETCHED, SKULL_S_M = (0.97, 1.07, 1.05), 0.0065
N_TRIALS, N_TIMES, TRIAL_SNR = 20, 50, (0.3, 4.5)
SHOWN = (
    "auc", "average_precision", "peak_error", "maxima_error", "found", "ghosts", "emd",
)  # fmt: skip


def main():
    """Print a table for one source and one for several, of either sign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=300, help="of each set")
    parser.add_argument("--seed", type=int, default=2021)
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    arguments = parser.parse_args()

    preset, dense = load_preset("convdip-anycap"), load_bundle(DEFAULT_MODEL)
    any_cap = load_bundle("convdip-anycap")
    template = any_cap.head
    family = scalp_family(
        replace(preset.family, stretched=(STRETCHED,)), preset.head, arguments.cache
    )
    weights = family.of_skull(np.log(SKULL_S_M)) + family.of_shape(0)
    everywhere = np.tensordot(weights.astype(np.float32), family.lead_fields, axes=1)
    at_dipoles = np.tensordot(weights.astype(np.float32), family.at_dipoles(template), axes=1)
    at_dipoles -= at_dipoles.mean(axis=0)
    cap = [template.scalp.names.index(name) for name in ELECTRODES]
    field = everywhere[cap] - everywhere[cap].mean(axis=0)
    own_head = replace(
        template,
        lead_field=at_dipoles[cap] - at_dipoles[cap].mean(axis=0),
        scalp=replace(template.scalp, lead_field=at_dipoles),
    )
    noise = template.scalp.noise[np.ix_(cap, cap)].astype(float)
    noise -= noise.mean(axis=0)
    noise -= noise.mean(axis=1, keepdims=True)
    variances, directions = np.linalg.eigh(noise / noise.diagonal().max())
    root = directions * np.sqrt(variances.clip(min=0))

    def imager(bundle):
        how = Imager(ELECTRODES, "volts", model=bundle, provider="cpu")
        return lambda erp: how.maps(erp.average[None, erp.peak])[0]

    recipe = transfer_config(dense, HeadConfig("stretched", "", ""))
    carried = transferred(dense, recipe, own_head)

    def carried_over(erp):
        image = (erp.average[None, erp.peak] @ own_head.interpolation.T).reshape(-1, *SHAPE, 1)
        return np.asarray(carried({"topography": image.astype(np.float32)}))[0]

    methods = {
        "convdip-anycap, the head's own lead field": imager(replace(any_cap, head=own_head)),
        "convdip-anycap, the template's": imager(any_cap),
        f"{dense.name}, trained for the template": imager(dense),
        f"{dense.name}, carried over to the head, not trained": carried_over,
        "γ-MAP, the head's own lead field": GammaMap(own_head),
        "γ-MAP, the template's": GammaMap(template),
    }
    cortex, triangles = cortex_only(family.cortex)
    draws = PatchDraws(triangles, family.cortex.dipoles_m[cortex], preset.simulation.orders)
    to_model = resampling(template, family.cortex)[cortex]
    scorer, rng = Scorer(template), np.random.default_rng([arguments.seed, *b"own head"])
    for title, single in (("one source", 1.0), ("1–10 sources", 0.0)):
        scores = []
        for _ in tqdm(range(arguments.samples), desc=title, mininterval=1):
            config = replace(preset.simulation, single=single)
            (n_sources,), _, patches = draws(1, config, rng)
            sources = patches.sum(axis=0)
            eeg = field[:, cortex] @ sources
            level = np.abs(eeg).max() / rng.uniform(*TRIAL_SNR)
            trials = level * (rng.standard_normal((N_TRIALS, N_TIMES + 1, len(cap))) @ root.T)
            trials[:, -1] += eeg
            erp = Erp(trials, 100.0, N_TIMES, N_TIMES, 0)
            maps = [method(erp) for method in methods.values()]
            scores.append(scorer(np.asarray(sources @ to_model), maps, int(n_sources)))
        means = np.nanmean(np.array(scores), axis=0)[:, [list(METRICS).index(m) for m in SHOWN]]
        rows = [
            [name, *(f"{value:.3g}" for value in row)]
            for name, row in zip(methods, means, strict=True)
        ]
        print(f"\n{title}, either sign, {arguments.samples} samples\n")
        print(markdown_table(["", *SHOWN], rows))


if __name__ == "__main__":
    main()
