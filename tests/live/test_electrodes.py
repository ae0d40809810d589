"""Electrodes that fail are found, left out and given back; those that work are not."""

import numpy as np
import pytest
from convdip.live.conditioning import Filters
from convdip.live.electrodes import Reason
from convdip.live.montage import match_montage
from convdip.live.preparation import Preparation
from convdip.sources.background import background_eeg
from convdip.sources.recordings import read_recording

SFREQ_HZ = 128.0
ON_S, OFF_S, END_S = 4.0, 7.0, 12.5


@pytest.fixture(scope="module")
def eeg_v(shipped):
    """Background EEG of 15 µV, with offsets as a DC-coupled amplifier has them."""
    rng = np.random.default_rng(0)
    eeg = background_eeg(shipped.head, round(END_S * SFREQ_HZ), SFREQ_HZ, rng)
    return eeg * 15e-6 + rng.uniform(-0.1, 0.1, 31)


@pytest.fixture
def watched(shipped):
    head = shipped.head
    montage = match_montage(head.channels, ["V"] * 31, head)

    def run(samples_v, cut=8, **how):
        """Return when electrodes were found bad and good: (seconds, finding)."""
        preparation = Preparation(head, montage, SFREQ_HZ, Filters(notch_hz=None), **how)
        found = []
        for n in range(0, len(samples_v), cut):
            preparation.skip(samples_v[n : n + cut])
            preparation.look()
            at_s = min(n + cut, len(samples_v)) / SFREQ_HZ
            found += [(at_s, finding) for finding in preparation.findings()]
        return found, preparation.electrodes

    return run


def faulty(eeg_v, kind, who, rng):
    """Return EEG in which some electrodes fail from 4 to 7 s."""
    samples = eeg_v.copy()
    during = slice(round(ON_S * SFREQ_HZ), round(OFF_S * SFREQ_HZ))
    part = samples[during][:, who]
    white = rng.standard_normal(part.shape)
    samples[during, who] = {
        "rail": np.full_like(part, 0.375),
        "flat": np.broadcast_to(part[:1], part.shape),
        "zero": np.zeros_like(part),
        "not a number": np.full_like(part, np.nan),
        "infinite": np.full_like(part, -np.inf),
        "huge": np.full_like(part, 3e38),
        "noise of 100 µV": part + white * 100e-6,
        "noise of 500 µV": part + white * 500e-6,
        "offset of 5 mV": part + 5e-3,
        "open input of 1 µV": part[:1] + white * 1e-6,
    }[kind]
    return samples


KINDS = [
    "rail", "flat", "zero", "not a number", "infinite", "huge", "noise of 100 µV",
    "noise of 500 µV", "offset of 5 mV", "open input of 1 µV",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_at_once", [1, 2, 3])
def test_a_fault_is_found_in_each_electrode_and_gone_when_it_is_over(
    eeg_v, watched, shipped, kind, n_at_once
):
    rng = np.random.default_rng(n_at_once)
    for first in range(0, 31, 1 if n_at_once == 1 else 6):
        others = rng.choice(np.delete(np.arange(31), first), n_at_once - 1, replace=False)
        who = [first, *others.tolist()]
        found, electrodes = watched(faulty(eeg_v, kind, who, rng))
        names = [shipped.head.channels[i] for i in who]
        bad = {f.electrode: at_s for at_s, f in reversed(found) if f.is_bad}
        assert set(bad) == set(names), (names, found)
        assert all(ON_S <= at_s < ON_S + 2 for at_s in bad.values()), bad
        back = {f.electrode: at_s for at_s, f in found if not f.is_bad}
        assert set(back) == set(names), (names, found)
        assert all(OFF_S < at_s < OFF_S + 5 for at_s in back.values()), back
        assert electrodes.good.all()
        assert not electrodes.reasons


def test_what_no_amplifier_sends_is_left_out_at_the_very_sample(eeg_v, watched):
    for kind in ("rail", "not a number", "infinite", "huge", "offset of 5 mV"):
        found, _ = watched(faulty(eeg_v, kind, [7], np.random.default_rng(0)), cut=1)
        assert found[0][0] == ON_S + 1 / SFREQ_HZ


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("rail", Reason.AMPLITUDE), ("not a number", Reason.NUMBER), ("huge", Reason.NUMBER),
        ("noise of 100 µV", Reason.NOISE), ("open input of 1 µV", Reason.FLAT),
    ],
)  # fmt: skip
def test_the_reason_is_told_with_numbers(eeg_v, watched, kind, reason):
    found, _ = watched(faulty(eeg_v, kind, [12], np.random.default_rng(0)))
    _, finding = found[0]
    assert (finding.number, finding.reason, finding.is_bad) == (12, reason, True)
    if reason in (Reason.NOISE, Reason.FLAT):
        assert finding.facts["predicted_sd_uv"] > 1
        assert (finding.facts["sd_uv"] > 50) == (reason is Reason.NOISE)


