"""Recordings with a known answer: planted ones must be found, real ones judged."""

from dataclasses import replace

import mne
import numpy as np
import pytest
from convdip import load_bundle
from convdip.live.topography import average_reference
from convdip_training.baselines.linear import export_linear, simulated_erp
from convdip_training.evaluation.known import (
    C3_C4,
    EYES_CLOSED,
    MOVEMENTS,
    OZ,
    RESTS,
    known_answers,
    one_movement,
    one_rest,
    unfit,
)
from convdip_training.evaluation.known_alpha import BAND_HZ as ALPHA_HZ
from convdip_training.evaluation.known_alpha import (
    closed_over_open,
    half_cycles,
    occipital_dipoles,
    settled,
)
from convdip_training.evaluation.known_hands import BAND_HZ as HANDS_HZ
from convdip_training.evaluation.known_hands import hand_areas, trials_of
from convdip_training.evaluation.known_methods import linear_imaging, model_imaging
from convdip_training.evaluation.known_recordings import (
    KnownRecording,
    causal_band_pass,
    prepare,
)
from convdip_training.evaluation.known_report import known_sections
from convdip_training.evaluation.laboratory import Plan
from convdip_training.evaluation.rounding import rounded
from convdip_training.evaluation.statistics import separation
from sklearn.metrics import roc_auc_score

SFREQ_HZ = 160.0
NAM = 1e-9


