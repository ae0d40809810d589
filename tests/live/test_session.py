"""Sessions in blocks over LSL: what is fed back when, what is written down, what is not told."""

import csv
import json
import resource
import signal
import time
from typing import Any

import numpy as np
import pylsl
import pytest
from convdip import Service
from convdip.errors import ConfigError
from convdip.feedback.features import Suspended
from convdip.live.loop.cred_nf import FILE, OPEN
from convdip.live.loop.protocol_file import read_protocol
from convdip.live.loop.record import Record
from convdip.live.settings import Settings
from convdip.streams import FEEDBACK

SFREQ_HZ = 125.0
HOW: dict[str, Any] = {
    "provider": "cpu",
    "band": (8, 12),
    "roi": "cuneus",
    "keep": True,
    "wait_s": 60,
}

BLOCKS = """
name = "alpha up"
arms = "arms.toml"
blocks = [
  {kind = "rest", seconds = 8},
  {kind = "regulate", seconds = 6, begin = "GO", name = "first"},
  {kind = "transfer", seconds = 3},
  {kind = "pause", seconds = 2},
  {kind = "regulate", seconds = 6},
]
"""
# The marker comes some time after the rest: on a busy computer that begins late.
GO_S = 10.5
SECONDS = 11 + 6 + 3 + 2 + 6 + 1


@pytest.fixture
def go(unique):
    """A marker stream, and what makes a marker unique to this test."""
    info = pylsl.StreamInfo(f"{unique}T", "Markers", 1, 0, pylsl.cf_string, f"id-{unique}-t")
    return pylsl.StreamOutlet(info), f"{unique} GO"


@pytest.fixture
def protocol(tmp_path, go):
    path = tmp_path / "alpha.toml"
    path.write_text(BLOCKS.replace("GO", go[1]))
    (tmp_path / "arms.toml").write_text('"07" = "own"\n"08" = "one"\n')
    return path


