"""Every number of an experiment, as frozen dataclasses that a preset file fills.

``presets/paper.toml`` holds the paper's numbers (Hecker et al. 2021, sections 2.1–2.3); every
preset lists all of its own. What the paper leaves open (electrode layout, synthetic noise,
constants of the Hausdorff distance) is in the code.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from convdip.errors import ConfigError

PRESETS = Path(__file__).parent / "presets"
DEFAULT_CACHE = Path("~/.cache/convdip").expanduser()
# Public recordings; docs/data.md says what they are and where they come from.
DEFAULT_DATA = Path(os.environ.get("CONVDIP_DATA", Path(__file__).parents[3] / "shared" / "data"))

# In the paper's order.
# fmt: off
ELECTRODES = (
    "Fp1", "F3", "F7", "FT9", "FC5", "FC1", "C3", "T7", "TP9", "CP5", "CP1", "Pz", "P3", "P7", "O1",
    "Oz", "O2", "P4", "P8", "TP10", "CP6", "CP2", "Cz", "C4", "T8", "FT10", "FC6", "FC2", "F4",
    "F8", "Fp2",
)
# fmt: on


@dataclass(frozen=True)
class HeadConfig:
    """Head model (section 2.1).

    Attributes
    ----------
    subject : str
        ``template``: fsaverage5, without a download; ``fsaverage``: the full template, which MNE
        downloads; else a FreeSurfer subject of ``subjects_dir`` with BEM surfaces.
    subjects_dir, trans : str
        For a subject of your own: the folder of FreeSurfer subjects, and the head↔MRI transform.
    electrodes : tuple of str
    spacing : str
        Source space, MNE's names: ``ico4`` gives 5,124 dipoles.
    conductivity_s_m : tuple of float
        Brain, skull, scalp, in S/m. The paper prints 0.06 for the skull and says 1:50; its
        code has 0.006, which is 1:50.
    """

    subject: str = "template"
    subjects_dir: str = ""
    trans: str = ""
    electrodes: tuple[str, ...] = ELECTRODES
    spacing: str = "ico4"
    conductivity_s_m: tuple[float, float, float] = (0.3, 0.006, 0.3)


@dataclass(frozen=True)
class FamilyConfig:
    """Heads around the head model that samples are simulated on.

    Attributes
    ----------
    skull_s_m : tuple of float
        Skull conductivities for which the forward model is solved; heads are drawn between the
        lowest and the highest. Empty: every sample comes from the head model itself.
    spacing : str
        Source space of the simulated sources.
    electrode_sd_mm : float
        Displacement of the electrodes: standard deviation of each coordinate.
    n_heads : int
        Number of heads drawn.
    stretched : tuple of tuple of float
        Factors along x, y and z of heads of other shapes (``unrolled``); with the skull in the
        middle.
    """

    skull_s_m: tuple[float, ...] = ()
    spacing: str = "ico5"
    electrode_sd_mm: float = 4.0
    n_heads: int = 256
    stretched: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class NoiseConfig:
    """Noise of the simulated trials (section 2.2).

    Attributes
    ----------
    recordings : tuple of str
        EEG files that MNE reads; empty: synthetic noise of the head model.
    n_segments : int
        Segments of one second in the pool.
    band_hz : tuple of float
    sfreq_hz : float
    baseline_s : float
        Its mean is subtracted from each segment.
    """

    recordings: tuple[str, ...] = ()
    n_segments: int = 200
    band_hz: tuple[float, float] = (0.1, 30.0)
    sfreq_hz: float = 100.0
    baseline_s: float = 0.1


@dataclass(frozen=True)
class SimulationConfig:
    """Simulated samples (section 2.2).

    Attributes
    ----------
    n_sources, orders : tuple of int
        Fewest and most patches a sample; smallest and largest neighbourhood order, on the
        cortex that sources are simulated on.
    single : float
        Share of samples with one patch, whatever ``n_sources`` is.
    moment_nam : tuple of float
        Range of the seed dipole's moment, in nAm.
    steepness : tuple of float
        Range of the ratio of a patch's radius to the standard deviation of its fall-off.
    n_trials : int
        Trials averaged into one sample.
    trial_snr : tuple of float
        Peak of the signal over the largest channel SD of the noise, in one trial; drawn
        between the two, on a logarithmic scale.
    repaired : float
        Share of samples with one to three interpolated electrodes.
    signs : str
        ``positive``: every source points out of the cortex, as the paper's do; ``random``: each
        source points either way.
    other_noise : float
        Share of samples whose noise is not of the pool's kind: brain noise of random strength by
        region mixed with the pool's and with white noise (`convdip_training.noise_kinds`).
    windows : float
        Share of samples that are the covariance of several (``unrolled``).
    n_times : tuple of int
        Fewest and most samples of a window; logarithmic.
    window_snr : tuple of float
        Of each of its samples: root mean square of signal over noise, in the channel where each is
        largest; logarithmic.
    """

    n_sources: tuple[int, int] = (1, 5)
    orders: tuple[int, int] = (2, 5)
    single: float = 0.0
    moment_nam: tuple[float, float] = (5.0, 10.0)
    steepness: tuple[float, float] = (2.0, 2.0)
    n_trials: int = 20
    trial_snr: tuple[float, float] = (1.0, 1.0)
    repaired: float = 0.0
    signs: Literal["positive", "random"] = "positive"
    other_noise: float = 0.0
    windows: float = 0.0
    n_times: tuple[int, int] = (2, 64)
    window_snr: tuple[float, float] = (0.7, 8.0)


@dataclass(frozen=True)
class NetworkConfig:
    """Layers.

    Attributes
    ----------
    kind : str
        ``convdip``: the paper's (section 2.3.2); ``matched``: matched filters for every dipole
        beside a deeper network; ``unrolled``: given the gains of any electrodes.
    n_filters, kernel_size : int
        Of the paper's convolution.
    n_hidden : int
        Width of the dense layers.
    n_layers : int
        Number of dense layers (``matched``), or of stages before the last (``unrolled``).
    rank : int
        Of the dense layers' output to the dipoles (``matched``).
    filter_orders : tuple of int
        Neighbourhood orders of the matched filters' patches.
    deflation : int
        Width of the layer that takes other sources out of the EEG before the larger matched
        filters and the moments' signs (``matched``); 0: nothing is taken out.
    n_last, n_state, n_coarse : int
        Width of the last stage, what a dipole remembers, and number of dipoles that the stages
        before the last look at (``unrolled``).
    output : str
        Activation of the dipoles.
    background : float
        Share of a map's maximum below which values fade as background (``matched``).
    """

    kind: Literal["convdip", "matched", "unrolled"] = "convdip"
    n_filters: int = 8
    kernel_size: int = 3
    n_hidden: int = 512
    n_layers: int = 1
    rank: int = 256
    filter_orders: tuple[int, ...] = (2, 4)
    deflation: int = 0
    n_last: int = 64
    n_state: int = 12
    n_coarse: int = 1000
    background: float = 0.0
    output: Literal["relu", "sigmoid"] = "relu"


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses; 0 leaves a loss out.

    All but ``sign`` compare magnitudes; ``sign`` is for the signs of the moments (``matched``).
    """

    weighted_hausdorff: float = 0.0
    cosine: float = 0.0
    support_bce: float = 0.0
    mse: float = 0.0
    sign: float = 0.0


