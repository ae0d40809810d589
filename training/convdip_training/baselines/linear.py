"""Linear inverses as model bundles: eLORETA and LCMV in MNE's own implementation.

Once its covariances are known, each is one matrix, its kernel. As the only product of an ONNX
graph it runs in the live service like a network: the same path, another map. The covariances of
future EEG are unknown; those of simulated EEG are used instead.
"""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from convdip.bundle import Bundle
from convdip.head import Head
from convdip.machine import versions
from convdip.sources.simulator import LEAD_IN_S, MOMENT_NAM, ORDERS, SNR, SOURCE_S, simulate_session
from numpy.typing import NDArray
from onnx import TensorProto, helper

from convdip_training.baselines.erp import Erp
from convdip_training.baselines.lcmv import REGULARISATION, Lcmv
from convdip_training.baselines.minimum_norm import MinimumNorm
from convdip_training.bundle_files import write_bundle

log = logging.getLogger(__name__)

Float = NDArray[np.float64]

OPSET, IR_VERSION = 18, 9
METHODS = {
    "eLORETA": "eLORETA (MNE), fixed orientation, λ² = 1/9",
    "LCMV": f"LCMV (MNE), fixed orientation, neural activity index, reg = {REGULARISATION}",
}
# Each session has a background of its own, so their covariance is that of no single person.
N_SESSIONS = 20
SESSION_S = 10.0
SFREQ_HZ = 100.0
SEED = 2021
SIMULATED = (
    f"synthetic: {N_SESSIONS} simulated sessions at {SFREQ_HZ:g} Hz, seeds from {SEED}; noise "
    f"covariance of the {LEAD_IN_S:g} s before the first source (1/f cortical background through "
    "the lead field, alpha rhythm, white sensor noise), data covariance (LCMV alone) of the "
    f"whole, with {SESSION_S:g} s of sources one after another ({SOURCE_S:g} s each, orders "
    f"{ORDERS[0]}–{ORDERS[1]}, {MOMENT_NAM[0]:g}–{MOMENT_NAM[1]:g} nAm of random sign, "
    f"SNR {SNR:.1f})"
)


def simulated_erp(head: Head) -> Erp:
    """Return simulated sessions as the trials that covariances are computed from.

    The baseline is the two seconds before the first source, the peak the middle of that source.
    """
    seeds = range(SEED, SEED + N_SESSIONS)
    sessions = [simulate_session(head, SESSION_S, SFREQ_HZ, seed) for seed in seeds]
    trials = np.array([session.eeg_uv for session in sessions], float) * 1e-6
    trials -= trials.mean(axis=2, keepdims=True)  # which rounding to float32 has shifted
    first = sessions[0].sources[0]  # all sessions have the same timetable
    half_width = (first.last - first.first) // 2
    n_baseline = round(LEAD_IN_S * SFREQ_HZ)
    return Erp(trials, SFREQ_HZ, n_baseline, first.first + half_width, half_width)


def to_onnx(kernel: Float) -> bytes:
    """Return a kernel, shape (n_dipoles, n_electrodes), as a model of the bundle's contract."""
    n_dipoles, n_electrodes = kernel.shape
    matrix = np.ascontiguousarray(kernel.T, np.float32)  # in the graph samples are rows
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["eeg", "kernel"], ["sources"])],
        "linear",
        [helper.make_tensor_value_info("eeg", TensorProto.FLOAT, ["n", n_electrodes])],
        [helper.make_tensor_value_info("sources", TensorProto.FLOAT, ["n", n_dipoles])],
        [onnx.numpy_helper.from_array(matrix, "kernel")],
    )
    opset = helper.make_opsetid("", OPSET)
    proto = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    onnx.checker.check_model(proto)
    model: bytes = proto.SerializeToString()
    return model


def export_linear(bundle: Bundle, erp: Erp, folder: Path, noise: str) -> dict[str, Path]:
    """Write a bundle of each method, in a folder of its name.

    Parameters
    ----------
    bundle : Bundle
        Its head becomes theirs.
    erp : Erp
        Gives the covariances.
    folder : Path
        Made if it is not there.
    noise : str
        Source of the covariances, for the cards: ``SIMULATED`` for `simulated_erp`.

    Returns
    -------
    bundles : dict of Path
        By name of the method.
    """
    head = (bundle.path / "head.npz").read_bytes()
    bundles = {name: folder / name for name in METHODS}
    solvers: dict[str, MinimumNorm | Lcmv] = {
        "eLORETA": MinimumNorm(bundle.head, "eLORETA"),
        "LCMV": Lcmv(bundle.head),
    }
    for name, path in bundles.items():
        log.info("%s: kernel", name)
        contents = {"model.onnx": to_onnx(solvers[name].kernel(erp)), "head.npz": head}
        write_bundle(path, contents, _card(name, bundle, noise))
    return bundles


def _card(name: str, bundle: Bundle, noise: str) -> dict[str, Any]:
    return {
        "name": name,
        "method": METHODS[name],
        "date": date.today().isoformat(),
        "input": f"eeg: {bundle.head.n_electrodes} electrodes, average-referenced, volts",
        "output": f"sources: {bundle.head.n_dipoles} dipoles, linear, both signs, no scale",
        "noise": noise,
        "head": f"of the model {bundle.name}",
        "versions": versions("convdip-realtime", "mne", "numpy", "onnx"),
    }
