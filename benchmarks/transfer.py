"""What a tenth of the training is worth on another head, starting from a trained model.

The second head is the template, stretched. Both get the default model's recipe with fewer samples.

Usage: .venv/bin/python benchmarks/transfer.py [--samples N] [--seed N] [--cache FOLDER]
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import mne
import numpy as np
from convdip.bundle import DEFAULT_MODEL, Bundle, load_bundle
from convdip.markdown import markdown_table
from convdip_training.anatomy.template import package_folder, write_template_subject
from convdip_training.config import DEFAULT_CACHE, HeadConfig, TrainingConfig, load_preset
from convdip_training.evaluation.alternative import alternative_head
from convdip_training.evaluation.metrics import METRICS, Scorer
from convdip_training.evaluation.sets import MULTI, SINGLE, SampleSet
from convdip_training.experiment import Experiment
from convdip_training.export import export
from convdip_training.fit import fit
from convdip_training.grid import SHAPE
from convdip_training.networks.convdip import load_network
from convdip_training.networks.transfer import transfer_config, transferred
from convdip_training.noise import noise_pool
from numpy.typing import NDArray

STRETCH = np.array([0.94, 1.07, 1.03])  # to the right, to the front, upwards
SHOWN = (
    "auc", "average_precision", "peak_error", "maxima_error", "found", "ghosts", "emd",
)  # fmt: skip
N_TESTED = 300


class Tested(NamedTuple):
    """What a network is tested with: the topography of a sample, and its sources."""

    image: NDArray[np.float32]
    truth: NDArray[np.float32]
    n_sources: int


def samples_of(experiment: Experiment, seed: int) -> dict[str, list[Tested]]:
    """Return the samples of the paper's two sets, by the set's title."""
    head, noise = experiment.head, replace(experiment.config.noise, n_segments=400)
    other = alternative_head(experiment, seed)
    pool = noise_pool(noise, other, seed, experiment.cache)
    tested: dict[str, list[Tested]] = {}
    for kind in (SINGLE, MULTI):
        samples = SampleSet(kind, seed, head, other, pool)
        tested[kind.title] = []
        for sample in (samples[i] for i in range(N_TESTED)):
            eeg = sample.erp.average[None, sample.erp.peak].astype(np.float32)
            image = (eeg @ head.interpolation.T).reshape(-1, *SHAPE, 1)
            tested[kind.title].append(Tested(image, sample.truth, sample.n_sources))
    return tested


def test(network: keras.Model, samples: dict[str, list[Tested]], scorer: Scorer) -> list[list[str]]:
    """Return the means of a network's metrics, a row for each set."""
    table = []
    for title, of_set in samples.items():
        rows = []
        for sample in of_set:
            estimate = np.asarray(network({"topography": sample.image}))[0]
            rows.append(scorer(sample.truth, [estimate], sample.n_sources)[0])
        means = np.nanmean(np.array(rows), axis=0)[[list(METRICS).index(m) for m in SHOWN]]
        table.append([title, *(f"{mean:.3g}" for mean in means)])
    return table


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
    """Train, transfer, and print what each network is worth on the second head."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2_000_000, help="of a full training")
    parser.add_argument("--seed", type=int, default=7, help="of the samples it is tested with")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    arguments = parser.parse_args()
    cache: Path = arguments.cache
    mne.set_log_level("error")

    recipe = load_preset(DEFAULT_MODEL)
    shorter = replace(recipe.fit, n_samples=arguments.samples, checkpoints=4)
    first = Experiment(replace(recipe, name="transfer-first", fit=shorter), cache)
    bundle = first.network_path.with_name("bundle")
    if not bundle.exists():
        fit(first)
        export(first, bundle)
    start = load_bundle(bundle)

    second_head = stretched_subject(cache / "subjects")
    full = Experiment(replace(first.config, name="transfer-full", head=second_head), cache)

    def on_second_head(config: TrainingConfig, begin: Bundle | None = None) -> Experiment:
        return Experiment(config, cache, begin, head=full.head, noise=full.noise)

    over = transfer_config(start, second_head)
    n_tenth = over.fit.n_samples
    tenth = replace(full.config, name="transfer-tenth", fit=replace(shorter, n_samples=n_tenth))
    shipped = load_bundle(DEFAULT_MODEL)
    over_shipped = replace(
        transfer_config(shipped, second_head), name="transfer-shipped", fit=over.fit
    )
    untrained = transferred(start, over, full.head)
    networks = {
        f"full training, {arguments.samples:,} samples": load_network(fit(full)),
        f"transferred, {n_tenth:,} samples": load_network(fit(on_second_head(over, start))),
        "transferred, not trained": untrained,
        f"from scratch, {n_tenth:,} samples": load_network(fit(on_second_head(tenth))),
        f"the shipped model transferred, {n_tenth:,} samples": load_network(
            fit(on_second_head(over_shipped, shipped))
        ),
    }
    samples, scorer = samples_of(full, arguments.seed), Scorer(full.head)
    rows = [
        [name, *row] for name, network in networks.items() for row in test(network, samples, scorer)
    ]
    header = ["training", "set", *(METRICS[name].title for name in SHOWN)]
    print(markdown_table(header, rows, padded=True))


if __name__ == "__main__":
    main()
