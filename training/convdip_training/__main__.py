"""Command line ``convdip-train``: from a preset to a model bundle, and to its evaluation.

Each command takes what it needs from the cache, or makes it first.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from convdip.bundle import DEFAULT_MODEL, Bundle, load_bundle
from convdip.errors import ConfigError, ConvDipError
from cyclopts import App, Parameter

from convdip_training.config import (
    DEFAULT_CACHE,
    DEFAULT_DATA,
    TrainingConfig,
    config_of_card,
    load_preset,
)

if TYPE_CHECKING:
    from convdip_training.evaluation.laboratory import Plan
    from convdip_training.experiment import Experiment

log = logging.getLogger(__name__)

app = App(
    name="convdip-train",
    help="Train ConvDip on simulated EEG, export it as a model bundle, evaluate any bundle.",
    version=lambda: version("convdip-realtime"),
    help_format="markdown",
    suppress_keyboard_interrupt=False,  # main handles Ctrl-C
)

Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class Chosen:
    """The experiment, as the command line names it.

    Attributes
    ----------
    preset : str
        Name of a preset (small, paper, convdip-fsaverage31) or a .toml file; by default small.
    cache : Path
        Folder in which head models, noise and trainings are kept.
    from_ : str
        Instead of a preset: a model bundle, or the name of a shipped one, to be transferred to
        another head with a tenth of its training.
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

    def experiment(self) -> Experiment:
        """Return the experiment.

        Raises
        ------
        ConfigError
            If only some of what --from needs is given, or a preset beside it.
        """
        from convdip_training.experiment import Experiment

        if self.from_:
            start = load_bundle(self.from_)
            return Experiment(self._transfer(start), self.cache, start)
        if self.head or self.subjects_dir or self.trans:
            raise ConfigError(
                "--head, --subjects-dir and --trans name the head that a model is transferred to: "
                "expected --from too, for the model; to train from scratch on that head, name them "
                "in the [head] of a preset of your own"
            )
        return Experiment(load_preset(self.preset or "small"), self.cache)

    def _transfer(self, start: Bundle) -> TrainingConfig:
        if self.preset:
            raise ConfigError(
                f"--preset {self.preset} beside --from {self.from_}: expected one of them; a model "
                "that is transferred keeps the configuration on its card"
            )
        whose = {"--head": self.head, "--subjects-dir": self.subjects_dir, "--trans": self.trans}
        missing = [option for option, value in whose.items() if not value]
        if missing:
            raise ConfigError(
                f"--from needs {', '.join(missing)} too: the head that the model is transferred to "
                "is a FreeSurfer subject (--head) in a folder of them (--subjects-dir), with a "
                "head↔MRI transform (--trans)"
            )
        from convdip_training.networks.transfer import transfer_config

        head = replace(
            config_of_card(start.card).head,
            subject=self.head,
            subjects_dir=str(self.subjects_dir),
            trans=str(self.trans),
        )
        return transfer_config(start, head)


CHOSEN = Chosen()


@app.command
def head(*, chosen: Chosen = CHOSEN) -> int:
    """Build the head model: anatomy, source space, BEM, lead field (about two minutes).

    Example: convdip-train head --preset small
    """
    _ = chosen.experiment().head
    return 0


@app.command
def fit(*, chosen: Chosen = CHOSEN, n_processes: int = 0) -> int:
    """Train the network; an interrupted training resumes from the last checkpoint.

    Keras uses the backend that KERAS_BACKEND names: tensorflow (default), jax or torch.

    Example: convdip-train fit --preset small

    Example: convdip-train fit --from convdip-fsaverage31 --head bert
    --subjects-dir subjects --trans bert-trans.fif

    Parameters
    ----------
    n_processes : int
        Processes that simulate samples while this one trains, by default a thread: with a GPU,
        as many as there are cores to spare.
    """
    from convdip_training.fit import fit as fit_network

    experiment = chosen.experiment()
    if _needs_no_training(experiment):
        raise ConfigError(
            f"the model {experiment.start.name if experiment.start else ''} is given the gains of "
            "whatever head there is, and needs no training on another: export it, with "
            "'convdip-train export' and the same options"
        )
    fit_network(experiment, n_processes)
    return 0