@dataclass(frozen=True)
class FitConfig:
    """Optimisation (section 2.3.3).

    Attributes
    ----------
    n_samples : int
        Total number of simulated samples; none is seen twice.
    batch_size : int
    learning_rate, beta_1, beta_2, epsilon : float
        Adam's; the learning rate is the initial one.
    decay : str
        ``constant``, or ``cosine``: to 0 over the whole training.
    clip_norm : float
        Largest norm of each weight's gradient; 0: any.
    warm_up : int
        Steps over which the learning rate rises from 0.
    dipoles : float
        Share of the dipoles, drawn anew at each step, that the loss is computed on.
    checkpoints : int
        Number of checkpoints; an interrupted training resumes from the last one.
    """

    n_samples: int = 50_000_000
    batch_size: int = 32
    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    decay: Literal["constant", "cosine"] = "constant"
    clip_norm: float = 0.0
    warm_up: int = 0
    dipoles: float = 1.0
    checkpoints: int = 50


@dataclass(frozen=True)
class TrainingConfig:
    """The complete configuration of an experiment.

    Attributes
    ----------
    name : str
        Of the model.
    seed : int
    start : str
        SHA-256 of the model.onnx that training starts from (`networks.transfer`); else empty.
    """

    name: str
    seed: int = 2021
    start: str = ""
    head: HeadConfig = field(default_factory=HeadConfig)
    family: FamilyConfig = field(default_factory=FamilyConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        weights = asdict(self.loss)
        of_signs = weights.pop("sign")
        if not any(weights.values()):
            raise ConfigError(f"[loss] all weights are 0: give one of {', '.join(weights)}")
        if self.network.kind == "convdip" and (of_signs or self.simulation.signs == "random"):
            raise ConfigError(
                "[network] kind is 'convdip', whose maps have one polarity: expected no sign in "
                "[loss] and signs = 'positive' in [simulation], or a network of another kind"
            )
        if weights["support_bce"] and self.network.output == "relu":
            raise ConfigError(
                "[loss] support_bce needs probabilities, and [network] output is 'relu': "
                "set output = 'sigmoid'"
            )
        if self.network.kind == "unrolled":
            self._check_unrolled()
        elif self.simulation.windows or self.family.stretched:
            raise ConfigError(
                f"[network] kind is {self.network.kind!r}, which takes single samples of one head: "
                "expected windows = 0 in [simulation] and no stretched in [family], or a network "
                "of kind 'unrolled'"
            )
        for name in ("n_sources", "orders", "moment_nam", "steepness", "trial_snr", "window_snr"):
            low, high = getattr(self.simulation, name)
            least = 1 if isinstance(low, int) else 0
            if not (least <= low <= high and high > 0):
                raise ConfigError(
                    f"[simulation] {name} is [{low}, {high}]: expected {least} ≤ low ≤ high"
                )
        if not self.simulation.trial_snr[0] > 0:
            raise ConfigError("[simulation] trial_snr starts at 0: expected more")
        if self.fit.dipoles < 1 and (
            self.network.kind == "convdip" or weights["weighted_hausdorff"]
        ):
            raise ConfigError(
                f"[fit] dipoles is {self.fit.dipoles:g}: a network of kind 'convdip' gives no "
                "share of its dipoles, and weighted_hausdorff needs them all; set dipoles = 1"
            )
        for section, name in (
            ("simulation", "single"),
            ("simulation", "repaired"),
            ("simulation", "other_noise"),
            ("simulation", "windows"),
            ("network", "background"),
        ):
            share = getattr(getattr(self, section), name)
            if not 0 <= share <= 1:
                raise ConfigError(f"[{section}] {name} is {share}: expected a share from 0 to 1")
        for section, names in (
            ("fit", ("n_samples", "batch_size", "checkpoints", "learning_rate", "dipoles")),
            ("simulation", ("n_trials",)),
            ("family", ("electrode_sd_mm", "n_heads")),
            (
                "network",
                (
                    "n_filters",
                    "kernel_size",
                    "n_hidden",
                    "n_layers",
                    "rank",
                    "n_last",
                    "n_state",
                    "n_coarse",
                ),
            ),
            ("noise", ("n_segments", "sfreq_hz")),
        ):
            for name in names:
                value = getattr(getattr(self, section), name)
                if not value > 0:
                    raise ConfigError(f"[{section}] {name} is {value}: expected more than 0")

    def _check_unrolled(self) -> None:
        """Refuse what a network that is given gains cannot be trained with."""
        if len(self.family.skull_s_m) < 2 or self.loss.mse or self.loss.weighted_hausdorff:
            raise ConfigError(
                "[network] kind is 'unrolled', which is trained on heads that differ, by cosine "
                "and support_bce: expected two skull_s_m or more in [family], and no other [loss]"
            )
        if self.loss.sign or self.simulation.repaired:
            raise ConfigError(
                "[network] kind is 'unrolled', whose signs are not learnt and whose electrodes are "
                "never interpolated: expected sign = 0 in [loss] and repaired = 0 in [simulation]"
            )
        if not 2 <= self.simulation.n_times[0] <= self.simulation.n_times[1]:
            raise ConfigError(
                f"[simulation] n_times is {list(self.simulation.n_times)}: expected 2 ≤ low ≤ high"
            )


def config_of_card(card: dict[str, Any]) -> TrainingConfig:
    """Return the configuration that a model bundle was made with.

    Raises
    ------
    ConfigError
        If the card holds none.
    """
    if not isinstance(card.get("config"), dict):
        raise ConfigError(
            "the model's card.json has no 'config': expected the card of a network trained here"
        )
    from convdip_training.toml_tables import from_table  # of an extra, as in `load_preset`

    return from_table(TrainingConfig, card["config"], where="card.json")


def load_preset(preset: str) -> TrainingConfig:
    """Read a preset by name (one of `training/convdip_training/presets`) or by path.

    Raises
    ------
    ConfigError
        If there is no such preset, or it holds an unknown key or a wrong type.
    """
    path = Path(preset) if preset.endswith(".toml") else PRESETS / f"{preset}.toml"
    if not path.is_file():
        if preset.endswith(".toml"):
            raise ConfigError(f"no preset file {preset}")
        known = ", ".join(sorted(p.stem for p in PRESETS.glob("*.toml")))
        raise ConfigError(f"no preset {preset!r}: expected one of {known}, or a path to a .toml")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    from convdip_training.toml_tables import from_table

    return from_table(TrainingConfig, table, where=path.name)
