"""An experiment: its configuration, what follows from it, and where the results are kept.

What it consists of is computed when it is first used, or taken from the cache::

    config → head → family → noise → simulator → fit → export → evaluate

The first five are attributes of `Experiment`; `convdip_training.fit.fit` trains its network,
`convdip_training.export.export` makes a bundle of it, and `convdip_training.evaluation` evaluates
any bundle on data of its own. A network that is given gains has a simulator of its own.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from convdip.bundle import Bundle
from convdip.head import Head
from numpy.typing import NDArray

from convdip_training.anatomy.families import TrainingFamily
from convdip_training.cache import fingerprint
from convdip_training.config import TrainingConfig, config_of_card
from convdip_training.simulate import Simulator
from convdip_training.simulate_caps import CapSimulator


class Experiment:
    """One training, from its configuration to its network.

    Parameters
    ----------
    config : TrainingConfig
    cache : Path
        Folder of head models, noise and trainings; each is named by a hash of what it depends on.
    start : Bundle, optional
        The model that training starts from (`convdip_training.networks.transfer`).
    head : Head, optional
        Used instead of the one that the configuration describes; likewise:
    noise : ndarray, optional, shape (n_segments, n_times, n_electrodes)
    family : TrainingFamily, optional
    """

    def __init__(
        self,
        config: TrainingConfig,
        cache: Path,
        start: Bundle | None = None,
        *,
        head: Head | None = None,
        noise: NDArray[np.float32] | None = None,
        family: TrainingFamily | None = None,
    ) -> None:
        self.config = config
        self.cache = cache
        self.start = start
        self._given_head = head
        self._given_noise = noise
        self._given_family = family

    def __getstate__(self) -> dict[str, Any]:
        """Return what is sent to other processes: all but the simulators, the largest part."""
        large = ("simulator", "cap_simulator")
        return {name: value for name, value in self.__dict__.items() if name not in large}

    @classmethod
    def of_bundle(cls, bundle: Bundle, cache: Path) -> Experiment:
        """Return the experiment that a bundle came from, with the bundle's own head.

        Raises
        ------
        ConfigError
            If the bundle's card holds no configuration.
        """
        return cls(config_of_card(bundle.card), cache, head=bundle.head)

    @cached_property
    def head(self) -> Head:
        """The head model."""
        if self._given_head is not None:
            return self._given_head
        from convdip_training.anatomy.head_model import load_or_build_head

        config = self.config
        head = load_or_build_head(config.head, self.cache)
        if config.network.kind != "unrolled":
            return head
        from convdip_training.anatomy.scalp_fields import with_scalp
        from convdip_training.noise import with_noise

        head = with_scalp(head, config.head, self.cache)
        return with_noise(head, config.noise, config.seed, self.cache)

    @property
    def family(self) -> TrainingFamily | None:
        """The heads that samples are simulated on; None: the head model alone.

        Read from the cache at each use: hundreds of megabytes that `simulator` needs only while
        it is made.
        """
        own = self.config.network.kind != "unrolled" and self.config.family.skull_s_m
        if self._given_family is not None or not own:
            return self._given_family
        from convdip_training.anatomy.family_forward import training_family

        config = self.config
        return training_family(config.family, config.head, config.seed, self.cache)

    @cached_property
    def noise(self) -> NDArray[np.float32]:
        """The pool of noise segments, shape (n_segments, n_times, n_electrodes)."""
        if self._given_noise is not None:
            return self._given_noise
        from convdip_training.noise import noise_pool

        return noise_pool(self.config.noise, self.head, self.config.seed, self.cache)

    @cached_property
    def simulator(self) -> Simulator:
        """Draws samples of the model's own electrodes."""
        n_heads = self.config.family.n_heads
        return Simulator(self.head, self.noise, self.config.simulation, self.family, n_heads)

    @cached_property
    def cap_simulator(self) -> CapSimulator:
        """Draws samples of any cap, for networks that are given gains."""
        from convdip_training.anatomy.scalp_fields import scalp_family

        config = self.config
        family = scalp_family(config.family, config.head, self.cache)
        skull_s_m = config.head.conductivity_s_m[1]
        return CapSimulator(self.head, config.simulation, config.network, family, skull_s_m)

    @cached_property
    def network_path(self) -> Path:
        """Where the trained network is, or will be; ``history.json`` lies beside it."""
        head = self.head
        content = fingerprint(
            self.config, head.lead_field, head.interpolation, self.noise, head.scalp
        )
        return self.cache / f"{self.config.name}-{content}" / "network.keras"
