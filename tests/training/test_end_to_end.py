"""End to end: from nothing to a bundle that the demo runs, by the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from convdip_training.anatomy.template import package_folder

# Small where it may be small: a coarse cortex and few samples; the head model's BEM is the
# real one.
PRESET = """
name = "tiny"
seed = 5
[head]
spacing = "ico3"
[noise]
n_segments = 100
[simulation]
orders = [1, 2]
[network]
kind = "matched"
n_hidden = 64
n_layers = 2
rank = 32
filter_orders = [2]
background = 0.1
output = "sigmoid"
[loss]
cosine = 1.0
support_bce = 2.0
[fit]
n_samples = 100_000
batch_size = 128
learning_rate = 2e-3
decay = "cosine"
dipoles = 0.5
checkpoints = 2
"""


def train(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "convdip_training", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.timeout(900)
def test_all_from_an_empty_cache_to_a_bundle_that_the_demo_runs(convdip, bert, tmp_path):
    (tmp_path / "tiny.toml").write_text(PRESET)
    options = ("--preset", "tiny.toml", "--cache", tmp_path / "cache")
    done = train("all", *options, "--output", "bundle", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout.splitlines()[-1])
    assert card["evaluation"]["single"]["auc"] > 0.8
    for step in ("head model 2/3", "noise: 5 synthetic recordings", "training:", "export:"):
        assert step in done.stderr

    again = train("fit", *options, cwd=tmp_path)
    assert "is trained already" in again.stderr

    evaluate_it(tmp_path)
    transfer_it(tmp_path, bert)
    demo = convdip("demo", "--model", "bundle", "--seconds", 4, "--json")
    text, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0
    assert json.loads(text.splitlines()[-1])["model"] == "bundle"


def transfer_it(folder, bert):
    """Transfer the bundle to another head, with a tenth of the samples."""
    trans = package_folder("mne") / "data" / "fsaverage" / "fsaverage-trans.fif"
    command = ("--from", "bundle", "--cache", folder / "cache", "--output", "bert")
    done = train("all", *command, cwd=folder)
    assert done.returncode == 2
    assert "--from needs --head, --subjects-dir, --trans too" in done.stderr
    done = train("all", *command, "--preset", "small", cwd=folder)
    assert done.returncode == 2
    assert "--preset small beside --from bundle: expected one of them" in done.stderr
    whose = ("--head", "bert", "--subjects-dir", bert.parent, "--trans", trans)
    done = train("all", *command, *whose, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout.splitlines()[-1])
    assert card["name"] == "tiny-bert"
    start = json.loads((folder / "bundle" / "card.json").read_text())["sha256"]["model.onnx"]
    assert f"the model {start[:12]}, then 10,112 simulated samples" in card["training"]
    assert card["config"]["head"]["subject"] == "bert"
    assert card["evaluation"]["single"]["auc"] > 0.8


def baselines_are_not_scored_again(folder, table):
    """Evaluate a bundle of the same head: only its own scores are new."""
    shutil.copytree(folder / "bundle", folder / "other")
    kept = folder / "cache" / "evaluation"
    before = set(kept.iterdir())
    command = ("evaluate", "--model", "other", "--quick", "--cache", folder / "cache", "--json")
    done = train(*command, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert len(before) == 2 * len(set(kept.iterdir()) - before)
    again = json.loads(done.stdout.splitlines()[-1])
    for name, entry in table["sets"]["single"]["methods"].items():
        assert again["sets"]["single"]["methods"][name.replace("bundle", "other")] == entry


def evaluate_it(folder):
    """Evaluate the bundle twice, the second time from the heads on: the same bytes.

    The bundle itself stays as it was exported.
    """
    command = ("evaluate", "--model", "bundle", "--quick", "--cache", folder / "cache")
    exported = {path.name: path.read_bytes() for path in (folder / "bundle").iterdir()}
    written = []
    for threads in ("1", "2"):
        shutil.rmtree(folder / "cache" / "evaluation", ignore_errors=True)
        done = train(*command, "--json", cwd=folder, OMP_NUM_THREADS=threads)
        assert done.returncode == 0, done.stderr
        names = ("evaluation-quick.json", "evaluation-quick.md")
        results = folder / "evaluations" / "bundle"
        written.append([(results / name).read_bytes() for name in names])
    assert written[0] == written[1]
    table = json.loads(done.stdout.splitlines()[-1])
    baselines_are_not_scored_again(folder, table)
    assert table == json.loads(written[0][0])
    single = table["sets"]["single"]
    assert single["n"] == 100
    methods = single["methods"]
    assert set(methods) == {
        "bundle", "eLORETA", "LCMV", "cMEM", "sLORETA", "dSPM", "γ-MAP", "random map", "zero map",
    }  # fmt: skip
    assert methods["bundle"]["auc"]["mean"] > 0.7
    assert methods["eLORETA"]["auc"]["mean"] > 0.7
    assert methods["zero map"]["auc"]["mean"] == 0.5
    assert methods["zero map"]["relative_nmse"]["median"] == 1
    assert methods["LCMV"]["mse"] is None  # it gives no moments
    for method in methods.values():
        low, high = method["auc"]["mean_ci"]
        assert low <= method["auc"]["mean"] <= high
    assert "ghosts" in single["won_by_nothing"]["mean"]
    assert single["tests"]["all"]["auc"]["bundle | random map"]["p"] < 1e-5
    report = written[0][1].decode()
    assert "ghosts (a sample) ⚠" in report
    assert "right median nerve" in report.lower()

    done = train("figures", *command[1:], "--out", "results", cwd=folder)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (folder / "results" / "figures-quick").glob("*.png")}
    assert {"figure-2-extent.png", "figure-A2-four-sources.png", "real-SEP-N20.png"} <= names
    assert {path.name: path.read_bytes() for path in (folder / "bundle").iterdir()} == exported


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "--preset", "nonesuch"), "no preset 'nonesuch'"),
        (("fit", "--head", "bert"), "expected --from too"),
        (("fit", "--subjects-dir", "nowhere"), "expected --from too"),
        (("fit", "--preset", "mine.toml"), "no preset file mine.toml"),
        (("evaluate", "--model", "nonesuch"), "no model at 'nonesuch'"),
        (("evaluate", "--seed=-1"), "--seed is -1"),
        (("figures", "--data", "nowhere"), "--data is nowhere"),
        (("evaluate", "--out", "file.txt"), "--out is file.txt: expected a folder"),
        (
            ("export", "--preset", "small", "--network", "nowhere.keras"),
            "no network at nowhere",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, arguments, message):
    (tmp_path / "file.txt").touch()
    done = train(*arguments, "--cache", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    [line] = [text for text in done.stderr.splitlines() if text.startswith("convdip-train: ")]
    assert message in line
    assert "Traceback" not in done.stderr


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
