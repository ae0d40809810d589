"""How far off the lead field of an electrode is that lies between the places of the 10-05 system.

It is interpolated there; here, beside boundary element solutions at 496 places that lie a few
millimetres off. Takes several minutes unless the heads are in the cache.

Usage: .venv/bin/python benchmarks/between_places.py [--cache FOLDER]
"""

import argparse
from pathlib import Path

import numpy as np
from convdip.live.cap_places import ten_five_names
from convdip.live.spline import EXACT, sphere_centre, spline_matrix
from convdip_training.anatomy.caps import displaced, standard_places_m
from convdip_training.anatomy.families import N_PLACES
from convdip_training.anatomy.family_forward import training_family
from convdip_training.anatomy.scalp_fields import scalp_family
from convdip_training.config import DEFAULT_CACHE, load_preset
from convdip_training.experiment import Experiment


def referenced(field):
    """Return a lead field against the average of its electrodes."""
    return field - field.mean(axis=0)


def main():
    """Print how far off interpolated lead fields are, by skull."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    cache = parser.parse_args().cache
    one, every = load_preset("convdip-fsaverage31"), load_preset("convdip-anycap")
    solved = training_family(one.family, one.head, one.seed, cache).family.lead_fields
    everywhere = scalp_family(every.family, Experiment(every, cache).config.head, cache)

    # As `training_family` draws them.
    rng = np.random.default_rng([one.seed, 2])
    standard_m = standard_places_m(one.head.electrodes)
    sd_m = one.family.electrode_sd_mm * 1e-3
    moved_m = [displaced(standard_m, sd_m, rng) for _ in range(N_PLACES)]
    places_m = np.array(list(standard_places_m(ten_five_names()).values()))
    centre_m = sphere_centre(places_m)

    for number, skull_s_m in enumerate(one.family.skull_s_m):
        between, nearest = [], []
        known = everywhere.lead_fields[number].astype(float)
        for i, cap_m in enumerate(moved_m, 1):
            weights = spline_matrix(places_m, np.array(list(cap_m.values())), centre_m, EXACT)
            true = referenced(solved[number, i].astype(float))
            length = np.linalg.norm(true, axis=1)
            off = np.linalg.norm(referenced(weights @ known) - true, axis=1)
            unmoved = np.linalg.norm(referenced(solved[number, 0].astype(float)) - true, axis=1)
            between += (off / length).tolist()
            nearest += (unmoved / length).tolist()
        print(
            f"skull {skull_s_m:g} S/m: {np.median(between):.1%} off in the median "
            f"(95th percentile {np.quantile(between, 0.95):.1%}); "
            f"the unmoved electrode's: {np.median(nearest):.1%}"
        )


if __name__ == "__main__":
    main()
