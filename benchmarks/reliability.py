"""Whether confidence can be relied upon: on the evaluation's sets, in noise and in recorded EEG.

What the card's calibration says of each sample, beside how far the strongest dipole is from the
middle of the nearest source. A model for any cap is also asked with other caps than the paper's.

Usage: .venv/bin/python benchmarks/reliability.py [--model NAME] [--samples N] [--seed N]
    [--data FOLDER] [--cache FOLDER] [--out FOLDER]
"""

import argparse
import json
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
from convdip import Imager
from convdip.bundle import DEFAULT_MODEL, load_bundle
from convdip.live.confidence import Confidence
from convdip.live.network import Network
from convdip.sources.recordings import read_recording
from convdip_training.anatomy.resample import carry_to, to_model
from convdip_training.config import DEFAULT_CACHE, DEFAULT_DATA
from convdip_training.evaluation import trust
from convdip_training.evaluation.alternative import N_NEIGHBOURS
from convdip_training.evaluation.caps import CapLaboratory, caps_of
from convdip_training.evaluation.laboratory import Plan, laboratory
from convdip_training.evaluation.metrics import Scorer
from convdip_training.evaluation.ongoing import band_pass
from convdip_training.evaluation.ongoing_scores import OngoingSet
from convdip_training.evaluation.reliability import (
    reliability_table,
    scores,
    spread,
    spread_table,
)
from convdip_training.evaluation.sets import (
    BRAIN_NOISE_MULTI,
    BRAIN_NOISE_SINGLE,
    MULTI_SIGNED,
    NOISE_SIGNED,
    RECORDED_NOISE_MULTI,
    RECORDED_NOISE_SINGLE,
    ROBUST_SIGNED,
    SINGLE_SIGNED,
    STRICT_SIGNED,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

SETS = (
    SINGLE_SIGNED,
    MULTI_SIGNED,
    NOISE_SIGNED,
    ROBUST_SIGNED,
    STRICT_SIGNED,
    BRAIN_NOISE_SINGLE,
    BRAIN_NOISE_MULTI,
    RECORDED_NOISE_SINGLE,
    RECORDED_NOISE_MULTI,
)
OTHER_CAPS = ("19, clinical", "64, BioSemi", "128")
CAP_SETS = (SINGLE_SIGNED, MULTI_SIGNED, NOISE_SIGNED)
RECORDINGS = {
    "eyes open": "eeg/eegmmidb_S001/S001R01.edf",
    "eyes closed": "eeg/eegmmidb_S001/S001R02.edf",
}
ALL, ONGOING = "all", "ongoing"
# Samples of a recording of ongoing EEG: so far apart, its envelopes are others.
EACH = 20
SECONDS, SETTLED_S = 30.0, 3.0
RAIL_V = 5e-3
# What the figure shows, by marker as well as by colour.
SHOWN = {
    ALL: ("#999999", "*"),
    SINGLE_SIGNED.name: ("#0072B2", "o"),
    MULTI_SIGNED.name: ("#009E73", "s"),
    NOISE_SIGNED.name: ("#000000", "D"),
    ROBUST_SIGNED.name: ("#E69F00", "^"),
    RECORDED_NOISE_MULTI.name: ("#CC79A7", "P"),
    STRICT_SIGNED.name: ("#D55E00", "v"),
    ONGOING: ("#56B4E9", "X"),
}


def main():
    """Write confidence.json and confidence.png, and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--samples", type=int, default=1000, help="of each set")
    parser.add_argument("--seed", type=int, default=2021)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA)
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--out", type=Path, help="by default docs/evaluations/ and the model")
    arguments = parser.parse_args()

    bundle = load_bundle(arguments.model)
    plan = Plan(bundle.path, arguments.seed, False, arguments.data, arguments.cache)
    network = Network(bundle.model, bundle.head, "cpu")
    found = {
        "model": bundle.name,
        "date": date.today().isoformat(),
        "seed": plan.seed,
        "sets": of_sets(plan, network, arguments.samples),
        "caps": of_caps(plan, network, arguments.samples) if network.cortex else {},
        "without": {
            **of_noise(plan, network, arguments.samples),
            **of_recordings(bundle, network, plan),
        },
    }
    folder = arguments.out or Path("docs/evaluations") / bundle.name
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (folder / "confidence.json").write_text(f"{text}\n", encoding="utf-8")
    draw(found, folder / "confidence.png")
    for table in (reliability_table(found["sets"] | found["caps"]), spread_table(found["without"])):
        print(f"{table}\n")


def of_sets(plan, network, n):
    """Return the scores of the evaluation's sets, and of all, at the model's own electrodes."""
    here = laboratory(plan)
    head, scorer = here.head, Scorer(here.head)
    look, says = look_of(here.bundle, network, head.channels)
    judged = {}
    for config in SETS:
        eeg, truths = trust.drawn(here.samples(config), range(n))
        judged[config] = judge(eeg, truths, look, says, head, scorer)
    everything = map(np.concatenate, zip(*judged.values(), strict=True))
    ongoing = judge(*of_ongoing(here, n), look, says, head, scorer)
    return {
        **{config.name: entry(config.title, *judged[config]) for config in SETS},
        ALL: entry("all sets together", *everything),
        ONGOING: entry("ongoing EEG, 1–4 rhythms in its band", *ongoing),
    }


def of_ongoing(here, n):
    """Return single samples of ongoing EEG as it is filtered live, and what is active in each."""
    recordings = OngoingSet(here.plan.seed, here.alternative)
    carry = carry_to(here.head, here.alternative, N_NEIGHBOURS)
    eeg, truths = [], []
    for i in range(n // EACH):
        ongoing = recordings[i]
        band = ongoing.rhythm.band_hz, ongoing.sfreq_hz
        first = round(SETTLED_S * ongoing.sfreq_hz)
        rows = np.linspace(first, len(ongoing.courses) - 1, EACH).astype(int)
        eeg.append(band_pass(ongoing.eeg, *band)[ongoing.n_quiet + rows])
        # What a source does reaches the filtered EEG as late as the EEG itself does.
        courses = band_pass(ongoing.courses, *band)[rows]
        truths.extend(to_model(courses @ ongoing.maps, carry))
    return np.concatenate(eeg), truths


def of_caps(plan, network, n):
    """Return the scores of sets that other caps see."""
    here, caps = laboratory(plan), CapLaboratory(plan)
    head, scorer = here.head, Scorer(here.head)
    place = {name: i for i, name in enumerate(caps.alternative.channels)}
    found = {}
    for config in CAP_SETS:
        everywhere, truths = trust.drawn(caps.samples(config), range(n // 2))
        for cap in OTHER_CAPS:
            names = caps_of(head)[cap]
            eeg = everywhere[:, [place[name] for name in names]]
            look, says = look_of(here.bundle, network, names)
            title = f"{config.title}; {len(names)} electrodes"
            judged = judge(eeg, truths, look, says, head, scorer)
            found[f"{config.name}-{len(names)}"] = entry(title, *judged)
    return found


def look_of(bundle, network, names):
    """Return what looks at EEG, and what says how far to trust that."""
    return trust.Look(bundle, network, names), Confidence.of_card(bundle.card)


def judge(eeg, truths, look, says, head, scorer):
    """Return what is said of samples, and how far off they are."""
    looked = look(eeg)
    return says(looked.terms), trust.errors_mm(head, scorer, truths, looked.strongest)


def entry(title, confidence, errors_mm):
    """Return the scores of a set."""
    return {"title": title, **scores(confidence, errors_mm, np.random.default_rng(1))}


def of_noise(plan, network, n):
    """Return what is said of samples that hold no source at all."""
    here = laboratory(plan)
    look, says = look_of(here.bundle, network, here.head.channels)
    rng = np.random.default_rng([plan.seed, 8])
    noise = partial(trust.noise_alone, n=n, rng=rng)
    with_sources, _ = trust.drawn(here.samples(MULTI_SIGNED), range(n))
    eegs = {
        "noise of the training's kind, no source": noise(here.noise(MULTI_SIGNED)),
        "brain noise of another kind, no source": noise(
            here.noise(BRAIN_NOISE_MULTI), in_sessions=True
        ),
        "recorded noise, no source": noise(here.noise(RECORDED_NOISE_MULTI)),
        "white noise": trust.white(n, here.head.n_electrodes, rng),
        "1–10 sources, electrodes shuffled": trust.shuffled(with_sources, rng),
    }
    return {title: {"title": title, **spread(says(look(eeg).terms))} for title, eeg in eegs.items()}


def of_recordings(bundle, network, plan):
    """Return what is said of recorded EEG, as the service images it."""
    found = {}
    for name, file in RECORDINGS.items():
        raw = read_recording(plan.data / file).crop(0, SECONDS)
        labels, volts = raw.ch_names, raw.get_data().T
        railed = volts.copy()
        electrode = [label.strip(".") for label in labels].index("C4")
        railed[:, electrode] = RAIL_V
        jumpy = volts.copy()
        jumpy[:, electrode] += RAIL_V * np.sign(np.sin(np.arange(len(volts)) / 50))
        rng = np.random.default_rng([plan.seed, 9])
        shuffled = volts[:, rng.permutation(volts.shape[1])]
        for what, samples, keep in (
            ("", volts, False),
            (", electrodes shuffled", shuffled, False),
            (", C4 at its rail, found and left out", railed, False),
            (", C4 jumps by 5 mV, kept", jumpy, True),
        ):
            sfreq_hz = raw.info["sfreq"]
            imager = Imager(
                labels, "volts", sfreq_hz=sfreq_hz, model=bundle, network=network, keep=keep
            )
            confidence = imager(samples).confidence[round(SETTLED_S * sfreq_hz) :]
            title = f"recorded EEG, {name}{what}"
            found[title] = {"title": title, **spread(confidence[np.isfinite(confidence)])}
    return found


def draw(found, path):
    """Draw what is found over what is said, and the error over it."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    FigureCanvasAgg(figure)
    reliability, error = figure.subplots(1, 2)
    reliability.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    for name, (colour, marker) in SHOWN.items():
        entry = found["sets"][name]
        said = [one["said"] for one in entry["bins"]]
        for axes, key in ((reliability, "found"), (error, "error_mm")):
            values = np.array([one[key] for one in entry["bins"]])
            low, high = np.transpose([one[f"{key}_ci"] for one in entry["bins"]])
            axes.errorbar(
                said,
                values,
                [values - low, high - values],
                color=colour,
                marker=marker,
                markersize=5,
                linewidth=1.2,
                elinewidth=0.8,
                label=entry["title"].split(":")[0].replace(", either sign", ""),
            )
    reliability.set(
        xlabel="confidence", ylabel="share within 20 mm of a source", xlim=(0, 1), ylim=(0, 1.02)
    )
    error.set(xlabel="confidence", ylabel="error of the maximum, mm (mean)", xlim=(0, 1))
    error.set_ylim(bottom=0)
    lines, labels = error.get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    for axes in (reliability, error):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
