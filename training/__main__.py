"""Command line ``convdip-train``: from nothing to a model bundle.

Each command works out what it needs from the cache, in this order: head model, noise,
network, bundle.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from realtime.errors import ConfigError, ConvDipError
from training.config import TrainingConfig, load_preset

if TYPE_CHECKING:
    import numpy as np

    from realtime.head import Head

app = App(
    name="convdip-train",
    help="Train ConvDip on simulated EEG and export it as a model bundle.",
    version=lambda: version("convdip-realtime"),
    help_format="plaintext",
)

Json = Annotated[bool, Parameter(name="--json", negative="")]

DEFAULT_CACHE = Path("~/.cache/convdip").expanduser()


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """What all commands take.

    Attributes
    ----------
    preset : str
        Name of a preset (small, paper, convdip-fsaverage31) or a .toml file.
    cache : Path
        Where head models, noise and trainings are kept.
    """

    preset: str = "small"
    cache: Path = DEFAULT_CACHE


COMMON = Common()


@app.command
def head(*, common: Common = COMMON) -> int:
    """Build the head model: anatomy, source space, BEM, lead field (about two minutes).

    Example: convdip-train head --preset small
    """
    config = load_preset(common.preset)
    _head(config, common)
    return 0


@app.command
def fit(*, common: Common = COMMON) -> int:
    """Train the network; a training that was broken off goes on.

    Keras runs on the backend that KERAS_BACKEND names: tensorflow (default), jax or torch.

    Example: convdip-train fit --preset small
    """
    config = load_preset(common.preset)
    head_model = _head(config, common)
    noise = _noise(config, head_model, common)
    from training.fit import fit as fit_network

    fit_network(config, head_model, noise, common.cache)
    return 0


@app.command
def export(
    *,
    common: Common = COMMON,
    network: Path | None = None,
    output: Path | None = None,
    json_: Json = False,
) -> int:
    """Export a trained network as a model bundle.

    Example: convdip-train export --preset small --output models/mine

    Parameters
    ----------
    network : Path
        network.keras, with its history.json beside it, as another machine trained it; by
        default the one that 'convdip-train fit' left in the cache.
    output : Path
        Folder of the bundle; by default models/ and the preset's name.
    json_ : bool
        Print the card as one JSON object on the last line.
    """
    config = load_preset(common.preset)
    if network is not None and not network.is_file():
        raise ConfigError(f"no network at {network}")
    head_model = _head(config, common)
    noise = _noise(config, head_model, common)
    from training.export import export as export_bundle
    from training.fit import trained_network

    path = network or trained_network(config, head_model, noise, common.cache)
    if not path.is_file():
        raise ConfigError(
            f"no network at {path}: train one with 'convdip-train fit --preset {common.preset}'"
        )
    folder = output or Path("models") / config.name
    card = export_bundle(path, config, head_model, noise, folder)
    if json_:
        print(json.dumps(card))
        return 0
    print((folder / "card.md").read_text(encoding="utf-8"))
    print(f"bundle in {folder}: try it with  convdip demo --model {folder}")
    return 0


@app.command(name="all")
def everything(
    *,
    common: Common = COMMON,
    output: Path | None = None,
    json_: Json = False,
) -> int:
    """Do it all: head model, noise, training, export.

    Example: convdip-train all --preset small --output models/mine

    Parameters
    ----------
    output : Path
        Folder of the bundle; by default models/ and the preset's name.
    json_ : bool
        Print the card as one JSON object on the last line.
    """
    fit(common=common)
    return export(common=common, output=output, json_=json_)


def _head(config: TrainingConfig, common: Common) -> Head:
    from training.head import load_or_build_head

    return load_or_build_head(config.head, common.cache)


def _noise(config: TrainingConfig, head_model: Head, common: Common) -> np.ndarray[Any, Any]:
    from training.noise import noise_pool

    return noise_pool(config.noise, head_model, config.seed, common.cache)


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2."""
    # TensorFlow tells of every CUDA library that it does not find.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        code = app()
    except ConvDipError as error:
        print(f"convdip-train: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("convdip-train: stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    except ModuleNotFoundError as error:
        print(
            f"convdip-train: {error.name} is not installed: training needs "
            "pip install 'convdip-realtime[training]'",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(code)


if __name__ == "__main__":
    main()
