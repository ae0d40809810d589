"""From a trained network to a model bundle: ONNX, head model and card."""

from __future__ import annotations

import json
import logging
import platform
import subprocess
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
from convdip.bundle import FILES, INT8_FILE, sha256_of
from convdip.errors import ConfigError, ConvDipError
from convdip.head import Head
from convdip.live.network import Network
from numpy.typing import NDArray

from convdip_training.anatomy.family import Family
from convdip_training.config import TrainingConfig
from convdip_training.evaluation.inverse_crime import evaluate
from convdip_training.grid import SHAPE
from convdip_training.networks.convdip import load_network
from convdip_training.networks.transfer import weight_name

log = logging.getLogger(__name__)

Float = NDArray[np.float32]
N_CHECKED = 1000
TOLERANCE = 1e-5
OPSET = 18


class ExportError(ConvDipError):
    """The exported model does not compute what the network computes."""


def export(
    network_path: Path,
    config: TrainingConfig,
    head: Head,
    noise: Float,
    folder: Path,
    family: tuple[Head, Family] | None = None,
) -> dict[str, Any]:
    """Write a model bundle and return its card.

    Parameters
    ----------
    network_path : Path
        ``network.keras`` from `convdip_training.fit.fit`; ``history.json`` lies beside it.
    config : TrainingConfig
    head : Head
    noise : ndarray, shape (n_segments, n_times, n_electrodes)
        For the evaluation on the card.
    folder : Path
        Made if it is not there.
    family : tuple of Head and Family, optional
        That the training drew its heads from.

    Raises
    ------
    ConfigError
        If Keras does not run on TensorFlow, which the converter needs.
    ExportError
        If ONNX and Keras differ by more than 1e-5.
    """
    network = load_network(network_path)
    training = _training_words(network_path, config)
    model = to_onnx(network)
    difference = check_against_keras(model, network, head)
    log.info("export: Keras and ONNX differ by at most %.1e", difference)
    log.info("export: evaluating on simulated samples")
    session = Network(model, head, "cpu")
    evaluation = evaluate(
        lambda eeg: session(eeg @ head.interpolation.T), head, noise, config, family
    )

    # All that can fail is done: now the files, the card last.
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    (folder / INT8_FILE).unlink(missing_ok=True)  # of the model that was there before
    head.save(folder / "head.npz")
    card = {
        "name": config.name,
        "method": "ConvDip (Hecker et al. 2021)",
        "date": date.today().isoformat(),
        "input": "topography: 7×11 image of the average-referenced EEG, volts",
        "output": _output_words(config, head),
        "noise": _noise_words(config, len(noise)),
        "training": training,
        "keras_onnx_difference": difference,
        "evaluation": evaluation,
        "config": asdict(config),
        "versions": _versions(),
        "commit": _commit(),
        "sha256": {name: sha256_of((folder / name).read_bytes()) for name in FILES},
    }
    text = json.dumps(card, indent=2, ensure_ascii=False)
    (folder / "card.json").write_text(f"{text}\n", encoding="utf-8")
    (folder / "card.md").write_text(_card_text(card), encoding="utf-8")
    return card


def to_onnx(network: keras.Model) -> bytes:
    """Convert a Keras network, with any number of samples a call."""
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"Keras runs on {keras.backend.backend()}, the ONNX converter needs TensorFlow: "
            "run 'convdip-train export' with KERAS_BACKEND=tensorflow"
        )
    import tensorflow as tf
    import tf2onnx

    # from_keras fails on some Keras 3 models, a traced function with a named input on none.
    signature = [tf.TensorSpec((None, *SHAPE, 1), tf.float32, name="topography")]
    traced = tf.function(lambda topography: {"sources": network({"topography": topography})})
    proto, _ = tf2onnx.convert.from_function(traced, input_signature=signature, opset=OPSET)
    name_weights(proto, network)
    onnx.checker.check_model(proto)
    model: bytes = proto.SerializeToString()
    return model


def name_weights(proto: onnx.ModelProto, network: keras.Model) -> None:
    """Give an ONNX model's constants the names that Keras has for them, where they are equal.

    The converter makes up names of its own. What lies there transposed is marked ``.T``; what
    the converter merged into other constants has no name.
    """
    names: dict[tuple[tuple[int, ...], bytes], str] = {}
    for weight in network.weights:
        value = keras.ops.convert_to_numpy(weight)
        plain = weight_name(weight)
        for name, stored in ((plain, value), (f"{plain}.T", value.T)):
            names.setdefault((stored.shape, stored.tobytes()), name)
    renamed: dict[str, str] = {}
    for tensor in proto.graph.initializer:
        stored = onnx.numpy_helper.to_array(tensor)
        known = names.get((stored.shape, stored.tobytes()))
        if known is not None and known not in renamed.values():
            renamed[tensor.name] = known
            tensor.name = known
    for node in proto.graph.node:
        for i, old in enumerate(node.input):
            node.input[i] = renamed.get(old, old)


