"""Ongoing EEG with known sources: it must be what its truth says."""

from dataclasses import replace

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip_training.evaluation.ongoing import (
    ALPHA,
    BETA,
    MU,
    RHYTHMS,
    Rhythm,
    band_pass,
    simulate_ongoing,
)
from convdip_training.evaluation.ongoing_scores import OngoingSet, truth_of
from scipy.signal import hilbert

SFREQ_HZ = 250.0
EVERY_KIND = pytest.mark.parametrize("rhythm", RHYTHMS, ids=lambda rhythm: rhythm.name)


def simulated(head, rhythm=ALPHA, n_sources=1, snr=2.0, seed=0, seconds=4.0, quiet_s=2.0):
    rng = np.random.default_rng(seed)
    return simulate_ongoing(
        head, rhythm, n_sources, snr, rng, seconds=seconds, quiet_s=quiet_s, sfreq_hz=SFREQ_HZ
    )


def parts_of(ongoing, head):
    """Return the EEG of the sources, and what is left without it."""
    signal = np.zeros_like(ongoing.eeg)
    signal[ongoing.n_quiet :] = ongoing.courses @ ongoing.maps @ head.lead_field.T
    return signal, ongoing.eeg - signal


@pytest.mark.parametrize("rhythm", [ALPHA, BETA], ids=lambda rhythm: rhythm.name)
def test_sources_oscillate_in_their_band(toy_head, rhythm):
    ongoing = simulated(toy_head, rhythm, n_sources=3, seconds=10)
    assert ongoing.courses.shape == (2500, 3)
    np.testing.assert_allclose(ongoing.courses.std(axis=0), 1, rtol=1e-5)
    spectrum = np.abs(np.fft.rfft(ongoing.courses, axis=0)) ** 2
    frequencies_hz = np.fft.rfftfreq(2500, 1 / SFREQ_HZ)
    low_hz, high_hz = rhythm.band_hz
    inside = (frequencies_hz >= low_hz) & (frequencies_hz <= high_hz)
    share = spectrum[inside].sum(axis=0) / spectrum.sum(axis=0)
    assert share.min() > 0.999
    # Each has its own frequency and spreads over 2 Hz only.
    assert np.all((spectrum > 1e-3 * spectrum.max(axis=0)).sum(axis=0) <= 21)


def test_synchronous_sources_share_a_course_and_others_are_independent(toy_head):
    together, apart = [], []
    for seed in range(40):
        ongoing = simulated(toy_head, BETA, n_sources=2, seed=seed, seconds=10, quiet_s=1)
        pair = together if ongoing.groups == (0, 0) else apart
        pair.append(np.corrcoef(ongoing.envelopes.T)[0, 1])
    assert 10 < len(together) < 30
    np.testing.assert_allclose(together, 1.0)
    assert abs(np.mean(apart)) < 0.15  # of some twenty, each of which strays by about 0.2
    assert max(apart) < 0.9


def test_an_envelope_is_slow_and_bounds_its_course(toy_head):
    ongoing = simulated(toy_head, seconds=20)
    assert np.all(ongoing.envelopes >= np.abs(ongoing.courses) - 1e-9)
    spectrum = np.abs(np.fft.rfft(ongoing.envelopes[:, 0] - ongoing.envelopes.mean())) ** 2
    below_3_hz = np.fft.rfftfreq(len(ongoing.envelopes), 1 / SFREQ_HZ) < 3
    assert spectrum[below_3_hz].sum() > 0.98 * spectrum.sum()
    assert ongoing.envelopes.std() > 0.3 * ongoing.envelopes.mean()


@EVERY_KIND
def test_sources_lie_where_their_rhythm_does_and_never_on_the_medial_wall(shipped, rhythm):
    head = shipped.head
    for seed in range(3):
        ongoing = simulated(head, rhythm, n_sources=4, seed=seed, seconds=1, quiet_s=1)
        assert not ongoing.maps[:, ~head.is_cortex].any()
        for row in ongoing.maps:
            assert len(set(np.sign(row[row != 0]))) == 1
            assert 5e-9 <= np.abs(row).max() <= 10e-9
        peaks = np.abs(ongoing.maps).argmax(axis=1)
        if rhythm.regions:
            named = [head.atlas_names[head.atlas[peak]].rsplit("-", 1)[0] for peak in peaks]
            assert set(named) <= set(MU.regions)
        gaps_m = np.linalg.norm(head.dipoles_m[peaks][:, None] - head.dipoles_m[peaks], axis=2)
        assert gaps_m[np.triu_indices(4, 1)].min() >= 0.03


def test_sources_have_either_sign(toy_head):
    ongoing = [simulated(toy_head, n_sources=4, seed=s, seconds=1, quiet_s=1) for s in range(5)]
    signs = np.concatenate([np.sign(o.maps.sum(axis=1)) for o in ongoing])
    assert {*signs} == {-1.0, 1.0}