@app.command
def export(
    *,
    chosen: Chosen = CHOSEN,
    network: Path | None = None,
    output: Path | None = None,
    json_: Json = False,
) -> int:
    """Export a trained network as a model bundle, with an int8 form where it has one.

    Example: convdip-train export --preset small --output models/mine

    Parameters
    ----------
    network : Path
        A network.keras trained on another machine, with its history.json beside it; by default
        the one that 'convdip-train fit' left in the cache.
    output : Path
        Folder of the bundle; by default models/ and the preset's name, or with --from the
        model's and the subject's.
    json_ : bool
        Print the card as one JSON object on the last line.
    """
    experiment = chosen.experiment()
    if _needs_no_training(experiment):
        return _export(experiment, None, output, json_)
    path = network or experiment.network_path
    if not path.is_file():
        advice = (
            ": train it first, with 'convdip-train fit' and the same --preset (or --from and head) "
            "and --cache"
        )
        raise ConfigError(f"no network at {path}{'' if network else advice}")
    return _export(experiment, path, output, json_)


@app.command(name="all")
def everything(
    *,
    chosen: Chosen = CHOSEN,
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
    from convdip_training.fit import fit as fit_network

    experiment = chosen.experiment()
    network = None if _needs_no_training(experiment) else fit_network(experiment)
    return _export(experiment, network, output, json_)


def _needs_no_training(experiment: Experiment) -> bool:
    """Return whether a model is carried over to a head whose gains it is given."""
    return experiment.start is not None and experiment.start.takes_any_cap


def _export(experiment: Experiment, network: Path | None, output: Path | None, json_: bool) -> int:
    from convdip_training.export import export as export_bundle

    folder = output or Path("models") / experiment.config.name
    card = export_bundle(experiment, folder, network)
    if json_:
        print(json.dumps(card))
        return 0
    print((folder / "card.md").read_text(encoding="utf-8"))
    print(f"bundle in {folder}: try it with  convdip demo --model {folder}")
    return 0


@app.command
def calibrate(
    *,
    output: Path,
    model: str = DEFAULT_MODEL,
    cache: Path = DEFAULT_CACHE,
    json_: Json = False,
) -> int:
    """Calibrate the confidence of a model, and write its bundle anew.

    Only the card changes. Takes two minutes, or five where the cache lacks the other head.

    Example: convdip-train calibrate --model models/mine --output models/mine

    Parameters
    ----------
    output : Path
        Folder of the bundle; may be the model's own.
    model : str
        Folder of a model bundle, or the name of a shipped one.
    cache : Path
        Folder in which head models and noise are kept.
    json_ : bool
        Print the calibration as one JSON object on the last line.
    """
    bundle = load_bundle(model)
    _check_folder("--output", output)
    from convdip_training.calibrate import recalibrate
    from convdip_training.experiment import Experiment

    card = recalibrate(bundle, Experiment.of_bundle(bundle, cache), output)
    print(json.dumps(card["confidence"]) if json_ else f"calibrated bundle in {output}")
    return 0


@Parameter(name="*")
@dataclass(frozen=True)
class Evaluated:
    """What is evaluated.

    Attributes
    ----------
    model : str
        Folder of a model bundle, or the name of a shipped one.
    out : Path
        Folder for the results; by default evaluations/ and the model's name.
    quick : bool
        100 samples each of one source and of 1–10, of either sign, in two minutes instead of
        forty (on two idle cores).
    seed : int
        Of the simulated samples: the same seed gives the same numbers.
    data : Path
        Folder of public recordings (docs/data.md); the report lists those that are missing.
    cache : Path
        Folder in which head models, noise and scores are kept: an interrupted evaluation resumes
        from there.
    """

    model: str = DEFAULT_MODEL
    out: Path | None = None
    quick: Annotated[bool, Parameter(negative="")] = False
    seed: int = 2021
    data: Path = DEFAULT_DATA
    cache: Path = DEFAULT_CACHE

    def plan(self) -> Plan:
        """Return what to evaluate.

        Raises
        ------
        ConvDipError
            If the model is not one, or another setting is out of range.
        """
        bundle = load_bundle(self.model)
        if self.seed < 0:
            raise ConfigError(f"--seed is {self.seed}: expected 0 or more")
        if self.data != DEFAULT_DATA and not self.data.is_dir():
            raise ConfigError(f"--data is {self.data}: expected a folder (see docs/data.md)")
        _check_folder("--out", self.out)
        from convdip_training.evaluation.laboratory import Plan

        return Plan(bundle.path, self.seed, self.quick, self.data, self.cache)

    def folder(self, plan: Plan) -> Path:
        """Return the folder for the results, which is made if it is not there."""
        folder = self.out or Path("evaluations") / plan.model.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


EVALUATED = Evaluated()


@app.command
def evaluate(*, evaluated: Evaluated = EVALUATED, json_: Json = False) -> int:
    """Evaluate a model on another head than it was trained on, beside seven baseline methods.

    Sources are of either sign, as in live EEG; then positive, as in the paper. The whole takes
    about forty minutes on two idle cores.

    Writes evaluation.json, evaluation.md and speed.md to --out, and precision.md if the model has
    an int8 form; with --quick, evaluation-quick.json and evaluation-quick.md.

    Example: convdip-train evaluate --model convdip-fsaverage31 --out results

    Parameters
    ----------
    evaluated : Evaluated
    json_ : bool
        Print the evaluation as one JSON object on the last line.
    """
    plan = evaluated.plan()
    from convdip_training.evaluation.evaluate import evaluate as evaluate_model

    folder = evaluated.folder(plan)
    table = evaluate_model(plan, folder)
    if json_:
        print(json.dumps(table))
        return 0
    print(f"evaluation in {folder}")
    return 0


@app.command
def figures(*, evaluated: Evaluated = EVALUATED) -> int:
    """Draw the evaluation's figures in --out, in figures/ (with --quick: figures-quick/).

    Example: convdip-train figures --model convdip-fsaverage31 --out results
    """
    plan = evaluated.plan()
    from convdip_training.evaluation.figures import draw_figures
    from convdip_training.evaluation.laboratory import laboratory
    from convdip_training.evaluation.real import load_real
    from convdip_training.evaluation.scores import score_all

    here = laboratory(plan)
    erps = load_real(here.head, plan.data)
    folder = evaluated.folder(plan) / f"figures{'-quick' if plan.quick else ''}"
    draw_figures(here, score_all(plan), erps, folder)
    print(f"figures in {folder}")
    return 0


@app.command
def caps(*, evaluated: Evaluated = EVALUATED, n_samples: int = 300, json_: Json = False) -> int:
    """Evaluate a model for any cap with 19 to 128 electrodes, and with some left out.

    Writes caps.json and caps.md to --out.

    Example: convdip-train caps --model convdip-anycap --out results

    Parameters
    ----------
    evaluated : Evaluated
    n_samples : int
        Of each set.
    json_ : bool
        Print the scores as one JSON object on the last line.
    """
    plan = evaluated.plan()
    from convdip_training.evaluation.caps import score_caps
    from convdip_training.evaluation.caps_report import caps_markdown
    from convdip_training.evaluation.laboratory import laboratory

    folder, name = evaluated.folder(plan), laboratory(plan).bundle.name
    scored = score_caps(plan, n_samples)
    table = {"model": name, "n_samples": n_samples, "seed": plan.seed, "sets": scored}
    text = f"{json.dumps(table, indent=1, ensure_ascii=False)}\n"
    (folder / "caps.json").write_text(text, encoding="utf-8")
    (folder / "caps.md").write_text(caps_markdown(table), encoding="utf-8")
    print(json.dumps(table) if json_ else f"caps in {folder}")
    return 0


@app.command(name=["baselines", "rivals"])
def baselines(*, out: Path, model: str = DEFAULT_MODEL, json_: Json = False) -> int:
    """Write eLORETA and LCMV as model bundles, and time MNE's own call for one sample.

    Both are MNE's, for the model's head and the covariances of simulated EEG; 'convdip run
    --model' takes them like any other model.

    Example: convdip-train baselines --model convdip-fsaverage31 --out baselines

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
    _check_folder("--out", out)
    from convdip_training.baselines.linear import SIMULATED, export_linear, simulated_erp
    from convdip_training.evaluation.mne_speed import time_apply_inverse_raw

    log.info("covariances: simulated sessions")
    erp = simulated_erp(bundle.head)
    bundles = export_linear(bundle, erp, out, SIMULATED)
    log.info("speed: apply_inverse_raw")
    times_ms = time_apply_inverse_raw(bundle.head, erp)
    if json_:
        paths = {name: str(folder) for name, folder in bundles.items()}
        result: dict[str, Any] = {"bundles": paths, "mne_apply_inverse_raw_ms": times_ms}
        print(json.dumps(result))
        return 0
    for folder in bundles.values():
        print(f"bundle in {folder}: try it with  convdip demo --model {folder}")
    print(
        "MNE's apply_inverse_raw (eLORETA), one sample per call: "
        f"{times_ms['unprepared']:.1f} ms, with a prepared operator {times_ms['prepared']:.2f} ms"
    )
    return 0


def _check_folder(option: str, folder: Path | None) -> None:
    if folder is not None and folder.exists() and not folder.is_dir():
        raise ConfigError(f"{option} is {folder}: expected a folder")


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2."""
    # TensorFlow warns about every CUDA library that it does not find.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        code = app()
    except ConvDipError as error:
        print(f"convdip-train: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("convdip-train: stopped; the same command resumes from here", file=sys.stderr)
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
