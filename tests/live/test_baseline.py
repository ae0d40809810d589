"""The person's own noise: gathered at rest, and used from then on."""

import time

import numpy as np
import pytest
from convdip import Imager
from convdip.errors import ConfigError
from convdip.live.baseline import Baseline
from convdip.live.conditioning import Filters
from convdip.sources.background import background_eeg

SFREQ_HZ = 100.0
NO_FILTER = Filters(None, None, None)


def unfiltered(bundle, network, **how):
    """Return an imager that neither filters nor leaves electrodes out."""
    return Imager(
        bundle.head.channels,
        "uV",
        sfreq_hz=SFREQ_HZ,
        filters=NO_FILTER,
        keep=True,
        model=bundle,
        network=network,
        **how,
    )


def covariances(n=12, seed=0):
    rng = np.random.default_rng(seed)
    root, other = rng.standard_normal((2, n, n))
    return root @ root.T, other @ other.T + n * np.eye(n)


def rest(covariance, n_times, seed=1):
    white = np.random.default_rng(seed).standard_normal((n_times, len(covariance)))
    return white @ np.linalg.cholesky(covariance).T * 1e-6


def test_it_is_the_covariance_of_what_was_seen_and_a_little_of_the_models():
    true, model = covariances()
    baseline = Baseline(12, SFREQ_HZ, 100)
    for piece in np.array_split(rest(true, 10_000), 99):
        assert not baseline.is_complete
        baseline.add(piece, np.ones(12, bool))
    assert baseline.is_complete
    expected = 0.9 * true * np.trace(model) / np.trace(true) + 0.1 * model
    found = baseline.covariance(model)
    np.testing.assert_allclose(found, expected, atol=0.05 * expected.max())


def test_an_electrode_that_was_bad_is_what_its_neighbours_tell():
    true, _ = covariances()
    baseline = Baseline(12, SFREQ_HZ, 10)
    eeg, good = rest(true, 1000), np.ones(12, bool)
    good[4] = False
    eeg[:, 4] = np.nan
    baseline.add(eeg, good)
    # The model knows the truth: so does the estimate, whatever the electrode measured.
    found = baseline.covariance(true)
    np.testing.assert_allclose(found, true, atol=0.15 * true.max())
    assert np.linalg.eigvalsh(found).min() > -1e-9


def test_it_is_positive_whatever_was_seen():
    true, model = covariances()
    rng = np.random.default_rng(3)
    baseline = Baseline(12, SFREQ_HZ, 10)
    for piece in np.array_split(rest(true, 1000), 40):
        baseline.add(piece, rng.random(12) < 0.97)
    assert np.linalg.eigvalsh(baseline.covariance(model)).min() > 0


def test_what_faded_counts_for_its_share():
    early, late = covariances()
    baseline = Baseline(12, SFREQ_HZ, 100)
    baseline.add(rest(early, 10_000, 6), np.ones(12, bool))
    states = [baseline.is_complete]
    baseline.fade(0.25)
    states.append(baseline.is_complete)
    baseline.add(rest(late, 10_000, 7), np.ones(12, bool))
    assert [*states, baseline.is_complete] == [True, False, True]
    model = np.eye(12)
    mixed = 0.2 * early + 0.8 * late
    expected = 0.9 * mixed * 12 / np.trace(mixed) + 0.1 * model
    np.testing.assert_allclose(baseline.covariance(model), expected, atol=0.05 * expected.max())


def test_a_short_baseline_is_refused():
    with pytest.raises(ConfigError, match="or more of EEG at rest"):
        Baseline(31, SFREQ_HZ, 2)