def rows_of(folder):
    with (folder / "feedback.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def run_session(service, sender, listen, go, eeg_uv, stem):
    """Send a session's EEG, with the marker in it; return what a client heard."""
    outlet, said = go
    with service:
        assert sender.outlet.wait_for_consumers(60)
        assert outlet.wait_for_consumers(60)
        listener = listen(stem)
        begin_s = pylsl.local_clock() - len(eeg_uv) / SFREQ_HZ
        outlet.push_sample([said], begin_s + GO_S)
        outlet.push_sample(["something else"], begin_s + GO_S + 1)
        listener.until_heard(service, said, "something else")
        sender.keep_pace(eeg_uv, listener, begin_s)
        listener.until(lambda: listener.last["reason"] == Suspended.SILENCE.code)
    return listener


def borders(listener):
    return [event.facts for event in listener.events if event.event == "block"]


def test_a_session_in_blocks_and_the_same_as_sham(
    shipped, unique, sender, listen, alpha, go, protocol, tmp_path, caplog
):
    """The second participant's feedback is the first one's, and nothing tells so but the record."""
    n = round(SECONDS * SFREQ_HZ)
    strength = np.where(np.arange(n) < GO_S * SFREQ_HZ, 0.7, 1.5)
    first = Service(
        unique, f"{unique}A", protocol=protocol, participant="07", record=tmp_path / "one", **HOW
    )
    eeg_uv = alpha(shipped.head, n, strength)
    own = run_session(first, sender, listen, go, eeg_uv, f"{unique}A")
    check_blocks(own)
    check_record(own, tmp_path / "one")

    caplog.clear()
    second = Service(
        unique, f"{unique}B", protocol=protocol, participant="08", record=tmp_path / "two", **HOW
    )
    calm_uv = alpha(shipped.head, n, np.full(n, 0.7), seed=1)
    sham = run_session(second, sender, listen, go, calm_uv, f"{unique}B")
    check_sham(sham, own, tmp_path)
    texts = [event.text for event in sham.events]
    xml = sham.inlets["Feedback"].info(timeout=60).as_xml()
    assert "sham" not in " ".join([*texts, xml, caplog.text]).lower()


def check_blocks(listener):
    """Feedback is given in its blocks alone; each border is told, at its sample's time."""
    told = borders(listener)
    assert [facts["number"] for facts in told] == [1, 0, 2, 3, 4, 5, 0]
    assert told[2]["kind"] == "regulate"
    assert told[2]["name"] == "first"
    assert told[2]["seconds"] == 6
    stamps = {
        (event.facts["number"], i): stamp
        for i, (event, stamp) in enumerate(
            zip(listener.events, listener.stamps["Events"], strict=True)
        )
        if event.event == "block"
    }
    begins = [stamp for (number, _), stamp in stamps.items() if number]
    np.testing.assert_allclose(np.diff(begins)[1:], [6, 3, 2], atol=2 / SFREQ_HZ)
    rows = [row for row in listener.feedback if row["reason"] != Suspended.SILENCE.code]
    is_steady = listener.is_steady
    for row in rows:
        assert not row["valid"] or row["block"] in (2, 5)
        assert 0 <= row["confidence"] <= 1 if row["valid"] else np.isnan(row["confidence"])
        if row["block"] in (0, 1, 3, 4) and not row["valid"]:
            assert row["reason"] in (Suspended.BLOCK.code, Suspended.FILLING.code)
    for number in (2, 5):
        within = np.array([row["block"] == number for row in rows])
        valid = np.array([row["valid"] for row in rows])[within & is_steady]
        assert np.mean(valid) > 0.9
        assert len(valid) > 2 * SFREQ_HZ
        assert within.sum() == pytest.approx(6 * SFREQ_HZ, abs=3)
    described = listener.inlets["Feedback"].info(timeout=60).desc().child("protocol")
    assert described.child_value("name") == "alpha up"
    assert described.child("block").child_value("kind") == "rest"
    # A transfer is measured, though nothing of it is shown.
    features = np.array(listener.rows["Features"])
    third = [i for i, row in enumerate(rows) if row["block"] == 3 and is_steady[i]]
    assert np.isfinite(features[third, 1]).mean() > 0.9


def check_record(listener, folder):
    """The record has what was published, and the checklist what the record has."""
    found = rows_of(folder)
    assert list(found)[:4] == ["stamp", "feedback", "z", "value"]
    assert set(FEEDBACK) < set(found)
    features = np.array(listener.rows["Features"])
    np.testing.assert_allclose(found["stamp"], listener.stamps["Features"], atol=2e-6)
    np.testing.assert_allclose(found["feedback"], features[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found["z"], features[:, 1], rtol=1e-4, atol=1e-4)
    said = json.loads((folder / FILE).read_text())
    assert {"3d", "3e", "4a", "4b", "4d", "4e", "timing"} <= set(said)
    assert not set(said) & set(OPEN)
    assert said["4d"]["rows_lost"] == 0
    for block in said["4d"]["blocks"]:
        rows = found["block"] == block["number"]
        if block["number"] and block["feedback"]:
            values = found["value"][rows]
            # Each time that silence is told counts, too: on a busy computer there may be some.
            n_silent = sum(
                row["block"] == block["number"] and row["reason"] == Suspended.SILENCE.code
                for row in listener.feedback
            )
            assert block["samples"] == rows.sum() + n_silent
            assert block["feedback"]["mean"] == pytest.approx(np.nanmean(values), abs=1e-3)
            assert block["success"] == pytest.approx(
                found["above"][rows].sum() / np.isfinite(values).sum(), abs=1e-3
            )
        assert "z" not in block  # the protocol has arms
    assert said["4a"]["fed_back"] == "feedback"
    assert "8" in said["4a"]["features"][0]["filter"]
    assert said["timing"]["delay_s"] == pytest.approx(said["4a"]["features"][0]["delay_s"])
    age_ms = said["timing"]["age_ms"]["p50"]
    assert age_ms is None or age_ms > 0  # none while samples are stamped in the past
    assert said["4b"]["baseline"]["names"] == ["feedback"]


def check_sham(listener, own, tmp_path):
    """What is shown is what the other session had, while its own was something else."""
    found, donor = rows_of(tmp_path / "two"), rows_of(tmp_path / "one")
    assert [facts["number"] for facts in borders(listener)] == [1, 0, 2, 3, 4, 5, 0]
    assert [facts["kind"] for facts in borders(listener)] == [
        facts["kind"] for facts in borders(own)
    ]
    shown = found["value"][np.isfinite(found["value"])]
    theirs = donor["value"][np.isfinite(donor["value"])]
    n = min(len(shown), len(theirs))
    assert n > 8 * SFREQ_HZ
    np.testing.assert_allclose(shown[:n], theirs[:n], atol=1e-4)
    regulating = np.isfinite(found["value"])
    assert np.median(found["z"][regulating]) < np.median(donor["z"][np.isfinite(donor["value"])])
    # It pauses with the person's own EEG, not the other's.
    assert np.array_equal(np.isfinite(found["value"]), found["valid"] == 1)
    text = (tmp_path / "two" / FILE).read_text()
    assert "sham" not in text
    assert json.loads(text)["participant"] == "08"


def test_a_short_rest_goes_on_until_there_is_a_baseline(
    shipped, unique, sender, listen, alpha, tmp_path
):
    path = tmp_path / "p.toml"
    path.write_text('blocks = [{kind = "rest", seconds = 1}, {kind = "regulate", seconds = 4}]')
    n = round(14 * SFREQ_HZ)
    with Service(unique, unique, protocol=path, **HOW):
        assert sender.outlet.wait_for_consumers(60)
        listener = listen(unique)
        sender.keep_pace(alpha(shipped.head, n, np.full(n, 0.7)), listener)
        listener.until(lambda: listener.last["reason"] == Suspended.SILENCE.code)
    block = np.array([row["block"] for row in listener.feedback])
    assert np.count_nonzero(block == 1) / SFREQ_HZ == pytest.approx(5.5, abs=0.8)
    assert np.count_nonzero(block == 2) / SFREQ_HZ == pytest.approx(4, abs=0.1)
    told = [event.text for event in listener.events if event.event == "rest"]
    assert "the rest goes on" in told[0]
    assert "complete" in told[-1]


def test_the_baseline_follows(shipped, unique, sender, listen, alpha):
    """What stays is usual after a while; without it, it stays unusual."""
    n = round(30 * SFREQ_HZ)
    strength = np.where(np.arange(n) < 9 * SFREQ_HZ, 0.7, 1.5)
    last = {}
    for follow in (None, 2.0):
        name = f"{unique}{follow}"
        with Service(unique, name, baseline=8, follow=follow, **HOW):
            assert sender.outlet.wait_for_consumers(60)
            listener = listen(name)
            sender.keep_pace(alpha(shipped.head, n, strength), listener)
        last[follow] = np.nanmedian(np.array(listener.rows["Features"])[-400:, 1])
    assert last[None] > 2
    assert abs(last[2.0]) < 1


FULL = '[{kind = "rest", seconds = 60}, {kind = "regulate", seconds = 60}]'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no blocks"),
        ("blocks = 3", "blocks is 3: expected a list"),
        ("blocks = [3]", "block 1 is no table"),
        ("blocks = [{seconds = 3}]", "block 1 has no `kind`"),
        ('blocks = [{kind = "dance"}]', "kind is dance: expected rest, regulate"),
        ('blocks = [{kind = "rest", seconds = "3"}]', "seconds is 3: expected seconds"),
        ('blocks = [{kind = "rest", length = 3}]', "has 'length': expected kind"),
        ('blocks = [{kind = "sham", seconds = 3}]', "no `sham`"),
        ('sham = 3\nblocks = [{kind = "rest"}]', "sham is 3"),
        ('colour = 3\nblocks = [{kind = "rest"}]', "has 'colour'"),
        (f'arms = "arms.toml"\nblocks = {FULL}', "expected a `participant`"),
        ("blocks = [", "is not TOML"),
    ],
)
def test_protocols_that_cannot_be_are_refused(tmp_path, text, message):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_protocol(path, None)