def check_against_keras(model: bytes, network: keras.Model, head: Head) -> float:
    """Return the largest difference on random topographies.

    Absolute where maps stay within 0 to 1, as a sigmoid's do; relative to the largest value
    of a map that goes beyond.

    Raises
    ------
    ExportError
        If it is above 1e-5.
    """
    rng = np.random.default_rng(0)
    amplitudes_v = 10 ** rng.uniform(-7, -4, (N_CHECKED, 1))  # 0.1–100 µV
    noise = rng.standard_normal((N_CHECKED, int(np.prod(SHAPE)))) * amplitudes_v
    topographies = noise.astype(np.float32)
    images = {"topography": topographies.reshape(-1, *SHAPE, 1)}
    by_keras = network.predict(images, verbose=0)
    by_onnx = Network(model, head, "cpu")(topographies)
    largest = np.maximum(np.abs(by_keras).max(axis=1), 1.0)
    difference = float((np.abs(by_keras - by_onnx).max(axis=1) / largest).max())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"Keras and ONNX differ by {difference:.1e} on {N_CHECKED} random topographies: "
            f"expected at most {TOLERANCE:g}; nothing was written"
        )
    return difference


def _output_words(config: TrainingConfig, head: Head) -> str:
    if config.network.kind == "convdip":
        return f"sources: {head.n_dipoles} dipoles, {config.network.output}, no scale"
    silent = int((~head.is_cortex).sum())
    return (
        f"sources: {head.n_dipoles} dipoles, {config.network.output} with the moment's sign "
        f"(positive out of the cortex), no scale; {silent} on the medial wall, always 0"
    )


def _noise_words(config: TrainingConfig, n_segments: int) -> str:
    others = config.simulation.other_noise
    kinds = f"; {others:.0%} of the samples in noise of other kinds" if others else ""
    if config.noise.recordings:
        names = ", ".join(Path(name).name for name in config.noise.recordings)
        return f"recorded: {n_segments} segments of 1 s from {names}{kinds}"
    return (
        f"synthetic: {n_segments} segments of 1 s (1/f cortical background "
        f"through the lead field, alpha rhythm, white sensor noise){kinds}"
    )


def _training_words(network_path: Path, config: TrainingConfig) -> str:
    path = network_path.parent / "history.json"
    try:
        history = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError(
            f"no training history at {path}: 'convdip-train fit' leaves it beside the network; "
            "bring both"
        ) from None
    minutes = history[-1]["seconds"] / 60
    samples = history[-1]["steps"] * config.fit.batch_size
    first = f"carried over from the model {config.start[:12]}, then " if config.start else ""
    return (
        f"{first}{samples:,} simulated samples, none seen twice, in {minutes:.0f} minutes on "
        f"{platform.machine()}; final loss {history[-1]['loss']:.4f}"
    )


def _versions() -> dict[str, str]:
    packages = ("convdip-realtime", "keras", "tensorflow", "tf2onnx", "mne", "nilearn", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def _commit() -> str:
    """Return the checkout's commit, or 'unknown' outside one."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _card_text(card: dict[str, Any]) -> str:
    """Return the card for people."""
    single, multi = card["evaluation"]["single"], card["evaluation"]["multi"]
    head, loss = card["config"]["head"], card["config"]["loss"]
    anatomy = f"{head['subject']}, {head['spacing']}, {head['conductivity_s_m']} S/m"
    fewest, most = card["config"]["simulation"]["n_sources"]
    error = "{localisation_error_mm_mean:.1f} ({localisation_error_mm_median:.1f}) mm"
    areas = "{auc_close:.3f} | {auc_far:.3f} | {auc:.3f}"
    named = ", ".join(f"{weight:g} × {name}" for name, weight in loss.items() if weight)
    return f"""# {card["name"]}

{card["method"]}: one sample of 31-channel EEG → 5,124 cortical dipoles.

| | |
|---|---|
| input | {card["input"]} |
| output | {card["output"]} |
| head model | {anatomy} |
| noise | {card["noise"]} |
| loss | {named} |
| training | {card["training"]} |
| Keras against ONNX | at most {card["keras_onnx_difference"]:.1e} apart |
| made | {card["date"]}, commit {card["commit"]}, seed {card["config"]["seed"]} |

## First judgement, on the training's own head

{card["evaluation"]["data"]}. On another head, beside rivals: `evaluation.md`, which
`convdip-train evaluate` writes.

| set | AUC close | AUC far | AUC | localisation error, mean (median) |
|---|---|---|---|---|
| one source | {areas.format(**single)} | {error.format(**single)} |
| {fewest}–{most} sources | {areas.format(**multi)} | |

The whole recipe, versions and checksums are in `card.json`.
"""
