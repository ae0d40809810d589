"""End to end: from nothing to a bundle that the demo runs, by the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from convdip_training.config import DEFAULT_DATA

# Heads with boundary elements, an evaluation of nine methods.
pytestmark = pytest.mark.timeout(900)

# Small where it may be small: a coarse cortex, coarse shells and few samples. The template's own
# head is built in test_head.
PRESET = """
name = "tiny"
seed = 5
[head]
subject = "ernie"
subjects_dir = '{subjects_dir}'
trans = '{trans}'
spacing = "ico2"
[noise]
n_segments = 100
[simulation]
orders = [1, 2]
signs = "random"
[network]
kind = "matched"
n_hidden = 64
n_layers = 2
rank = 32
filter_orders = [2]
deflation = 16
background = 0.1
output = "sigmoid"
[loss]
cosine = 1.0
support_bce = 2.0
sign = 0.3
[fit]
n_samples = 100_000
batch_size = 128
learning_rate = 2e-3
decay = "cosine"
dipoles = 0.5
checkpoints = 2
"""
OPTIONS = ("--preset", "tiny.toml", "--cache", "cache")
EVALUATE = ("evaluate", "--quick", "--cache", "cache", "--data", "data", "--json", "--model")
WRITTEN = ("evaluation-quick.json", "evaluation-quick.md")


def report_of(folder, bundle, name):
    """Return what the evaluation of a bundle wrote."""
    return (folder / "evaluations" / bundle / name).read_bytes()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def train(*arguments, cwd, **environment):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "convdip_training", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture(scope="module")
def everything(tmp_path_factory, ernie, trans):
    """A folder with a cache and a bundle made from nothing, and what was said meanwhile."""
    folder = tmp_path_factory.mktemp("end-to-end")
    preset = PRESET.format(subjects_dir=ernie.parent, trans=trans)
    (folder / "tiny.toml").write_text(preset)
    # Evoked responses where they are there; recordings have tests of their own.
    (folder / "data").mkdir()
    (folder / "data" / "evoked").symlink_to(DEFAULT_DATA / "evoked")
    done = train("all", *OPTIONS, "--output", "bundle", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture(scope="module")
def transferred(everything, bert, trans):
    """The folder, and what was said when its bundle was carried over to another head."""
    folder, _ = everything
    whose = ("--head", "bert", "--subjects-dir", bert.parent, "--trans", trans)
    command = ("all", "--from", "bundle", "--cache", "cache", "--output", "bert")
    done = train(*command, *whose, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture(scope="module")
def evaluated(transferred):
    """The folder, and the evaluation of a bundle with two threads; the bundle stays as it is."""
    folder, _ = transferred
    exported = contents(folder / "bert")
    done = train(*EVALUATE, "bert", cwd=folder, OMP_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr
    assert contents(folder / "bert") == exported
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_all_from_an_empty_cache_to_a_bundle_that_the_demo_runs(everything, convdip, call):
    folder, done = everything
    card = json.loads(done.stdout.splitlines()[-1])
    assert card["evaluation"]["single"]["auc"] > 0.8
    for step in ("head model 2/3", "noise: 5 synthetic recordings", "training:", "export:"):
        assert step in done.stderr

    again = call("convdip_training", "fit", *OPTIONS, cwd=folder)
    assert again.returncode == 0
    assert "is trained already" in again.stderr

    demo = convdip("demo", "--model", folder / "bundle", "--seconds", 4, "--json")
    text, _ = demo.communicate(timeout=400)
    assert demo.returncode == 0
    assert json.loads(text.splitlines()[-1])["model"] == "bundle"


@pytest.mark.long
def test_a_bundle_is_calibrated_and_nothing_else_changes(transferred, call):
    """Of the other head; twice from the same cache it is the same."""
    folder, _ = transferred
    command = ("calibrate", "--model", "bert", "--cache", "cache", "--json")
    done = call("convdip_training", *command, "--output", "calibrated", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "calibration:" in done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["weights"]["odds"] > 0
    expected, found = contents(folder / "bert"), contents(folder / "calibrated")
    card = json.loads(found.pop("card.json"))
    assert card.pop("confidence") == said
    assert card == json.loads(expected.pop("card.json"))
    del expected["card.md"], found["card.md"]
    assert found == expected


def test_a_transfer_needs_to_know_the_head(everything, call):
    folder, _ = everything
    command = ("all", "--from", "bundle", "--cache", "cache", "--output", "other")
    done = call("convdip_training", *command, cwd=folder)
    assert done.returncode == 2
    assert "--from needs --head, --subjects-dir, --trans too" in done.stderr
    done = call("convdip_training", *command, "--preset", "small", cwd=folder)
    assert done.returncode == 2
    assert "--preset small beside --from bundle: expected one of them" in done.stderr


def test_a_bundle_is_transferred_to_another_head(transferred):
    """With a tenth of the samples."""
    folder, done = transferred
    card = json.loads(done.stdout.splitlines()[-1])
    assert card["name"] == "tiny-bert"
    start = json.loads((folder / "bundle" / "card.json").read_text())["sha256"]["model.onnx"]
    assert f"the model {start[:12]}, then 10,112 simulated samples" in card["training"]
    assert card["config"]["head"]["subject"] == "bert"
    assert card["evaluation"]["single"]["auc"] > 0.8


@pytest.mark.long
def test_a_bundle_is_evaluated_beside_its_rivals(evaluated):
    folder, table = evaluated
    assert table == json.loads(report_of(folder, "bert", WRITTEN[0]))
    assert list(table["sets"]) == ["single-signed", "multi-signed"]
    single = table["sets"]["single-signed"]
    assert (single["n"], single["tests"]["permutations"]) == (100, 100_000)
    methods = single["methods"]
    assert set(methods) == {
        "bert", "eLORETA", "LCMV", "cMEM", "sLORETA", "dSPM", "γ-MAP", "random map", "zero map",
    }  # fmt: skip
    assert methods["bert"]["auc"]["mean"] > 0.7
    assert methods["eLORETA"]["auc"]["mean"] > 0.7
    assert methods["zero map"]["auc"]["mean"] == 0.5
    assert methods["zero map"]["relative_nmse"]["median"] == 1
    assert methods["zero map"]["sign"] is None
    assert methods["eLORETA"]["sign"]["mean"] > 0.8
    low, high = methods["random map"]["sign"]["mean_ci"]
    assert low < 0.5 < high
    assert methods["LCMV"]["mse"] is None  # it gives no moments
    for method in methods.values():
        low, high = method["auc"]["mean_ci"]
        assert low <= method["auc"]["mean"] <= high
    assert "ghosts" in single["won_by_nothing"]["mean"]
    assert single["tests"]["all"]["auc"]["bert | random map"]["p"] < 1e-5
    report = report_of(folder, "bert", WRITTEN[1]).decode()
    assert "ghosts (a sample) ⚠" in report
    assert "right median nerve" in report.lower()


def scores_in(path):
    with np.load(path) as stored:
        return {name: stored[name] for name in stored}


@pytest.mark.long
def test_an_evaluation_gives_the_same_bytes_and_scores_no_rival_twice(evaluated):
    """A copy of the bundle, by another name of equal length, with half the threads.

    Its own scores are all new. Of its rivals', a piece of each set is gone, as if the first
    evaluation had been broken off: only those are scored again.
    """
    folder, table = evaluated
    shutil.copytree(folder / "bert", folder / "ber2")
    kept = folder / "cache" / "evaluation"
    before = {path: scores_in(path) for path in kept.iterdir()}
    n_pieces = sum(-(-entry["n"] // 25) for entry in table["sets"].values()) + 2  # validation: 50
    assert len(before) == 2 * n_pieces
    n_rivals = {path: scores["values"].shape[1] for path, scores in before.items()}
    gone = [
        next(path for path in sorted(before) if n_rivals[path] > 1 and path.name.startswith(name))
        for name in ("single", "multi", "validation")
    ]
    for path in gone:
        path.unlink()
    done = train(*EVALUATE, "ber2", cwd=folder, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    for name in WRITTEN:
        first, second = (report_of(folder, bundle, name) for bundle in ("bert", "ber2"))
        assert second.replace(b"ber2", b"bert") == first
    after = set(kept.iterdir())
    assert set(before) < after
    assert len(after) - len(before) == n_pieces
    for path in gone:
        for name, values in scores_in(path).items():
            np.testing.assert_array_equal(values, before[path][name])


@pytest.mark.long
def test_figures_are_drawn_from_what_was_scored(evaluated, call):
    folder, _ = evaluated
    exported = contents(folder / "bert")
    done = call(
        "convdip_training", "figures", "--quick", "--cache", "cache", "--model", "bert",
        "--out", "results", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (folder / "results" / "figures-quick").glob("*.png")}
    assert {"figure-2-extent.png", "figure-A2-four-sources.png", "real-SEP-N20.png"} <= names
    assert contents(folder / "bert") == exported


def is_one_clear_line(done, message):
    assert done.returncode == 2
    [line] = [text for text in done.stderr.splitlines() if text.startswith("convdip-train: ")]
    assert message in line
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "--preset", "nonesuch"), "no preset 'nonesuch'"),
        (("fit", "--head", "bert"), "expected --from too"),
        (("fit", "--subjects-dir", "nowhere"), "expected --from too"),
        (("fit", "--preset", "mine.toml"), "no preset file mine.toml"),
        (("evaluate", "--model", "nonesuch"), "no model 'nonesuch'"),
        (("evaluate", "--seed=-1"), "--seed is -1"),
        (("figures", "--data", "nowhere"), "--data is nowhere"),
        (("evaluate", "--out", "file.txt"), "--out is file.txt: expected a folder"),
        (("calibrate", "--output", "file.txt"), "--output is file.txt: expected a folder"),
        (
            ("calibrate", "--model", "convdip-paper", "--output", "out"),
            "convdip-paper holds for sources of one polarity alone",
        ),
        (
            ("export", "--preset", "small", "--network", "nowhere.keras"),
            "no network at nowhere",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, call, arguments, message):
    (tmp_path / "file.txt").touch()
    done = call("convdip_training", *arguments, "--cache", tmp_path, cwd=tmp_path)
    is_one_clear_line(done, message)


def test_a_mistake_is_one_clear_line_in_a_process_of_its_own(tmp_path):
    is_one_clear_line(train("fit", "--preset", "nonesuch", cwd=tmp_path), "no preset 'nonesuch'")


def test_a_stop_is_no_error_and_says_that_the_command_resumes(tmp_path):
    command = [sys.executable, "-m", "convdip_training", "head", "--cache", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        for line in process.stderr:
            if "head model 2/3" in line:
                break
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(60) == 130
    assert "stopped; the same command resumes from here" in said
    assert "Traceback" not in said