def test_participants_that_are_not_there_are_refused_and_no_arm_is_told(tmp_path):
    path, arms = tmp_path / "p.toml", tmp_path / "arms.toml"
    path.write_text(f'arms = "arms.toml"\nblocks = {FULL}')
    with pytest.raises(ConfigError, match="no arms at"):
        read_protocol(path, "07")
    arms.write_text('"07" = "own"\n"08" = "records/s03"\n"09" = 3')
    for name in ("10", "09"):
        with pytest.raises(ConfigError, match=f"no participant '{name}'") as error:
            read_protocol(path, name)
        assert "s03" not in str(error.value)
    assert [block.kind for block in read_protocol(path, "07").blocks] == ["rest", "regulate"]
    assert [block.kind for block in read_protocol(path, "08").blocks] == ["rest", "sham"]
    path.write_text(f"blocks = {FULL}")
    with pytest.raises(ConfigError, match="has no `arms`"):
        read_protocol(path, "07")
    with pytest.raises(ConfigError, match="no protocol at"):
        read_protocol(tmp_path / "absent.toml", None)


def test_a_protocol_that_regulates_first_wants_a_baseline(unique, sender, tmp_path):
    path = tmp_path / "p.toml"
    path.write_text('blocks = [{kind = "regulate", seconds = 60}]')
    service = Service(unique, unique, protocol=path, **HOW)
    with pytest.raises(ConfigError, match="regulates before it has a block of rest"):
        service.open()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"follow": 0}, "`follow` is 0 s"),
        ({"follow": -3.0}, "`follow` is -3 s"),
        ({"participant": "07"}, "`participant` without `protocol`"),
        ({"rest_markers": ("a", "b")}, "`protocol` and `rest_markers`"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, how, message):
    protocol = None if "participant" in how else tmp_path / "p.toml"
    with pytest.raises(ConfigError, match=message):
        Settings(roi="cuneus", protocol=protocol, **how)