def test_the_imager_takes_it_once_it_is_there(any_cap, any_cap_network):
    """Made beside the loop: samples go on with the old noise, then with the new one."""
    head = any_cap.head
    imager = unfiltered(any_cap, any_cap_network, baseline_s=10)
    rng = np.random.default_rng(4)
    # Of this person's rest, half is a rhythm of one place.
    course = 5 * rng.standard_normal((3000, 1))
    topography = head.lead_field[:, 1500] / np.abs(head.lead_field[:, 1500]).max()
    eeg_uv = 2 * background_eeg(head, 3000, SFREQ_HZ, rng) + course * topography
    assert imager.noise == "model"
    before = imager.preparation.operator
    imager(eeg_uv[:990])
    np.testing.assert_array_equal(imager.preparation.operator.matrix, before.matrix)
    imager(eeg_uv[990:1010])
    deadline = time.monotonic() + 60
    for row in eeg_uv[1010:]:
        frame = imager(row[None])
        assert np.isfinite(frame.moments_nam).all()
        if imager.noise == "baseline":
            break
        assert time.monotonic() < deadline
        time.sleep(0.01)
    after = imager.preparation.operator
    assert not np.array_equal(after.matrix, before.matrix)
    # What is rest is white to it now.
    whitener = after.matrix[:, :30]
    whitened = (eeg_uv[1010:] - eeg_uv[1010:].mean(axis=1, keepdims=True)) @ whitener
    plain = (eeg_uv[1010:] - eeg_uv[1010:].mean(axis=1, keepdims=True)) @ before.matrix[:, :30]
    spread, was = (np.linalg.eigvalsh(np.cov(x, rowvar=False)) for x in (whitened, plain))
    assert 3 * spread[-1] / np.median(spread) < was[-1] / np.median(was)


def test_artefacts_are_no_baseline(any_cap, any_cap_network):
    head = any_cap.head
    imager = Imager(
        head.channels, "uV", sfreq_hz=SFREQ_HZ, baseline_s=5, model=any_cap, network=any_cap_network
    )
    rng = np.random.default_rng(5)
    eeg_uv = 5 * background_eeg(head, 1500, SFREQ_HZ, rng)
    # Someone chews all along.
    muscle_uv = 60 * rng.standard_normal((1500, 31))
    imager(eeg_uv + muscle_uv)
    time.sleep(0.5)
    imager(eeg_uv[:1])
    assert imager.noise == "model"


def test_a_renewed_baseline_follows_the_eeg(any_cap, any_cap_network):
    head = any_cap.head
    imager = unfiltered(any_cap, any_cap_network, baseline_s=5, renew_s=5)
    rng = np.random.default_rng(6)
    matrices = []
    for dipole in (1500, 1500, 3000, 3000):  # what is rest changes half-way
        topography = head.lead_field[:, dipole] / np.abs(head.lead_field[:, dipole]).max()
        course = 5 * rng.standard_normal((500, 1))
        eeg_uv = 2 * background_eeg(head, 500, SFREQ_HZ, rng) + course * topography
        imager(eeg_uv)
        deadline = time.monotonic() + 60
        while imager.n_baselines == len(matrices):
            assert time.monotonic() < deadline
            imager(eeg_uv[:1])
            time.sleep(0.01)
        matrices.append(imager.preparation.operator.matrix[:, :30])
    assert imager.n_baselines == 4
    seen = [
        [np.linalg.norm(head.lead_field[:, dipole] @ matrix) for matrix in matrices]
        for dipole in (1500, 3000)
    ]
    # What became rest is damped, and what is no longer is seen again.
    assert seen[0][3] > 1.2 * seen[0][1]
    assert seen[1][3] < seen[1][1] / 1.2


@pytest.mark.parametrize("renew_s", [1.0, 4.9])
def test_a_renewal_shorter_than_its_baseline_is_refused(any_cap, any_cap_network, renew_s):
    with pytest.raises(ConfigError, match="at least the 5 s of `baseline`"):
        Imager(
            any_cap.head.channels,
            "uV",
            sfreq_hz=SFREQ_HZ,
            baseline_s=5,
            renew_s=renew_s,
            model=any_cap,
            network=any_cap_network,
        )


def test_models_of_one_noise_take_none(shipped):
    with pytest.raises(ConfigError, match="for models that take any cap"):
        Imager(
            shipped.head.channels, "uV", sfreq_hz=100, baseline_s=10, model=shipped, provider="cpu"
        )
