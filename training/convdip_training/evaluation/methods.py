"""The model and the baseline methods, all with one signature: an ERP in, a source map out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from convdip.bundle import Bundle
from numpy.typing import NDArray

from convdip_training.anatomy.forward import free_lead_field
from convdip_training.baselines.cmem import Cmem
from convdip_training.baselines.erp import Erp
from convdip_training.baselines.gamma_map import GammaMap
from convdip_training.baselines.lcmv import Lcmv
from convdip_training.baselines.minimum_norm import MinimumNorm
from convdip_training.evaluation.as_live import imager_of
from convdip_training.experiment import Experiment

Method = Callable[[Erp], NDArray[np.floating]]

FREE_LCMV = "LCMV free"
RANDOM_MAP, ZERO_MAP = "random map", "zero map"
# These give statistics instead of dipole moments, so that their MSE would mean nothing.
GIVE_NO_MOMENTS = ("LCMV", FREE_LCMV, "sLORETA", "dSPM", RANDOM_MAP)


class Model:
    """A model bundle, as the live service runs it.

    Parameters
    ----------
    bundle : Bundle
    """

    def __init__(self, bundle: Bundle) -> None:
        self._imager = imager_of(bundle)

    def __call__(self, erp: Erp) -> NDArray[np.float32]:
        """Return the source map at the peak, in A·m."""
        frame = self._imager(erp.average[None, erp.peak])
        return np.asarray(frame.moments_nam[0] * np.float32(1e-9))


def method_names(bundle: Bundle, quick: bool) -> list[str]:
    """Return what `build_methods` builds, in the order of the tables."""
    free = [] if quick else [FREE_LCMV]
    baselines = ["eLORETA", "LCMV", *free, "cMEM", "sLORETA", "dSPM", "γ-MAP"]
    # A model that is itself exported from one of the baseline methods is told apart from it.
    taken = (*baselines, RANDOM_MAP, ZERO_MAP)
    return [f"{bundle.name} (model)" if bundle.name in taken else bundle.name, *baselines]


def build_methods(bundle: Bundle, experiment: Experiment, quick: bool) -> dict[str, Method]:
    """Return the model and the baseline methods by name; all have the model's head.

    Parameters
    ----------
    bundle : Bundle
    experiment : Experiment
        The bundle's own.
    quick : bool
        Leave out LCMV with free orientations, which needs a lead field of its own.
    """
    head = bundle.head
    names = method_names(bundle, quick)
    methods: dict[str, Method] = {
        names[0]: Model(bundle),
        "eLORETA": MinimumNorm(head, "eLORETA"),
        "LCMV": Lcmv(head),
        "cMEM": Cmem(head),
        "sLORETA": MinimumNorm(head, "sLORETA"),
        "dSPM": MinimumNorm(head, "dSPM"),
        "γ-MAP": GammaMap(head),
    }
    if not quick:
        methods[FREE_LCMV] = Lcmv(head, free_lead_field(experiment.config.head, experiment.cache))
    return {name: methods[name] for name in names}
