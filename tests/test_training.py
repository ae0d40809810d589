"""End to end: from nothing to a bundle that the demo runs, by the command line."""

import json
import subprocess
import sys

import pytest

# Small where it may be small: a coarse cortex and few samples; the head model's BEM is the
# real one.
PRESET = """
name = "tiny"
seed = 5
[head]
spacing = "ico2"
[noise]
n_segments = 100
[simulation]
orders = [1, 2]
[network]
n_hidden = 64
output = "sigmoid"
[loss]
cosine = 1.0
support_bce = 2.0
[fit]
n_samples = 100_000
batch_size = 128
learning_rate = 2e-3
decay = "cosine"
checkpoints = 2
"""


def train(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


@pytest.mark.timeout(600)
def test_all_from_an_empty_cache_to_a_bundle_that_the_demo_runs(convdip, tmp_path):
    (tmp_path / "tiny.toml").write_text(PRESET)
    options = ("--preset", "tiny.toml", "--cache", tmp_path / "cache")
    done = train("all", *options, "--output", "bundle", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout.splitlines()[-1])
    assert card["evaluation"]["single"]["auc"] > 0.8
    for step in ("head model 3/5", "noise: 5 synthetic recordings", "training:", "export:"):
        assert step in done.stderr

    again = train("fit", *options, cwd=tmp_path)
    assert "is trained already" in again.stderr

    demo = convdip("demo", "--model", "bundle", "--seconds", 4, "--json")
    text, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0
    assert json.loads(text.splitlines()[-1])["model"] == "bundle"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "--preset", "nonesuch"), "no preset 'nonesuch'"),
        (
            ("export", "--preset", "small", "--network", "nowhere.keras"),
            "no network at nowhere",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path, arguments, message):
    done = train(*arguments, "--cache", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    [line] = [text for text in done.stderr.splitlines() if text.startswith("convdip-train: ")]
    assert message in line
    assert "Traceback" not in done.stderr
