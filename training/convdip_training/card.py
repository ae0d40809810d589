"""The card of a bundle: how its network was made, for programs and for people."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from convdip.errors import ConfigError
from convdip.machine import commit, versions
from convdip.markdown import markdown_table

from convdip_training.experiment import Experiment

# What a model depends on.
PACKAGES = ("convdip-realtime", "keras", "tensorflow", "tf2onnx", "mne", "nilearn", "numpy")


_IMAGE = "topography: 7×11 image of the average-referenced EEG, volts"
INPUTS = {
    "convdip": _IMAGE,
    "matched": _IMAGE,
    "unrolled": "factor: whitened EEG of any electrodes, with their gains",
}
METHODS = {
    "convdip": "ConvDip (Hecker et al. 2021)",
    "matched": "ConvDip (Hecker et al. 2021) with matched filters",
    "unrolled": "sparse Bayesian learning, unrolled and learnt",
}


def recipe(experiment: Experiment, history: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the card says about an experiment, before anything is measured.

    Parameters
    ----------
    experiment : Experiment
    history : list of dict
        From `read_history`.
    """
    config = experiment.config
    return {
        "name": config.name,
        "method": METHODS[config.network.kind],
        "date": date.today().isoformat(),
        "input": INPUTS[config.network.kind],
        "output": _output_words(experiment),
        "noise": _noise_words(experiment),
        "training": _training_words(experiment, history),
        "config": asdict(config),
        "versions": versions(*PACKAGES),
        "commit": commit(),
    }


def read_history(network_path: Path) -> list[dict[str, Any]]:
    """Return the losses of a training from the ``history.json`` beside its network.

    Raises
    ------
    ConfigError
        If there is none.
    """
    path = network_path.with_name("history.json")
    try:
        history: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(
            f"no training history at {path}: copy it together with the network, beside which "
            "training leaves it"
        ) from None
    return history


def _output_words(experiment: Experiment) -> str:
    network, head = experiment.config.network, experiment.head
    if network.kind == "unrolled":
        return (
            f"sources: strength of each dipole ({head.n_dipoles} here, those of any head with as "
            "many) with the sign of its moment (positive: out of the cortex), no scale; of windows "
            "amplitude, and the probability that it is part of a source"
        )
    if network.kind == "convdip":
        return f"sources: {head.n_dipoles} dipoles, {network.output}, no scale"
    silent = int((~head.is_cortex).sum())
    return (
        f"sources: {head.n_dipoles} dipoles, {network.output} with the sign of the moment "
        f"(positive: out of the cortex), no scale; {silent} on the medial wall, always 0"
    )


def _noise_words(experiment: Experiment) -> str:
    n_segments, recordings = len(experiment.noise), experiment.config.noise.recordings
    others = experiment.config.simulation.other_noise
    kinds = f"; {others:.0%} of the samples in noise of other kinds" if others else ""
    if recordings:
        names = ", ".join(Path(name).name for name in recordings)
        return f"recorded: {n_segments} segments of 1 s from {names}{kinds}"
    return (
        f"synthetic: {n_segments} segments of 1 s (1/f cortical background "
        f"through the lead field, alpha rhythm, white sensor noise){kinds}"
    )


def _training_words(experiment: Experiment, history: list[dict[str, Any]]) -> str:
    config, last = experiment.config, history[-1]
    minutes = last["seconds"] / 60
    samples = last["steps"] * config.fit.batch_size
    first = f"transferred from the model {config.start[:12]}, then " if config.start else ""
    return (
        f"{first}{samples:,} simulated samples, none seen twice, in {minutes:.0f} minutes on "
        f"{platform.machine()}; final loss {last['loss']:.4f}"
    )


def card_text(card: dict[str, Any]) -> str:
    """Return the card for people."""
    head, loss = card["config"]["head"], card["config"]["loss"]
    conductivity = ", ".join(f"{value:g}" for value in head["conductivity_s_m"])
    rows = [
        ("input", card["input"]),
        ("output", card["output"]),
        ("head model", f"{head['subject']}, {head['spacing']}; {conductivity} S/m"),
        ("noise", card["noise"]),
        ("loss", ", ".join(f"{weight:g} × {name}" for name, weight in loss.items() if weight)),
        ("training", card["training"]),
        ("Keras and ONNX", f"differ by at most {card['keras_onnx_difference']:.1e}"),
        *_precision_rows(card),
        *_confidence_rows(card),
        ("made", f"{card['date']}, commit {card['commit']}, seed {card['config']['seed']}"),
    ]
    return f"""# {card["name"]}

{card["method"]}: one sample of EEG {_cap_words(card)} → 5,124 cortical dipoles.

{markdown_table(("", ""), rows)}

## First evaluation, on the training's own head

{card["evaluation"]["data"]}.

`convdip-train evaluate` compares the model with baseline methods on another head.

{_evaluation_table(card)}

`card.json` holds the whole recipe, versions and checksums.
"""


def _cap_words(card: dict[str, Any]) -> str:
    is_any = card["config"]["network"]["kind"] == "unrolled"
    return "of any cap" if is_any else f"with {len(card['config']['head']['electrodes'])} channels"


def _precision_rows(card: dict[str, Any]) -> list[tuple[str, str]]:
    if "precision" not in card:
        return []
    int8 = card["precision"]["int8"]
    typical, worst = (100 * int8[f"{name}_deviation"] for name in ("median", "largest"))
    return [
        ("int8 form", f"maps deviate by {typical:.2f} % of their maximum, at most {worst:.2f} %")
    ]


def _confidence_rows(card: dict[str, Any]) -> list[tuple[str, str]]:
    if "confidence" not in card:
        return []
    return [("confidence", "{says}; from {data}".format(**card["confidence"]))]


def _evaluation_table(card: dict[str, Any]) -> str:
    single, multi = card["evaluation"]["single"], card["evaluation"]["multi"]
    fewest, most = card["config"]["simulation"]["n_sources"]
    error = "{localisation_error_mm_mean:.1f} ({localisation_error_mm_median:.1f}) mm"

    def areas(scores: dict[str, float]) -> list[str]:
        return [f"{scores[name]:.3f}" for name in ("auc_close", "auc_far", "auc")]

    return markdown_table(
        ("set", "AUC close", "AUC far", "AUC", "localisation error, mean (median)"),
        [
            ("one source", *areas(single), error.format(**single)),
            (f"{fewest}–{most} sources", *areas(multi), ""),
        ],
    )
