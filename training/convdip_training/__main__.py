"""Command line ``convdip-train``: from nothing to a model bundle, and to what it is worth.

Each command works out what it needs from the cache, in this order: head model, noise,
network, bundle, evaluation.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from convdip.bundle import DEFAULT_MODEL, load_bundle
from convdip.errors import ConfigError, ConvDipError
from cyclopts import App, Parameter

from convdip_training.config import TrainingConfig, config_of_card, load_preset

if TYPE_CHECKING:
    import numpy as np
    from convdip.bundle import Bundle
    from convdip.head import Head

    from convdip_training.anatomy.family import Family
    from convdip_training.evaluation.evaluate import Plan

log = logging.getLogger(__name__)

app = App(
    name="convdip-train",
    help="Train ConvDip on simulated EEG, export it as a model bundle, evaluate any bundle.",
    version=lambda: version("convdip-realtime"),
    help_format="plaintext",
    suppress_keyboard_interrupt=False,  # main says what a stop means
)

Json = Annotated[bool, Parameter(name="--json", negative="")]

DEFAULT_CACHE = Path("~/.cache/convdip").expanduser()
# Public recordings; docs/data.md says what they are and where they are from.
DEFAULT_DATA = Path(os.environ.get("CONVDIP_DATA", Path(__file__).parents[3] / "shared" / "data"))


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """What all commands take.

    Attributes
    ----------
    preset : str
        Name of a preset (small, paper, convdip-fsaverage31) or a .toml file; by default small.
    cache : Path
        Where head models, noise and trainings are kept.
    from_ : str
        Instead of a preset: a model bundle, or the name of a shipped one, to be carried over to
        another head in a tenth of its training.
    head : str
        With --from: the FreeSurfer subject whose head it is.
    subjects_dir : Path
        With --from: the folder of FreeSurfer subjects.
    trans : Path
        With --from: the subject's head↔MRI transform, a -trans.fif file.
    """

    preset: str = ""
    cache: Path = DEFAULT_CACHE
    from_: Annotated[str, Parameter(name="--from")] = ""
    head: str = ""
    subjects_dir: Path | None = None
    trans: Path | None = None

    @cached_property
    def start(self) -> Bundle | None:
        """The bundle that training starts from."""
        return load_bundle(self.from_) if self.from_ else None

    @cached_property
    def config(self) -> TrainingConfig:
        """The experiment.

        Raises
        ------
        ConfigError
            If only some of what --from needs is given, or a preset beside it.
        """
        whose = {"--head": self.head, "--subjects-dir": self.subjects_dir, "--trans": self.trans}
        if self.start is None:
            if any(whose.values()):
                raise ConfigError(
                    "--head, --subjects-dir and --trans say whose head a model is carried over to: "
                    "expected --from too, which model; to train from nothing on that head, name "
                    "them in the [head] of a preset of your own"
                )
            return load_preset(self.preset or "small")
        if self.preset:
            raise ConfigError(
                f"--preset {self.preset} beside --from {self.from_}: expected one of them; a model "
                "that is carried over keeps the experiment on its card"
            )
        missing = [option for option, value in whose.items() if not value]
        if missing:
            raise ConfigError(
                f"--from needs {', '.join(missing)} too: the head that the model is carried over "
                "to is a FreeSurfer subject (--head) in a folder of them (--subjects-dir), with a "
                "head↔MRI transform (--trans)"
            )
        from convdip_training.networks.transfer import transfer_config

        head = replace(
            config_of_card(self.start.card).head,
            subject=self.head,
            subjects_dir=str(self.subjects_dir),
            trans=str(self.trans),
        )
        return transfer_config(self.start, head)

    @cached_property
    def family(self) -> tuple[Head, Family] | None:
        """The heads that training draws from, where the experiment asks for some."""
        if not self.config.family.skull_s_m:
            return None
        from convdip_training.anatomy.solve_family import training_family

        config = self.config
        return training_family(config.family, config.head, config.seed, self.cache)


COMMON = Common()


@app.command
def head(*, common: Common = COMMON) -> int:
    """Build the head model: anatomy, source space, BEM, lead field (about two minutes).

    Example: convdip-train head --preset small
    """
    config = common.config
    _head(config, common)
    return 0


@app.command
def fit(*, common: Common = COMMON, n_processes: int = 0) -> int:
    """Train the network; a training that was broken off goes on.

    Keras runs on the backend that KERAS_BACKEND names: tensorflow (default), jax or torch.

    Example: convdip-train fit --preset small

    Example: convdip-train fit --from convdip-fsaverage31 --head bert
    --subjects-dir subjects --trans bert-trans.fif

    Parameters
    ----------
    n_processes : int
        Processes that simulate samples while this one trains, by default a thread: with a GPU,
        as many as there are cores to spare.
    """
    config = common.config
    head_model = _head(config, common)
    noise = _noise(config, head_model, common)
    family = common.family
    from convdip_training.fit import fit as fit_network

    fit_network(config, head_model, noise, common.cache, family, common.start, n_processes)
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
        Folder of the bundle; by default models/ and the preset's name, or with --from the
        model's and the subject's.
    json_ : bool
        Print the card as one JSON object on the last line.
    """
    config = common.config
    if network is not None and not network.is_file():
        raise ConfigError(f"no network at {network}")
    head_model = _head(config, common)
    noise = _noise(config, head_model, common)
    from convdip_training.export import export as export_bundle
    from convdip_training.fit import trained_network

    path = network or trained_network(config, head_model, noise, common.cache)
    if not path.is_file():
        raise ConfigError(
            f"no network at {path}: train it first, with 'convdip-train fit' and the same "
            "--preset (or --from and head) and --cache"
        )
    folder = output or Path("models") / config.name
    card = export_bundle(path, config, head_model, noise, folder, common.family)
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
        Folder of the bundle; by default models/ and the preset's name, or with --from the
        model's and the subject's.
    json_ : bool
        Print the card as one JSON object on the last line.
    """
    fit(common=common)
    return export(common=common, output=output, json_=json_)


@Parameter(name="*")
@dataclass(frozen=True)
class Evaluated:
    """What is evaluated.

    Attributes
    ----------
    model : str
        Folder of a model bundle, or the name of a shipped one.
    quick : bool
        100 samples of the paper's two sets, in two minutes instead of twenty.
    seed : int
        Of the simulated samples: the same seed gives the same numbers.
    data : Path
        Folder of public recordings (docs/data.md); what is not there is left out and said.
    cache : Path
        Where head models, noise and scores are kept: a broken evaluation goes on.
    """

    model: str = DEFAULT_MODEL
    quick: Annotated[bool, Parameter(negative="")] = False
    seed: int = 2021
    data: Path = DEFAULT_DATA
    cache: Path = DEFAULT_CACHE


EVALUATED = Evaluated()


@app.command
def evaluate(*, evaluated: Evaluated = EVALUATED, json_: Json = False) -> int:
    """Evaluate a model on another head than it was trained on, beside seven rivals.

    Writes evaluation.json, evaluation.md and speed.md beside the model; with --quick,
    evaluation-quick.json and evaluation-quick.md.

    Example: convdip-train evaluate --model models/convdip-fsaverage31

    Parameters
    ----------
    evaluated : Evaluated
    json_ : bool
        Print the evaluation as one JSON object on the last line.
    """
    plan = _plan(evaluated)
    from convdip_training.evaluation.evaluate import laboratory, score_all
    from convdip_training.evaluation.real import absent, image_real, load_real
    from convdip_training.evaluation.report import to_markdown
    from convdip_training.evaluation.speed import measure_speed, speed_markdown
    from convdip_training.evaluation.summary import rounded, summarise

    here = laboratory(plan)
    erps = load_real(here.bundle.head, plan.data)
    scores = score_all(plan)
    table = summarise(here, scores)
    log.info("real data: %d event-related potentials", len(erps))
    table["real"] = rounded(image_real(erps, here.methods, here.bundle.head, here.is_template))
    table["real_left_out"] = absent(plan.data)
    name = f"evaluation{'-quick' if plan.quick else ''}"
    text = json.dumps(table, indent=1, ensure_ascii=False)
    (plan.model / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
    (plan.model / f"{name}.md").write_text(to_markdown(table), encoding="utf-8")
    if not plan.quick:
        log.info("speed: all methods by turns")
        speed = speed_markdown(measure_speed(here))
        (plan.model / "speed.md").write_text(speed, encoding="utf-8")
    if json_:
        print(json.dumps(table))
        return 0
    print(f"evaluation in {plan.model / f'{name}.md'}")
    return 0


@app.command
def figures(*, evaluated: Evaluated = EVALUATED) -> int:
    """Draw the evaluation's figures beside the model, in figures/ (with --quick: figures-quick/).

    Example: convdip-train figures --model models/convdip-fsaverage31
    """
    plan = _plan(evaluated)
    from convdip_training.evaluation.evaluate import laboratory, score_all
    from convdip_training.evaluation.figures import draw_figures
    from convdip_training.evaluation.real import load_real

    here = laboratory(plan)
    erps = load_real(here.bundle.head, plan.data)
    scores = score_all(plan)
    folder = plan.model / f"figures{'-quick' if plan.quick else ''}"
    draw_figures(here, scores, erps, folder)
    print(f"figures in {folder}")
    return 0


@app.command
def precision(
    *,
    model: str = DEFAULT_MODEL,
    seed: int = EVALUATED.seed,
    cache: Path = DEFAULT_CACHE,
    json_: Json = False,
) -> int:
    """Add a model's int8 form to its bundle, and say how far its maps are from fp32's.

    Writes model-int8.onnx and precision.md beside the model, and names both form and deviations
    in card.json.

    Example: convdip-train precision --model models/convdip-fsaverage31

    Parameters
    ----------
    model : str
        Folder of a model bundle, or the name of a shipped one.
    seed : int
        Of the simulated samples.
    cache : Path
        Where head models and noise are kept.
    json_ : bool
        Print what the card says of precision as one JSON object on the last line.
    """
    plan = _plan(Evaluated(model, quick=True, seed=seed, cache=cache))
    from convdip_training.evaluation.evaluate import laboratory
    from convdip_training.evaluation.precision import measure, write_precision

    int8, table, times_ms = measure(laboratory(plan))
    write_precision(plan.model, int8, table, times_ms)
    if json_:
        print(json.dumps(table))
        return 0
    print(f"int8 form in {plan.model}, its deviations in {plan.model / 'precision.md'}")
    return 0


@app.command
def rivals(*, out: Path, model: str = DEFAULT_MODEL, json_: Json = False) -> int:
    """Write eLORETA and LCMV as model bundles, and time MNE's own way from sample to sample.

    Both are MNE's, for the model's head and the covariances of simulated EEG; 'convdip run
    --model' takes them like any other model.

    Example: convdip-train rivals --model convdip-fsaverage31 --out rivals

    Parameters
    ----------
    out : Path
        Folder in which the bundles eLORETA and LCMV are made.
    model : str
        Folder of a model bundle, or the name of a shipped one: the head is taken from it.
    json_ : bool
        Print paths and times as one JSON object on the last line.
    """
    bundle = load_bundle(model)
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out is {out}: expected a folder")
    from convdip_training.baselines.linear import SIMULATED, export_linear, simulated_erp
    from convdip_training.evaluation.mne_speed import time_apply_inverse_raw

    log.info("covariances: simulated sessions")
    erp = simulated_erp(bundle.head)
    bundles = export_linear(bundle, erp, out, SIMULATED)
    log.info("speed: apply_inverse_raw")
    times_ms = time_apply_inverse_raw(bundle.head, erp)
    if json_:
        paths = {name: str(folder) for name, folder in bundles.items()}
        print(json.dumps({"bundles": paths, "mne_apply_inverse_raw_ms": times_ms}))
        return 0
    for folder in bundles.values():
        print(f"bundle in {folder}: try it with  convdip demo --model {folder}")
    print(
        "MNE's apply_inverse_raw (eLORETA), one sample a call: "
        f"{times_ms['unprepared']:.1f} ms, with a prepared operator {times_ms['prepared']:.2f} ms"
    )
    return 0


def _plan(evaluated: Evaluated) -> Plan:
    bundle = load_bundle(evaluated.model)
    if evaluated.seed < 0:
        raise ConfigError(f"--seed is {evaluated.seed}: expected 0 or more")
    if evaluated.data != DEFAULT_DATA and not evaluated.data.is_dir():
        raise ConfigError(f"--data is {evaluated.data}: expected a folder (see docs/data.md)")
    if not os.access(bundle.path, os.W_OK):
        raise ConfigError(f"{bundle.path} cannot be written to: copy the model, and evaluate that")
    from convdip_training.evaluation.evaluate import Plan

    return Plan(bundle.path, evaluated.seed, evaluated.quick, evaluated.data, evaluated.cache)


def _head(config: TrainingConfig, common: Common) -> Head:
    from convdip_training.anatomy.forward import load_or_build_head

    return load_or_build_head(config.head, common.cache)


def _noise(config: TrainingConfig, head_model: Head, common: Common) -> np.ndarray[Any, Any]:
    from convdip_training.noise import noise_pool

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
            f"convdip-train: {error.name} is not installed: scripts/install training",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(code)


if __name__ == "__main__":
    main()