@pytest.mark.parametrize("name", ["protocol", "record"])
def test_sessions_without_regions_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=f"`{name}` without `roi`"):
        Settings(**{name: tmp_path})


def test_nothing_is_overwritten(tmp_path, unique):
    (tmp_path / "notes.txt").write_text("mine")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ConfigError, match="name a new folder"):
            Service(unique, unique, record=path, **HOW)
    with pytest.raises(ConfigError, match=r"cannot be written|name a new folder"):
        Record(tmp_path / "notes.txt" / "folder", ["a"])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_writes_the_checklist_when_it_is_stopped(unique, convdip, said, tmp_path, how):
    convdip("simulate", "--name", unique, "--seconds", 60, "--sfreq-hz", 125)
    options = ("--provider", "cpu", "--roi", "cuneus", "--record", tmp_path / "s")
    service = convdip("run", "--input", unique, "--name", f"{unique}Lab", *options)
    said(1, "output")
    table, deadline = tmp_path / "s" / "feedback.tsv", time.monotonic() + 60
    while table.read_text().count("\n") < 50:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    service.send_signal(how)
    service.communicate(timeout=60)
    said = json.loads((tmp_path / "s" / FILE).read_text())
    assert said["4e"]["amplifier"]["stream"] == unique
    assert said["4b"]["baseline"] is None
    assert said["4d"]["blocks"][0]["samples"] == table.read_text().count("\n") - 1


def test_a_record_has_every_row_and_counts_what_it_lacks(tmp_path):
    record = Record(tmp_path / "new" / "session", ["a", "b"])
    stamps = 1e5 + np.arange(1000) / 500
    values = np.random.default_rng(0).standard_normal((1000, 2))
    values[3, 1] = np.nan
    for part in np.array_split(np.arange(1000), 77):
        record.add(stamps[part], values[part])
    record.close()
    found = rows_of(tmp_path / "new" / "session")
    np.testing.assert_allclose(found["stamp"], stamps, atol=1e-6)
    np.testing.assert_allclose(np.column_stack([found["a"], found["b"]]), values, rtol=1e-5)
    assert record.n_lost == 0


def test_a_full_disk_costs_rows_and_nothing_else(tmp_path, caplog):
    """No file may grow beyond a limit for a while: what is written stays whole."""
    record = Record(tmp_path / "session", ["a"])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    rows = np.arange(500.0)
    record.add(rows, rows[:, None])
    settle(record, tmp_path / "session", 500)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, hard))
    try:
        record.add(500 + rows, rows[:, None])
        settle(record, tmp_path / "session", 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    record.add(1000 + rows, rows[:, None])
    record.close()
    found = rows_of(tmp_path / "session")
    assert np.array_equal(found["stamp"], np.concatenate([rows, 1000 + rows]))
    assert record.n_lost == 500
    assert caplog.text.count("the record lacks rows") == 1


def settle(record, folder, n_rows):
    """Wait until it has written what was given to it, or lost it."""
    deadline = time.monotonic() + 60
    while (folder / "feedback.tsv").read_text().count("\n") - 1 + record.n_lost < n_rows:
        assert time.monotonic() < deadline
        time.sleep(0.01)
