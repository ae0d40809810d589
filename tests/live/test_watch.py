"""What is told of electrodes, levels and mains, however samples come."""

import numpy as np
import pytest
from convdip import Imager
from convdip.frame import Artefact, EegChunk, Invalid
from convdip.live.health import Health
from convdip.live.watch import Watch
from convdip.sources.background import background_eeg
from convdip.streams import Event

SFREQ_HZ = 200.0


@pytest.fixture(scope="module")
def eeg_uv(shipped):
    rng = np.random.default_rng(0)
    return 15 * background_eeg(shipped.head, round(30 * SFREQ_HZ), SFREQ_HZ, rng)


@pytest.fixture
def told(shipped):
    """Watch samples in blocks, and return (seconds, event, facts) and the health."""

    def run(samples_uv, block, **how):
        imager = Imager(
            shipped.head.channels, "uV", sfreq_hz=SFREQ_HZ, model=shipped, provider="cpu", **how
        )
        assert imager.preparation is not None
        health, found = Health(SFREQ_HZ, 0.0), []
        watch = Watch(imager.preparation, health)

        def say(event, text, now_s, level=0, **facts):
            found.append((now_s, event, facts))

        for first in range(0, len(samples_uv), block):
            frame = imager(samples_uv[first : first + block])
            watch.after(frame, (first + block) / SFREQ_HZ, say)
        return found, health, watch

    return run


@pytest.mark.parametrize("block", [1, 7, 32, 90])
def test_mains_and_artefacts_are_told_in_time_whatever_the_blocks(eeg_uv, told, shipped, block):
    time_s = np.arange(4 * round(SFREQ_HZ))[:, None] / SFREQ_HZ
    samples = eeg_uv[: len(time_s)] + 10 * np.sin(2 * np.pi * 50 * time_s)
    blink = 300 * np.exp(-(((time_s - 3.6) / 0.1) ** 2))
    front = [shipped.head.channels.index(name) for name in ("Fp1", "Fp2")]
    samples[:, front] += blink
    found, health, _ = told(samples, block)
    at_s = {event: now_s for now_s, event, _ in reversed(found)}
    assert at_s[Event.NOTCH] <= 1.25 + block / SFREQ_HZ
    assert health.artefact is Artefact.BLINK


def test_a_wrong_unit_is_told_within_seconds_and_once(eeg_uv, told):
    for factor in (1e-3, 50.0):
        found, _, _ = told(eeg_uv[:2000] * factor, 25, keep=True)
        [(now_s, facts)] = [(s, facts) for s, event, facts in found if event == Event.LEVEL]
        assert now_s < 4
        assert facts["sd_uv"] == pytest.approx(15 * factor, rel=0.7)


def test_electrodes_that_have_nothing_in_common_are_told_of(told, eeg_uv):
    white = 10 * np.random.default_rng(0).standard_normal((1000, 31))
    found, _, _ = told(white, 20, keep=True)
    [facts] = [facts for _, event, facts in found if event == Event.LEVEL]
    assert abs(facts["correlation"]) < 0.25
    found, _, _ = told(eeg_uv[:1000], 20)
    assert not found


def test_who_comes_late_is_told_what_is_so(eeg_uv, told):
    samples = eeg_uv.astype(float)
    samples[:, 5] = 375e3
    time_s = np.arange(len(samples)) / SFREQ_HZ
    samples += 10 * np.sin(2 * np.pi * 50 * time_s)[:, None]
    found, _, _ = told(samples, 40)
    late = [(event, facts) for now_s, event, facts in found if now_s > 15]
    assert {event for event, _ in late} == {Event.BAD, Event.NOTCH}
    assert all(facts["repeated"] for _, facts in late)
    assert not any(facts["kept"] for event, facts in late if event == Event.BAD)
    kept, _, _ = told(samples[:1000], 40, keep=True)
    assert {facts["kept"] for _, event, facts in kept if event == Event.BAD} == {True}


def test_valid_comes_a_second_after_the_last_invalid_sample(eeg_uv, told):
    samples = eeg_uv[:2000].astype(float)
    samples[400:600, :24] = np.nan
    found, health, _ = told(samples, 5)
    events = [(event, now_s) for now_s, event, _ in found if event in (Event.INVALID, Event.VALID)]
    assert [event for event, _ in events] == [Event.INVALID, Event.VALID]
    assert events[0][1] == pytest.approx(2.0, abs=0.05)
    # A second of window, two of being good, one of holding.
    assert 3 + 3 < events[1][1] < 3 + 5
    assert health.invalid is Invalid.NOT


def test_after_a_gap_nothing_of_before_is_told(eeg_uv, told):
    samples = eeg_uv[:300].astype(float)
    _, health, watch = told(samples, 10)
    health.artefact = Artefact.BLINK
    watch.begin_anew()
    assert health.artefact is Artefact.NONE


def test_a_chunk_is_cut_where_its_stamps_jump():
    stamps = np.array([1.0, 1.01, 3.0, 3.01, 3.02, 9.0])
    chunk = EegChunk(np.arange(6)[:, None], stamps)
    pieces = chunk.pieces(0.99, 0.25)
    assert [is_after for is_after, _ in pieces] == [False, True, True]
    assert [piece.samples[:, 0].tolist() for _, piece in pieces] == [[0, 1], [2, 3, 4], [5]]
    assert chunk.pieces(0.0, 0.25)[0][0]
    assert not chunk.pieces(np.nan, 0.25)[0][0]
    [(is_after, piece)] = EegChunk(np.zeros((1, 1)), np.array([2.0])).pieces(1.0, 0.25)
    assert is_after
    assert len(piece.samples) == 1