def test_a_rail_from_the_start_is_a_rail(eeg_v, watched):
    samples = eeg_v.copy()
    samples[:, 5] = -0.1875
    found, electrodes = watched(samples)
    [(at_s, finding)] = found
    assert at_s < 2
    assert finding.reason is Reason.RAIL
    assert electrodes.reasons == {finding.electrode: Reason.RAIL}


@pytest.mark.parametrize("reference", [0, 12, 14, 30])
def test_the_recordings_own_reference_is_not_bad_for_being_flat(eeg_v, watched, reference):
    found, _ = watched(eeg_v - eeg_v[:, [reference]])
    assert found == []


def test_how_samples_come_changes_nothing(eeg_v, watched):
    samples = faulty(eeg_v, "noise of 500 µV", [3, 20], np.random.default_rng(0))
    whole = [finding for _, finding in watched(samples, len(samples))[0]]
    assert len(whole) >= 4
    for cut in (1, 7, 33):
        assert [finding for _, finding in watched(samples, cut)[0]] == whole


def test_by_hand_is_for_good_and_keep_only_tells(eeg_v, watched, shipped):
    name = shipped.head.channels[4]
    found, electrodes = watched(eeg_v, bad=[name])
    assert found == []
    assert electrodes.reasons == {name: Reason.HAND}
    assert not electrodes.good[4]
    assert electrodes.good.sum() == 30
    samples = faulty(eeg_v, "noise of 500 µV", [9], np.random.default_rng(0))
    found, electrodes = watched(samples, keep=True)
    assert [finding.is_bad for _, finding in found] == [True, False]
    assert electrodes.good.all()


def test_all_electrodes_flat_or_loud_end_no_watch(eeg_v, watched):
    during = slice(round(ON_S * SFREQ_HZ), round(OFF_S * SFREQ_HZ))
    for value in (0.0, np.nan, 0.4):
        samples = eeg_v.copy()
        samples[during] = value
        _, electrodes = watched(samples)
        assert electrodes.good.all()


def test_an_electrode_that_fails_again_and_again_has_to_be_good_for_longer(eeg_v, watched):
    drifting = np.tile(eeg_v, (4, 1))
    time_s = np.arange(len(drifting)) / SFREQ_HZ
    drifting[:, 12] += 2e-3 * time_s
    found, _ = watched(drifting)
    assert 0 < len(found) < 14  # in 50 s; without that, one every second


def test_a_step_that_all_electrodes_share_keeps_none_out(eeg_v, watched):
    samples = faulty(eeg_v, "not a number", [8], np.random.default_rng(0))
    samples[round(ON_S * SFREQ_HZ) + 5 :] += 0.9e-3
    found, _ = watched(samples)
    [back] = [at_s for at_s, finding in found if not finding.is_bad]
    assert back < OFF_S + 5


# Electrodes found bad in a minute of each public recording, and why that is right: an eye blinks,
# a jaw clenches, an electrode at the rim lifts.
@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("eegmmidb_S001/S001R01.edf", 2),
        ("eegmmidb_S001/S001R02.edf", 2),
        ("eegmat/Subject00_1.edf", 2),
        ("eeglab_sample/eeglab_data.set", 2),
    ],
)
def test_false_alarms_on_recordings_are_few(recording, shipped, name, most):
    raw = read_recording(recording(f"eeg/{name}"))
    montage = match_montage(raw.ch_names, ["V"] * len(raw.ch_names), shipped.head)
    sfreq_hz = raw.info["sfreq"]
    preparation = Preparation(shipped.head, montage, sfreq_hz, Filters())
    preparation.skip(raw.get_data(stop=round(60 * sfreq_hz)).T)
    bad = [finding for finding in preparation.findings() if finding.is_bad]
    assert len(bad) <= most, bad


def test_electrodes_that_are_known_to_be_bad_are_found(recording, shipped):
    raw = read_recording(recording("eeg/eximia60/test_eximia.nxe"), unit="uV")
    montage = match_montage(raw.ch_names, ["V"] * len(raw.ch_names), shipped.head)
    preparation = Preparation(shipped.head, montage, raw.info["sfreq"], Filters())
    preparation.skip(raw.get_data().T)
    bad = {finding.electrode for finding in preparation.findings() if finding.is_bad}
    assert bad >= {"FC4", "C4", "Oz", "POz", "FT7", "T7", "Iz", "P10", "TP10"}
    assert len(bad) <= 13
