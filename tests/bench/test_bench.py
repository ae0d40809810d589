"""The benchmark end to end; its times are for people to judge, not for tests."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from convdip.bench.measure import Line
from convdip.bench.report import draw, tally, to_table
from convdip.bench.soak import Watch, what_is_wrong
from convdip.bench.trial import Trial, _count

SERVICE = {"published": 1000}


def run(*arguments):
    command = [sys.executable, "-m", "convdip", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)


@pytest.mark.long
@pytest.mark.alone
def test_the_quick_benchmark_measures_and_draws(tmp_path):
    png = tmp_path / "ages.png"
    done = run("--quick", "--json", "--provider", "cpu", "--png", str(png))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    lines = {line["what"]: line for line in result["lines"]}
    assert result["arguments"]["quick"] is True
    assert set(result["machine"]) >= {"date", "commit", "processor", "gpu", "onnxruntime"}
    assert result["ok"] == all(line["met"] is not False for line in result["lines"])
    age = lines["age, 500 Hz"]["numbers"]
    assert 0 < age["age_ms_median"] <= age["age_ms_p99"] <= age["age_ms_most"]
    assert age["service"]["published"] == age["service"]["received"]
    complete = lines["samples lost or repeated, all trials up to 2,000 Hz"]
    assert complete["met"] is True
    assert complete["numbers"]["sent"] > 5000
    gpu = lines["GPU: one sample with the CUDA provider"]
    assert (gpu["found"], gpu["met"]) == ("skipped: the provider is cpu", None)
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "age and losses, 5000 Hz" in done.stderr  # progress


def test_a_mistake_is_told_before_minutes_have_gone(call):
    done = call("convdip", "bench", "--model", "nonesuch")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("convdip: no model 'nonesuch'")


@pytest.mark.parametrize("met", [True, False, None])
def test_the_table_says_what_was_met(met):
    table = to_table([Line("age", "median 1 ms", "≤ 2 ms" if met is not None else "", met)])
    assert (
        table.splitlines()[-1].split("|")[-2].strip() == {True: "yes", False: "NO", None: "–"}[met]
    )


def test_values_beyond_the_picture_are_counted_at_its_edge():
    counts = tally(np.array([5000.0, 0.001, 1.0]), np.array([0.2, 0.9, 2.0, 1000.0]))
    np.testing.assert_array_equal(counts, [1, 1, 1])


def test_what_a_trial_lost_and_repeated_is_counted():
    sent = 10 + np.arange(3000) / 500
    stamps = np.delete(sent[5:], [100, 101, 2000])  # the first five came before the client
    stamps[[700, 701]] = stamps[[701, 700]]
    trial = _count(500.0, sent, np.append(stamps, stamps[-1]), np.zeros(2993), {})
    assert (trial.sent, trial.lost, trial.repeated) == (2995, 3, 2)


def test_a_soak_says_what_is_wrong():
    service = {"missing": 0, "overflowed": 0}
    clean = Trial(500.0, np.ones(9), np.arange(9.0), 9, 0, 0, service)
    watch = Watch("nobody")
    assert what_is_wrong(clean, watch) == ["no sample on the quality stream"]
    watch.reports = [{"age_p50": 1.0}]
    watch.memory_mb = [100.0] * 60
    assert what_is_wrong(clean, watch) == []
    watch.memory_mb = [100.0] * 6 + list(np.linspace(100, 150, 60))
    watch.backlog_reports = 100
    bad = replace(clean, lost=2, repeated=1, service={"missing": 3, "overflowed": 4})
    assert len(what_is_wrong(bad, watch)) == 6


def test_ages_of_every_size_are_drawn(tmp_path):
    rng = np.random.default_rng(0)
    ages_ms = np.concatenate([rng.exponential(1.0, 1000), [5e3, 1e-3]])
    trial = Trial(500.0, ages_ms, np.sort(rng.random(1002)), 1002, 0, 0, SERVICE)
    draw({"one": trial, "two": trial}, tmp_path / "ages.png")
    assert (tmp_path / "ages.png").stat().st_size > 5000
