"""Settings of the live service; every one can stand in a TOML file or on the command line."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.bundle import DEFAULT_MODEL
from realtime.errors import ConfigError
from realtime.montage import volts_per_unit
from realtime.network import Provider


@dataclass(frozen=True)
class RunConfig:
    """Settings of ``convdip run``.

    Attributes
    ----------
    input : str or None
        Name of the EEG stream to read; without it, the only EEG stream there is.
    name : str
        Stem of the published streams' names: ``NAME-Sources``.
    model : str
        Model bundle: a folder, or the name of a shipped one.
    provider : 'auto', 'cuda' or 'cpu'
        Where the network runs; ``auto`` takes CUDA where it works.
    unit : str or None
        Unit of the stream's channels, where the stream does not say or says it wrongly.
    wait_s : float
        How long to look for the stream before giving up.
    """

    input: str | None = None
    name: str = "ConvDip"
    model: str = DEFAULT_MODEL
    provider: Provider = "auto"
    unit: str | None = None
    wait_s: float = 10.0

    def __post_init__(self) -> None:
        if self.unit is not None:
            volts_per_unit(self.unit, "--unit")
        if not self.name:
            raise ConfigError("--name is empty: expected the stem of the published streams' names")
        if not self.wait_s > 0:
            raise ConfigError(f"--wait-s is {self.wait_s:g}: expected a number above 0")
