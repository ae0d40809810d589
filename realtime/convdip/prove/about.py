"""What a proof was made with: model, machine, versions, settings, command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from convdip.bench.report import machine
from convdip.prove.session import Plan
from convdip.streams import Provenance


@dataclass(frozen=True)
class About:
    """What a report states of its run.

    Attributes
    ----------
    machine : dict of str
        Date, hardware, system and versions.
    model, model_sha256, head_sha256, provider, precision, filter : str
    n_electrodes, n_regions, seed : int
    sfreq_hz : float
    is_quick : bool
    command : str
    """

    machine: dict[str, str]
    model: str
    model_sha256: str
    head_sha256: str
    provider: str
    precision: str
    filter: str
    n_electrodes: int
    n_regions: int
    seed: int
    sfreq_hz: float
    is_quick: bool
    command: str


def describe(
    plan: Plan, provenance: Provenance, arguments: Sequence[str], seed: int, *, is_quick: bool
) -> About:
    """Gather it.

    Parameters
    ----------
    plan : Plan
    provenance : Provenance
        As the service's stream states it.
    arguments : sequence of str
        Of the command line, after ``convdip prove``.
    seed : int
    is_quick : bool
    """
    return About(
        machine={"convdip": version("convdip-realtime"), **machine()},
        model=provenance.model,
        model_sha256=provenance.model_sha256,
        head_sha256=provenance.head_sha256,
        provider=provenance.provider,
        precision=provenance.precision,
        filter=provenance.filter,
        n_electrodes=len(provenance.electrodes),
        n_regions=len({trial.region for trial in plan.trials}),
        seed=seed,
        sfreq_hz=plan.sfreq_hz,
        is_quick=is_quick,
        command=shlex.join(["convdip", "prove", *arguments]),
    )
