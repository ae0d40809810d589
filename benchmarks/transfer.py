"""What a tenth of the training is worth on another head, from a model that was trained before.

The second head is the template, stretched. Both get the default model's recipe with fewer samples.

Usage: .venv/bin/python benchmarks/transfer.py [--samples N] [--seed N] [--cache FOLDER]
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import mne
import numpy as np
from convdip.bundle import DEFAULT_MODEL, Bundle, load_bundle
from convdip.head import Head
from convdip_training.__main__ import DEFAULT_CACHE
from convdip_training.anatomy.families import Family
from convdip_training.anatomy.family_forward import training_family
from convdip_training.anatomy.head_model import load_or_build_head
from convdip_training.anatomy.template import package_folder, write_template_subject
from convdip_training.config import HeadConfig, TrainingConfig, load_preset
from convdip_training.evaluation.alternative import alternative_head
from convdip_training.evaluation.metrics import METRICS, Scorer
from convdip_training.evaluation.sets import MULTI, SINGLE, SampleSet
from convdip_training.export import export
from convdip_training.fit import fit, trained_network
from convdip_training.grid import SHAPE
from convdip_training.networks.convdip import load_network
from convdip_training.networks.transfer import SAMPLES_SHARE, carried_over, transfer_config
from convdip_training.noise import noise_pool

STRETCH = np.array([0.94, 1.07, 1.03])  # to the right, to the front, upwards
SHOWN = (
    "auc", "average_precision", "peak_error", "maxima_error", "found", "ghosts", "emd",
)  # fmt: skip
N_TESTED = 300


class Place:
    """A head, its noise and the family of heads around it; trains networks and tests them."""

    def __init__(self, config: TrainingConfig, seed: int, cache: Path) -> None:
        self.cache = cache
        self.head: Head = load_or_build_head(config.head, cache)
        self.noise = noise_pool(config.noise, self.head, config.seed, cache)
        self.family: tuple[Head, Family] = training_family(
            config.family, config.head, config.seed, cache
        )
        self.seed = seed

    def train(self, config: TrainingConfig, start: Bundle | None = None) -> Path:
        """Return the file of a trained network."""
        return fit(config, self.head, self.noise, self.cache, self.family, start)

    def test(self, config: TrainingConfig, network: keras.Model) -> None:
        """Print a row of the table for each of the paper's two sets."""
        other = alternative_head(config.head, self.seed, self.cache)
        pool = noise_pool(replace(config.noise, n_segments=400), other, self.seed, self.cache)
        scorer = Scorer(self.head)
        for kind in (SINGLE, MULTI):
            samples = SampleSet(kind, self.seed, self.head, other, pool)
            rows = []
            for i in range(N_TESTED):
                sample = samples[i]
                eeg = sample.erp.average[None, sample.erp.peak].astype(np.float32)
                image = (eeg @ self.head.interpolation.T).reshape(-1, *SHAPE, 1)
                estimate = np.asarray(network({"topography": image}))[0]
                rows.append(scorer(sample.truth, [estimate], sample.n_sources)[0])
            means = np.nanmean(np.array(rows), axis=0)[[list(METRICS).index(m) for m in SHOWN]]
            print(f"  {kind.title} | " + " | ".join(f"{mean:.3g}" for mean in means), flush=True)


def stretched_subject(subjects_dir: Path) -> HeadConfig:
    """Write the template as a subject whose head is longer, higher and narrower."""
    folder = subjects_dir / "stretched"
    if not folder.exists():
        unfinished = subjects_dir / "unfinished"
        unfinished.mkdir(parents=True)
        written = unfinished / write_template_subject(unfinished)
        for path in [*written.glob("surf/?h.white"), *written.glob("surf/?h.pial"),
                     *written.glob("bem/*.surf")]:  # fmt: skip
            points, triangles = mne.read_surface(path)
            mne.write_surface(path, points * STRETCH, triangles, overwrite=True)
        written.rename(folder)
        unfinished.rmdir()
    trans = package_folder("mne") / "data" / "fsaverage" / "fsaverage-trans.fif"
    return HeadConfig("stretched", str(subjects_dir), str(trans))


def main() -> None:
    """Train, carry over, and print what each network is worth on the second head."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2_000_000, help="of a full training")
    parser.add_argument("--seed", type=int, default=7, help="of the samples it is tested with")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    arguments = parser.parse_args()
    cache: Path = arguments.cache
    mne.set_log_level("error")

    recipe = load_preset(DEFAULT_MODEL)
    shorter = replace(recipe.fit, n_samples=arguments.samples, checkpoints=4)
    first = replace(recipe, name="transfer-first", fit=shorter)
    at_first = Place(first, arguments.seed, cache)
    bundle = trained_network(first, at_first.head, at_first.noise, cache).parent / "bundle"
    if not bundle.exists():
        export(at_first.train(first), first, at_first.head, at_first.noise, bundle, at_first.family)
    start = load_bundle(bundle)

    second_head = stretched_subject(cache / "subjects")
    full = replace(first, name="transfer-full", head=second_head)
    at_second = Place(full, arguments.seed, cache)
    tenth = replace(
        full,
        name="transfer-tenth",
        fit=replace(full.fit, n_samples=round(arguments.samples * SAMPLES_SHARE)),
    )
    over = transfer_config(start, second_head)
    shipped = load_bundle(DEFAULT_MODEL)
    over_shipped = transfer_config(shipped, second_head)
    over_shipped = replace(over_shipped, name="transfer-shipped", fit=over.fit)

    print("set | " + " | ".join(METRICS[name].title for name in SHOWN))
    print(f"full training, {full.fit.n_samples:,} samples")
    at_second.test(full, load_network(at_second.train(full)))
    print(f"carried over, {over.fit.n_samples:,} samples")
    at_second.test(over, load_network(at_second.train(over, start)))
    print("carried over, not trained")
    at_second.test(over, carried_over(start, over, at_second.head, at_second.noise))
    print(f"from nothing, {tenth.fit.n_samples:,} samples")
    at_second.test(tenth, load_network(at_second.train(tenth)))
    print(f"the shipped model carried over, {over.fit.n_samples:,} samples")
    at_second.test(over_shipped, load_network(at_second.train(over_shipped, shipped)))


if __name__ == "__main__":
    main()
