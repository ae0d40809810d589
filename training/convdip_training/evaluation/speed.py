"""How long each method takes for one sample (section 4.6)."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from typing import Any

import mne
import numpy as np
from convdip.live.network import Network
from convdip.machine import n_cores, processor_name
from convdip.markdown import markdown_table

from convdip_training.baselines.erp import Erp
from convdip_training.baselines.mne_objects import eeg_info, noise_covariance
from convdip_training.evaluation.laboratory import Laboratory
from convdip_training.evaluation.methods import FREE_LCMV
from convdip_training.evaluation.sets import SINGLE

N_SAMPLES = 20
# Milliseconds, from the paper's text; an Intel i5 6400 and an RTX 2070.
FORWARD, COVARIANCE = "the network alone", "noise covariance"
PAPER_MS = {FORWARD: 31, "model": 32, "eLORETA": 129, "LCMV": 98, "cMEM": 11550, COVARIANCE: 45}


def measure_speed(here: Laboratory) -> dict[str, Any]:
    """Time all methods on the same samples, in turn, preparation included.

    Each method starts from the trials of an ERP, so that the noise covariance is part of the
    time of those that need it.
    """
    samples = [here.samples(SINGLE)[i].erp for i in range(N_SAMPLES)]
    info = eeg_info(here.head)
    bundle = here.bundle
    network = Network(bundle.model, bundle.head, "cpu")
    inputs = np.zeros((1, network.n_inputs), np.float32)
    steps: dict[str, Callable[[Erp], Any]] = {
        FORWARD: lambda _: network(inputs),
        **here.methods,
        COVARIANCE: lambda erp: noise_covariance(erp, info),
    }
    times_ms: dict[str, list[float]] = {name: [] for name in steps}
    with mne.use_log_level("error"):
        for step in steps.values():
            step(samples[0])  # the first call of some prepares what is kept
        for erp in samples:
            _ = erp.average  # averaging is no part of any method
            for name, step in steps.items():
                start = time.perf_counter()
                step(erp)
                times_ms[name].append((time.perf_counter() - start) * 1e3)
    return {
        "date": date.today().isoformat(),
        "machine": f"{processor_name()}, {n_cores()} cores, no GPU used",
        "samples": N_SAMPLES,
        "model": next(iter(here.methods)),  # the model under test comes first
        "median_ms": {name: round(float(np.median(t)), 3) for name, t in times_ms.items()},
        "largest_ms": {name: round(max(t), 3) for name, t in times_ms.items()},
    }


def speed_markdown(speed: dict[str, Any]) -> str:
    """Return the table for people."""
    rows = []
    for name, median in speed["median_ms"].items():
        paper = PAPER_MS.get("model" if name == speed["model"] else name.removesuffix(" free"))
        said = f"{paper:,}" if paper and name != FREE_LCMV else "–"
        rows.append([name, f"{median:.2f}", f"{speed['largest_ms'][name]:.2f}", said])
    table = markdown_table(("", "median (ms)", "largest (ms)", "paper (ms)"), rows)
    return (
        "# Speed\n\nMilliseconds for one sample, preparation included; "
        f"{speed['samples']} samples, methods in turn, {speed['date']}, {speed['machine']}. "
        "The largest include whatever else the machine did. Times differ from run to run and are "
        f"therefore not part of `evaluation.json`.\n\n{table}\n\n"
        "The paper's times are for an Intel i5 6400 with an RTX 2070; its cMEM is Brainstorm's in "
        "MATLAB. A linear method's preparation can be kept between samples while the noise stays "
        "the same; one product with a matrix remains.\n"
    )