def test_a_rhythm_without_cortex_is_refused(toy_head):
    with pytest.raises(ConfigError, match=r"no dipole lies in precentral.*all-lh, all-rh"):
        simulated(toy_head, MU)
    nowhere = replace(toy_head, atlas_names=("unknown-lh", "all-rh"))
    ongoing = simulated(nowhere, n_sources=4)
    assert not ongoing.maps[:, : toy_head.n_left].any()


@pytest.mark.parametrize("snr", [0.5, 5.0])
def test_the_snr_is_that_of_the_filtered_eeg(toy_head, snr):
    ongoing = simulated(toy_head, n_sources=2, snr=snr)
    signal, background = parts_of(ongoing, toy_head)
    powers = [
        np.mean(band_pass(part, ALPHA.band_hz, SFREQ_HZ)[ongoing.n_quiet :] ** 2)
        for part in (signal, background)
    ]
    assert powers[0] / powers[1] == pytest.approx(snr, rel=1e-4)
    assert ongoing.snr == snr


def test_background_alone_comes_first_and_has_the_same_level(toy_head):
    ongoing = simulated(toy_head, seconds=10, quiet_s=10)
    assert ongoing.n_quiet == 2500
    assert ongoing.eeg.shape == (5000, 31)
    np.testing.assert_allclose(ongoing.eeg.mean(axis=1), 0, atol=1e-15)
    _, background = parts_of(ongoing, toy_head)
    # Short of the slowest waves, of which ten seconds hold only one.
    fast = band_pass(background, (4.0, 40.0), SFREQ_HZ)
    assert fast[2500:].std() == pytest.approx(fast[:2500].std(), rel=0.1)


def test_the_background_has_a_1_f_spectrum_and_its_own_alpha(shipped):
    ongoing = simulated(shipped.head, BETA, seconds=1, quiet_s=30, seed=3)
    quiet = ongoing.eeg[: ongoing.n_quiet]
    spectrum = (np.abs(np.fft.rfft(quiet, axis=0)) ** 2).mean(axis=1)
    frequencies_hz = np.fft.rfftfreq(len(quiet), 1 / SFREQ_HZ)

    def level(low_hz, high_hz):
        return spectrum[(frequencies_hz >= low_hz) & (frequencies_hz < high_hz)].mean()

    assert level(2, 4) > 2 * level(13, 20) > 2 * level(30, 60)
    assert level(8, 12) > 1.5 * (level(5, 7) + level(13, 16)) / 2


def test_the_filter_is_causal_and_passes_its_band():
    times_s = np.arange(2500) / SFREQ_HZ
    pulse = np.zeros(2500)
    pulse[1000] = 1.0
    assert not band_pass(pulse, ALPHA.band_hz, SFREQ_HZ)[:1000].any()
    for frequency_hz, lowest, highest in ((8, 0.8, 1.05), (10, 0.95, 1.05), (12, 0.8, 1.05),
                                          (3, 0, 0.05), (50, 0, 0.05)):  # fmt: skip
        passed = band_pass(np.sin(2 * np.pi * frequency_hz * times_s), ALPHA.band_hz, SFREQ_HZ)
        assert lowest <= np.abs(hilbert(passed))[1000:2000].mean() <= highest


def test_a_recording_depends_on_seed_and_number_alone(toy_head):
    head = replace(toy_head, atlas_names=("precentral-lh", "precentral-rh"))
    first, again = OngoingSet(1, head), OngoingSet(1, head)
    for i in (5, 0, 5):
        np.testing.assert_array_equal(first[i].eeg, again[i].eeg)
    assert not np.array_equal(first[0].eeg, OngoingSet(2, head)[0].eeg)
    some = [first[i] for i in range(12)]
    assert {(o.rhythm.name, len(o.maps)) for o in some} == {
        (rhythm.name, n) for rhythm in RHYTHMS for n in (1, 2, 3, 4)
    }
    assert all(0.5 <= o.snr <= 5 for o in some)


def test_the_truth_on_the_models_cortex_keeps_signs_and_energy(shipped):
    head = shipped.head
    ongoing = simulated(head, n_sources=3, seed=1)
    truth = truth_of(ongoing, head, head)
    np.testing.assert_allclose(truth.maps.sum(axis=1), ongoing.maps.sum(axis=1), rtol=1e-5)
    moments = truth.moments(slice(0, 10))
    assert moments.shape == (10, head.n_dipoles)
    expected = band_pass(ongoing.courses, ALPHA.band_hz, SFREQ_HZ)
    np.testing.assert_allclose(truth.courses, expected)


def test_a_rhythm_of_ones_own(toy_head):
    ongoing = simulated(toy_head, Rhythm("theta", (4.0, 7.0), ("all",)), seconds=10)
    spectrum = np.abs(np.fft.rfft(ongoing.courses[:, 0]))
    assert 4 <= np.fft.rfftfreq(2500, 1 / SFREQ_HZ)[spectrum.argmax()] <= 7