@pytest.fixture(scope="module")
def head(toy_head):
    """The toy head with occipital regions at the back and precentral ones elsewhere."""
    back = toy_head.dipoles_m[:, 1] < -0.035
    right = np.arange(toy_head.n_dipoles) >= toy_head.n_left
    return replace(
        toy_head,
        atlas=(2 * right + ~back).astype(np.int32),
        atlas_names=(
            "lateraloccipital-lh", "precentral-lh", "lateraloccipital-rh", "precentral-rh",
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundles(shipped, head, tmp_path_factory):
    """Linear inverses as model bundles of the toy head."""
    folder = tmp_path_factory.mktemp("linear")
    head.save(folder / "head.npz")
    base = replace(shipped, path=folder, head=head)
    return export_linear(base, simulated_erp(head), folder, "simulated")


@pytest.fixture(scope="module")
def alpha(head):
    """Noise-free alpha of one occipital dipole, stronger and weaker by turns."""
    time_s = np.arange(0, 30, 1 / SFREQ_HZ)
    course = np.sin(2 * np.pi * 10 * time_s) * (1.5 + np.sin(2 * np.pi * 0.2 * time_s))
    eeg = np.outer(course, head.lead_field[:, planted(head)].astype(float) * 20 * NAM)
    return KnownRecording(
        causal_band_pass(eeg, ALPHA_HZ, SFREQ_HZ),
        SFREQ_HZ,
        average_reference(head.n_electrodes),
        {},
        head.n_electrodes,
    )


def planted(head):
    """Return the dipole furthest back."""
    return head.dipoles_m[:, 1].argmin()


def test_a_filter_knows_nothing_of_later_samples_and_starts_without_a_jump():
    rng = np.random.default_rng(0)
    eeg = rng.standard_normal((800, 3)) + 1000
    whole = causal_band_pass(eeg, ALPHA_HZ, SFREQ_HZ)
    np.testing.assert_array_equal(causal_band_pass(eeg[:500], ALPHA_HZ, SFREQ_HZ), whole[:500])
    assert np.abs(whole).max() < 3
    shares = []
    for hz in (2, 10, 40):
        wave = np.sin(2 * np.pi * hz * np.arange(1600) / SFREQ_HZ)[:, None]
        shares.append(causal_band_pass(wave, ALPHA_HZ, SFREQ_HZ)[800:].std() / wave.std())
    assert shares[0] < 0.05
    assert shares[1] > 0.95
    assert shares[2] < 0.05


def test_a_trough_follows_its_peak_half_a_cycle_later(alpha, head):
    pairs = half_cycles(alpha, head)
    assert 10 <= pairs.peaks.size <= 14  # half of 28 windows
    np.testing.assert_allclose((pairs.troughs - pairs.peaks) / SFREQ_HZ, 0.05, atol=0.01)
    size = np.linalg.norm(alpha.eeg, axis=1)
    assert size[pairs.peaks].min() > np.median(size)


def test_half_cycles_of_one_source_fall_together_in_linear_maps(alpha, bundles, head):
    methods = linear_imaging(head, alpha.white, settled(alpha))
    methods |= {f"{name} live": model_imaging(load_bundle(at)) for name, at in bundles.items()}
    assert len(methods) == 7
    table = one_rest(methods, alpha, head, np.random.default_rng(0))
    for row in table["methods"].values():
        assert row["correlation"]["median"] == pytest.approx(-1, abs=1e-4)
        assert row["magnitude_correlation"]["median"] == pytest.approx(1, abs=1e-4)
    for name in methods:
        assert table["methods"][name]["distance_mm"]["median"] == 0
        assert table["methods"][name]["distance_mm"]["ci"] == [0, 0]
        assert table["methods"][name]["occipital_share"]["median"] > 1.5 * table["flat_share"]


def test_a_map_of_one_polarity_is_found_out(alpha, head):
    signed = linear_imaging(head, alpha.white, settled(alpha))["eLORETA"]
    methods = {"clipped": lambda eeg: np.maximum(signed(eeg), 0)}
    row = one_rest(methods, alpha, head, np.random.default_rng(0))["methods"]["clipped"]
    assert row["distance_mm"]["median"] > 20
    assert row["magnitude_correlation"]["median"] < 0.1


def test_maxima_are_of_magnitudes_and_on_cortex_alone(alpha, head):
    """Nothing of a medial wall counts, however loud."""
    loud = np.zeros(head.n_dipoles)
    loud[0] = 1e6
    signed = linear_imaging(head, alpha.white, settled(alpha))["eLORETA"]
    atlas = head.atlas.copy()
    atlas[0] = 4
    walled = replace(head, atlas=atlas, atlas_names=(*head.atlas_names, "unknown-lh"))
    rng = np.random.default_rng
    quiet = one_rest({"m": signed}, alpha, walled, rng(0))["methods"]
    assert one_rest({"m": lambda x: signed(x) + loud}, alpha, walled, rng(0))["methods"] == quiet


def test_separation_is_the_area_under_the_curve():
    rng = np.random.default_rng(0)
    above, below = rng.standard_normal(40).round(1) + 0.5, rng.standard_normal(30).round(1)
    auc, (low, high) = separation(above, below, rng)
    expected = roc_auc_score(np.repeat([1, 0], [40, 30]), np.concatenate([above, below]))
    assert auc == pytest.approx(expected)
    resampled = [
        roc_auc_score(np.repeat([1, 0], [40, 30]), [*rng.choice(above, 40), *rng.choice(below, 30)])
        for _ in range(1000)
    ]
    np.testing.assert_allclose([low, high], np.quantile(resampled, [0.025, 0.975]), atol=0.03)
    assert separation(above + 99, below, rng) == (1, (1, 1))


def test_closed_over_open_is_a_ratio_of_medians():
    rng = np.random.default_rng(0)
    opened = rng.uniform(1, 2, 50)
    entry = closed_over_open(8 * opened, opened, rng)
    assert entry["ratio"] == pytest.approx(8)
    assert entry["auc"] == 1
    low, high = entry["ratio_ci"]
    assert 6 < low < 8 < high < 10


def movement_recording(head, path, n_trials=10):
    """Write a recording of two mu rhythms of which that of the other hand's side fades."""
    rng = np.random.default_rng(3)
    left, right = hand_areas(head)
    onsets_s = 3 + 8 * np.arange(2 * n_trials)
    cues = ["T1", "T2"] * n_trials
    time_s = np.arange(0, onsets_s[-1] + 8, 1 / SFREQ_HZ)
    strength = np.ones((2, time_s.size))
    for onset_s, cue in zip(onsets_s, cues, strict=True):
        moving = (time_s >= onset_s) & (time_s < onset_s + 4)
        strength[1 if cue == "T1" else 0, moving] = 0.4
    mu = [np.sin(2 * np.pi * hz * time_s) for hz in (11.0, 12.3)]
    topographies = [head.lead_field[:, area].sum(axis=1) for area in (left, right)]
    eeg = np.array(topographies).T @ (strength * mu) * NAM
    eeg += rng.standard_normal(eeg.shape) * 0.1 * eeg.std()
    info = mne.create_info([f"EEG {name}" for name in head.channels], SFREQ_HZ, "eeg")
    raw = mne.io.RawArray(eeg, info, verbose="error")
    raw.set_annotations(mne.Annotations(onsets_s, 4.0, cues))
    raw.save(path, verbose="error")


@pytest.mark.parametrize("swapped", [False, True])
def test_a_rhythm_that_fades_on_one_side_tells_which_hand_moved(head, tmp_path, swapped):
    path = tmp_path / "fists_raw.fif"
    movement_recording(head, path)
    recording = prepare(path, head, HANDS_HZ)
    assert recording.n_recorded == head.n_electrodes
    trials = trials_of([recording])
    assert trials.before.shape == (20, 320, 31)
    assert trials.after.shape == (20, 560, 31)
    noise = np.concatenate(trials.before)
    methods = linear_imaging(head, recording.white, trials.eeg, noise)
    if swapped:
        trials = replace(trials, is_first=~trials.is_first)
    table = one_movement(methods, MOVEMENTS["fists"], trials, head, np.random.default_rng(0))
    assert table["trials"] == {"left fist": 10, "right fist": 10}
    assert C3_C4 in table["methods"]
    assert len(table["methods"]) == 6
    for method in table["methods"].values():
        for features in ("after", "change"):
            row = method[features]
            # The side is known, not learnt: with cues swapped the index is wrong every time.
            assert row["auc"] == (0 if swapped else 1)
            assert row["accuracy"] == 1
            assert row["accuracy_ci"] == [1, 1]


def test_trials_that_the_recording_cuts_off_are_left_out():
    cues = {"T0": np.array([400]), "T1": np.array([100, 400]), "T2": np.array([900])}
    eeg = np.arange(1500.0)[:, None] * np.ones(31)
    trials = trials_of([KnownRecording(eeg, SFREQ_HZ, np.eye(31), cues, 31)])
    assert trials.is_first.tolist() == [True]
    assert trials.before[0, [0, -1], 0].tolist() == [80, 399]
    assert trials.after[0, [0, -1], 0].tolist() == [480, 1039]


def test_hand_areas_lie_on_their_side_beside_the_central_sulcus(shipped):
    head = shipped.head
    for area, side, sign in zip(hand_areas(head), ("lh", "rh"), (-1, 1), strict=True):
        assert 50 < area.sum() < 200
        assert (sign * head.dipoles_m[area, 0] > 0.015).all()
        names = {head.atlas_names[i] for i in head.atlas[area]}
        assert names == {f"precentral-{side}", f"postcentral-{side}"}
    assert 0.05 < occipital_dipoles(head).sum() / head.is_cortex.sum() < 0.2


def plan_of(data, tmp_path):
    return Plan(tmp_path, 0, quick=True, data=data, cache=tmp_path)


def test_what_is_missing_is_listed(shipped, toy_head, tmp_path, caplog):
    table = known_answers("mine", shipped, plan_of(tmp_path, tmp_path), True)
    assert table["alpha"] == table["movement"] == {}
    text = "\n".join(known_sections(table))
    for name in (EYES_CLOSED, RESTS, *MOVEMENTS["fists"].runs, *MOVEMENTS["feet"].runs):
        assert f"{name}: not found" in text
        assert name in caplog.text
    assert "no occipital regions" in unfit(toy_head, True)
    assert "not fsaverage" in unfit(shipped.head, False)
    assert unfit(shipped.head, True) == ""


def leaves(value):
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


@pytest.mark.long
def test_real_recordings_are_judged(shipped, recording, tmp_path):
    data = recording(MOVEMENTS["fists"].runs[0]).parents[2]
    for name in (EYES_CLOSED, *MOVEMENTS["fists"].runs, *MOVEMENTS["feet"].runs, "eeg/eegmat"):
        recording(name)
    table = known_answers("mine", shipped, plan_of(data, tmp_path), True)
    assert table["left_out"] == []
    assert None not in leaves(rounded(table))  # which is what is not finite
    assert table["alpha"]["S001R02"]["n_recorded"] == 27
    assert table["alpha"]["EEGMAT"]["n_recorded"] == 18
    assert table["alpha"]["EEGMAT"]["n"] == 6
    linear = table["alpha"]["S001R02"]["methods"]["minimum norm"]
    assert linear["magnitude_correlation"]["median"] > 0.9
    assert table["alpha"]["S001R02"]["closed_over_open"][OZ]["auc"] > 0.95
    fists = table["movement"]["fists"]
    assert sum(fists["trials"].values()) == 30
    assert fists["methods"][C3_C4]["after"]["auc"] >= 0.6
    text = "\n\n".join(known_sections(table))
    assert text.index("Ahead of mine") < text.index("Eyes-closed alpha, S001R02")
    assert "To reach in S001R02" in text
    assert "Left out" not in text
