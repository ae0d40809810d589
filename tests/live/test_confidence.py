from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from convdip import Imager
from convdip.errors import BundleError
from convdip.live.confidence import TERMS, Confidence
from convdip.live.network import Network
from convdip.live.operator import unlikeness_of
from convdip.patches import cortex_only, patch_dictionary

N = 60
# A term's number of dipoles may change by one with the last bits of a map.
ALIKE = 5e-3


@pytest.fixture(scope="module", params=["shipped", "any_cap"])
def bundle(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def network(bundle):
    return Network(bundle.model, bundle.head, "cpu")


@pytest.fixture(scope="module")
def imager(bundle, network):
    return Imager(bundle.head.channels, "volts", model=bundle, network=network)


@pytest.fixture(scope="module")
def planted(bundle):
    """One source anywhere on the cortex, its peak twenty times the SD of white noise; in volts."""
    head, rng = bundle.head, np.random.default_rng(0)
    cortex, triangles = cortex_only(head)
    patches = patch_dictionary(triangles, head.dipoles_m[cortex], 4)
    chosen = patches[rng.choice(cortex.size, N, replace=False)] * 8e-9
    signal = chosen @ head.lead_field[:, cortex].T
    noise = rng.standard_normal(signal.shape)
    return signal + np.abs(signal).max(axis=1, keepdims=True) / 20 * noise


def test_it_is_a_probability_of_every_sample(imager, planted):
    rng = np.random.default_rng(1)
    for eeg in (planted, rng.standard_normal((20, 31)), np.zeros((2, 31)), np.eye(31) * 1e-3):
        confidence = imager(eeg).confidence
        assert confidence.dtype == np.float32
        assert confidence.shape == (len(eeg),)
        assert ((confidence >= 0) & (confidence <= 1)).all()
    assert imager(np.zeros((1, 31))).confidence[0] < 0.05  # no EEG, no source


def test_sources_are_believed_and_what_no_brain_gives_is_not(imager, planted):
    rng = np.random.default_rng(2)
    of_sources = imager(planted).confidence
    assert np.median(of_sources) > 0.7
    for other in (rng.permuted(planted, axis=1), rng.standard_normal(planted.shape) * 1e-6):
        assert np.median(imager(other).confidence) < 0.2


def test_more_noise_is_less_confidence(imager, planted):
    noise = np.random.default_rng(3).standard_normal(planted.shape)
    size = np.abs(planted).max(axis=1, keepdims=True)
    means = [imager(planted + share * size * noise).confidence.mean() for share in (0, 0.2, 0.5, 2)]
    assert all(less < more for more, less in pairwise(means))


@pytest.mark.parametrize("factor", [-1, 20, 1e-3])
def test_neither_polarity_nor_unit_counts(imager, planted, factor):
    expected = imager(planted).confidence
    np.testing.assert_allclose(imager(factor * planted).confidence, expected, atol=ALIKE)


def test_neither_reference_nor_chunks_count(imager, planted):
    expected = imager(planted).confidence
    moved = imager(planted - planted[:, [4]]).confidence
    np.testing.assert_allclose(moved, expected, atol=ALIKE)
    alone = np.concatenate([imager(row[None]).confidence for row in planted[:10]])
    np.testing.assert_allclose(alone, expected[:10], atol=ALIKE)
    many = np.tile(planted, (10, 1))  # several runs of the network
    np.testing.assert_allclose(imager(many).confidence, np.tile(expected, 10), atol=ALIKE)


def test_what_is_not_imaged_has_none(bundle, network, planted):
    def of_signal(**how):
        labels = bundle.head.channels
        return Imager(labels, "volts", sfreq_hz=100.0, model=bundle, network=network, **how)

    assert np.isnan(of_signal()(np.zeros((300, 31))).confidence[-1])
    noise = 1e-5 * np.random.default_rng(4).standard_normal((300, 31))
    noise[200, 3] = np.nan
    frame = of_signal(keep=True)(noise)
    assert np.isnan(frame.confidence[200])
    np.testing.assert_array_equal(np.isnan(frame.confidence), np.isnan(frame.moments_nam[:, 0]))
    rails = of_signal(keep=True)(noise[:1] * 1e6)
    np.testing.assert_array_equal(np.isnan(rails.confidence), np.isnan(rails.goodness_of_fit))


def test_a_model_without_a_calibration_has_none(bundle, network, planted):
    card = {key: value for key, value in bundle.card.items() if key != "confidence"}
    plain = replace(bundle, card=card)
    frame = Imager(bundle.head.channels, "volts", model=plain, network=network)(planted)
    assert np.isnan(frame.confidence).all()
    assert np.isfinite(frame.goodness_of_fit).all()


def test_only_the_own_band_has_it(shipped):
    rng = np.random.default_rng(5)
    eeg = 1e-5 * rng.standard_normal((200, 31))
    how = {"sfreq_hz": 100.0, "model": shipped, "provider": "cpu"}
    plain = Imager(shipped.head.channels, "volts", **how)(eeg)
    several = Imager(shipped.head.channels, "volts", bands=[(8.0, 12.0)], **how)(eeg)
    np.testing.assert_allclose(several.confidence, plain.confidence, atol=ALIKE)


@pytest.mark.parametrize(
    "said",
    [
        None,
        "high",
        {},
        {"bias": 1.0},
        {"bias": 1.0, "weights": {}},
        {"bias": 1.0, "weights": {"lit": 0.0}},
        {"bias": float("nan"), "weights": {"fit": 1.0}},
        {"bias": 1.0, "weights": {"fit": "much"}},
        {"bias": 1.0, "weights": {"fit": 1.0, "charm": 2.0}},
        {"bias": 1.0, "weights": [1.0, 2.0]},
    ],
)
def test_a_damaged_card_is_one_clear_line(shipped, said):
    with pytest.raises(
        BundleError, match=r"`confidence` is .*: expected a number `bias`"
    ) as raised:
        Imager(
            shipped.head.channels, model=replace(shipped, card={**shipped.card, "confidence": said})
        )
    assert "\n" not in str(raised.value)
    assert "convdip-train calibrate" in str(raised.value)


def test_a_calibration_is_a_logistic_regression():
    says = Confidence.of_card({"confidence": {"bias": -1, "weights": {"fit": 2, "odds": 0.5}}})
    assert says is not None
    terms = np.zeros((3, len(TERMS)), np.float32)
    terms[:, TERMS.index("fit")] = 0, 1, 0.5
    terms[:, TERMS.index("odds")] = 0, 2, 0
    np.testing.assert_allclose(says(terms), 1 / (1 + np.exp([1, -2, 0])), atol=1e-6)
    assert Confidence.of_card({}) is None
    huge = Confidence.of_card({"confidence": {"bias": 0, "weights": {"fit": -1e30}}})
    assert huge is not None
    np.testing.assert_array_equal(huge(terms), [0.5, 0, 0])


def test_eeg_of_the_cortex_is_less_unlike_it_than_noise(any_cap):
    """Of any number of electrodes, and without those that are left out."""
    rng = np.random.default_rng(6)
    fields = any_cap.head.scalp.lead_field[:, any_cap.head.is_cortex]

    def median_of(eeg, unlikeness):
        eeg = eeg - eeg.mean(axis=1, keepdims=True)
        return np.median(np.vecdot(eeg @ unlikeness, eeg) / np.vecdot(eeg, eeg))

    for n in (19, 64, 128):
        field = fields[rng.choice(len(fields), n, replace=False)]
        field = field - field.mean(axis=0)
        unlikeness = unlikeness_of(field)
        of_cortex = median_of(field[:, ::50].T, unlikeness)
        assert 0.2 < of_cortex < 2
        assert median_of(rng.standard_normal((200, n)), unlikeness) > 3 * of_cortex
        with_zeros = np.insert(field, 5, 0, axis=0)
        shorter = np.delete(unlikeness_of(with_zeros), 5, axis=0)
        np.testing.assert_allclose(np.delete(shorter, 5, axis=1), unlikeness, rtol=1e-3, atol=1e-2)
