"""From a trained network to a model bundle: ONNX in fp32 and int8, head model and card."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

from convdip.bundle import INT8_FILE, Bundle
from convdip.errors import ConfigError

from convdip_training.bundle_files import write_bundle
from convdip_training.card import card_text, read_history, recipe
from convdip_training.config import config_of_card
from convdip_training.convert import check_against_keras, to_onnx
from convdip_training.evaluation.as_live import imager_of
from convdip_training.evaluation.inverse_crime import evaluate
from convdip_training.evaluation.precision import measure
from convdip_training.experiment import Experiment
from convdip_training.networks.convdip import load_network
from convdip_training.quantise import PrecisionError, to_int8

log = logging.getLogger(__name__)


def export(
    experiment: Experiment, folder: Path, network_path: Path | None = None
) -> dict[str, Any]:
    """Write a model bundle and return its card. The bundle is finished then.

    Parameters
    ----------
    experiment : Experiment
    folder : Path
        Made if it is not there.
    network_path : Path, optional
        A ``network.keras`` with its ``history.json`` beside it; by default the experiment's own.

    Raises
    ------
    ConfigError
        If there is no history, or Keras does not use TensorFlow, which the converter needs.
    ExportError
        If ONNX and Keras differ by more than 1e-5.
    """
    if experiment.start is not None and experiment.start.takes_any_cap:
        return carry_over(experiment, experiment.start, folder)
    head, path = experiment.head, network_path or experiment.network_path
    network, history = load_network(path), read_history(path)
    model = to_onnx(network, head)
    difference = check_against_keras(model, network, head)
    log.info("export: Keras and ONNX differ by at most %.1e", difference)
    log.info("export: evaluation on simulated samples")
    card = recipe(experiment, history) | {"keras_onnx_difference": difference}
    bundle = Bundle(experiment.config.name, folder, model, head, card)
    card["evaluation"] = evaluate(imager_of(bundle).maps, experiment)
    head.save(head_file := BytesIO())
    contents = {"model.onnx": model, "head.npz": head_file.getvalue()}
    int8, precision = _in_int8(bundle, experiment.config.seed)
    if int8 is not None:
        contents[INT8_FILE] = int8
        card["precision"] = precision
    _write(folder, contents, card)
    return card


def carry_over(experiment: Experiment, start: Bundle, folder: Path) -> dict[str, Any]:
    """Write a bundle of a network for any cap on another head, and return its card.

    The network stays as it is: it is given the gains of whatever head there is. So does the
    calibration of its confidence, whose terms depend on neither.

    Parameters
    ----------
    experiment : Experiment
        Its head is the new one.
    start : Bundle
        Has the network.
    folder : Path

    Raises
    ------
    ConfigError
        If the head has another number of dipoles.
    """
    head = experiment.head
    if head.n_dipoles != start.head.n_dipoles:
        raise ConfigError(
            f"the head has {head.n_dipoles} dipoles, and the model {start.name} is for "
            f"{start.head.n_dipoles}: expected a head of the same spacing, "
            f"{config_of_card(start.card).head.spacing}"
        )
    card = {
        **start.card,
        "name": experiment.config.name,
        "date": date.today().isoformat(),
        "training": f"none on this head; of {start.name}: {start.card['training']}",
        "config": asdict(experiment.config),
    }
    bundle = Bundle(experiment.config.name, folder, start.model, head, card)
    log.info("export: evaluation on simulated samples")
    card["evaluation"] = evaluate(imager_of(bundle).maps, experiment)
    head.save(head_file := BytesIO())
    _write(folder, {"model.onnx": start.model, "head.npz": head_file.getvalue()}, card)
    return card


def _write(folder: Path, contents: dict[str, bytes], card: dict[str, Any]) -> None:
    """Write a bundle, once all that can fail is done."""
    (folder / INT8_FILE).unlink(missing_ok=True)  # of an earlier model in the same folder
    write_bundle(folder, contents, card)
    (folder / "card.md").write_text(card_text(card), encoding="utf-8")


def _in_int8(bundle: Bundle, seed: int) -> tuple[bytes | None, dict[str, Any]]:
    """Return the int8 form and how far its maps deviate; None where the model has none."""
    try:
        int8 = to_int8(bundle.model)
        log.info("export: deviations of the int8 form")
        return int8, measure(replace(bundle, int8=int8), seed)
    except PrecisionError as error:
        log.warning("export: no int8 form: %s", error)
        return None, {}
