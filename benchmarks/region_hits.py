"""How often the strongest region is the one that holds the source.

Patches on the evaluation's other head, of either sign, five in each region of the atlas; a single
sample, whose SNR is that of the evaluation. Regions are measured as feedback measures them.

Usage: .venv/bin/python benchmarks/region_hits.py [--model NAME] [--each N] [--cache FOLDER]
"""

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from convdip import Feature, Features, Imager
from convdip.bundle import DEFAULT_MODEL, load_bundle
from convdip.feedback.regions import atlas_regions
from convdip_training.config import DEFAULT_CACHE
from convdip_training.evaluation.alternative import alternative_head
from convdip_training.evaluation.sets import SINGLE_SIGNED, SampleSet
from convdip_training.experiment import Experiment
from convdip_training.noise import noise_pool


def main():
    """Print the shares, and which regions are taken for which."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--each", type=int, default=5, help="patches in each region")
    parser.add_argument("--seed", type=int, default=2021)
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    arguments = parser.parse_args()

    bundle = load_bundle(arguments.model)
    experiment = Experiment.of_bundle(bundle, arguments.cache)
    head, other = bundle.head, alternative_head(experiment, arguments.seed)
    config = replace(experiment.config.noise, n_segments=400)
    noise = noise_pool(config, other, arguments.seed, arguments.cache)
    samples = SampleSet(SINGLE_SIGNED, arguments.seed, head, other, noise)
    imager = Imager(head.channels, "volts", model=bundle, provider="cpu")
    regions = atlas_regions(head)
    each = [Feature(region.name, (region.name,), "power", 1e-3) for region in regions]
    features = Features(head, each, 1000.0)
    region_of = {int(d): i for i, region in enumerate(regions) for d in region.dipoles}

    def order_of(frame):
        """Return the regions, the strongest first."""
        return np.argsort(-np.nan_to_num(features(frame).values[0]))

    wanted, ranks, by_truth, confused = Counter(), [], [], Counter()
    for i in range(100_000):
        sample = samples[i]
        true = region_of.get(int(np.abs(sample.truth).argmax()))
        if true is None or wanted[true] == arguments.each:
            continue
        wanted[true] += 1
        frame = imager(sample.erp.average[None, sample.erp.peak])
        order = order_of(frame)
        ranks.append(int(np.flatnonzero(order == true)[0]))
        known = order_of(replace(frame, moments_nam=sample.truth[None].astype(np.float32)))
        by_truth.append(known[0] == true)
        if order[0] != true:
            confused[regions[true].name, regions[order[0]].name] += 1
        if sum(wanted.values()) == arguments.each * len(regions):
            break
    ranks = np.array(ranks)
    print(f"{bundle.name}: {len(ranks)} patches in {len(wanted)} regions, seed {arguments.seed}")
    print(f"strongest {(ranks == 0).mean():.1%}, among three {(ranks < 3).mean():.1%}")
    print(f"of the true moments, measured the same way: {np.mean(by_truth):.1%}")
    for (true, found), n in confused.most_common(12):
        print(f"{n} × {true} taken for {found}")


if __name__ == "__main__":
    main()
