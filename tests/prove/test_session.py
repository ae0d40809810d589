"""The session of a proof: every region has its sources, one place at a time."""

from collections import Counter

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.feedback.features import WINDOW_S
from convdip.feedback.regions import atlas_regions
from convdip.prove.session import (
    BANDS,
    FAR_MM,
    between_mm,
    middle_hz,
    peak_snrs,
    plan_session,
    simulate_plan,
)
from convdip.sources.simulator import MOMENT_NAM, SNR


@pytest.fixture(scope="module")
def plan(shipped):
    return plan_session(shipped.head, 1, 250.0, "random")


def test_every_region_has_a_pulse_of_each_sign_and_a_rhythm_in_each_band(plan, shipped):
    regions = atlas_regions(shipped.head)
    kinds = Counter(
        (trial.region, trial.band or int(np.sign(trial.source.moment_nam))) for trial in plan.trials
    )
    assert kinds == {(r, kind): 1 for r in range(len(regions)) for kind in (1, -1, *BANDS)}
    for trial in plan.trials:
        assert trial.source.dipole in regions[trial.region].dipoles
        assert trial.source.region == regions[trial.region].name
        assert MOMENT_NAM[0] <= abs(trial.source.moment_nam) <= MOMENT_NAM[1]


def test_pulses_are_alone_and_rhythms_of_one_time_far_apart(plan, shipped):
    distances_mm = between_mm(atlas_regions(shipped.head), shipped.head)
    first = [pulse.source.first for pulse in plan.pulses]
    last = [pulse.source.last for pulse in plan.pulses]
    assert min(np.subtract(first[1:], last[:-1])) > 0
    assert min(np.subtract(last, first)) / 250 >= WINDOW_S
    for at_once in zip(*(plan.rhythms(band) for band in BANDS), strict=True):
        assert len({rhythm.source.first for rhythm in at_once}) == 1
        places = [rhythm.region for rhythm in at_once]
        apart = distances_mm[np.ix_(places, places)][~np.eye(len(BANDS), dtype=bool)]
        assert apart.min() > FAR_MM
    assert max(trial.source.last for trial in plan.trials) < plan.n_times
    assert plan.n_times / 250 < 140


def test_a_rate_or_a_model_of_one_polarity_changes_no_place(plan, shipped):
    slow = plan_session(shipped.head, 1, 100.0, "random")
    assert [t.source.dipole for t in slow.trials] == [t.source.dipole for t in plan.trials]
    assert slow.n_times / 100 == pytest.approx(plan.n_times / 250, abs=2)
    positive = plan_session(shipped.head, 1, 250.0, "positive")
    assert len(positive.pulses) == len(plan.pulses) / 2
    assert all(trial.source.moment_nam > 0 for trial in positive.trials)


def test_a_quick_one_has_some_regions_for_each_seed_others(shipped):
    some, others = (
        {t.region for t in plan_session(shipped.head, seed, 250.0, "random", is_quick=True).trials}
        for seed in (1, 2)
    )
    assert len(some) == len(others) == 17
    assert some != others


@pytest.mark.parametrize(("seed", "sfreq_hz"), [(-1, 250.0), (1, 50.0), (1, 5000.0)])
def test_what_cannot_be_is_refused(shipped, seed, sfreq_hz):
    with pytest.raises(ConfigError, match="expected"):
        plan_session(shipped.head, seed, sfreq_hz, "random")


def test_noise_is_one_for_the_session_and_the_median_source_has_the_simulators_snr(plan, shipped):
    snrs = peak_snrs(plan, shipped.head)
    assert snrs.shape == (len(plan.trials),)
    assert np.median(snrs) == pytest.approx(SNR)
    assert snrs.max() > 2 * SNR > 4 * snrs.min()


def test_a_source_is_where_and_when_it_was_planned(shipped):
    """Without the background, which another seed draws: the difference of two sessions."""
    head = shipped.head
    plan = plan_session(head, 3, 250.0, "random", is_quick=True)
    eeg_uv = simulate_plan(plan, head, 3).eeg_uv.astype(float)
    pulse = max(plan.pulses, key=lambda trial: abs(trial.source.moment_nam))
    rhythm = plan.rhythms("beta")[0]
    assert eeg_uv.shape == (plan.n_times, head.n_electrodes)
    quiet_uv = eeg_uv[: plan.trials[0].source.first - 20].std(axis=0)

    topography = head.lead_field[:, pulse.source.dipole] * np.sign(pulse.source.moment_nam)
    on_uv = eeg_uv[pulse.source.first : pulse.source.last].mean(axis=0)
    assert np.corrcoef(on_uv, topography)[0, 1] > 0.6

    during = eeg_uv[rhythm.source.first : rhythm.source.last + 1]
    power = np.abs(np.fft.rfft(during, axis=0)).max(axis=1)
    peak_hz = np.fft.rfftfreq(len(during), 1 / 250)[10:][power[10:].argmax()]
    assert peak_hz == pytest.approx(middle_hz("beta"), abs=1.5)
    assert quiet_uv.max() > 0
