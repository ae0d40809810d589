"""Windows: the power of the last moments, beside the samples."""

import time

import numpy as np
import pylsl
import pytest
from convdip import Imager, Service
from convdip.errors import ConfigError
from convdip.live.conditioning import Filters
from convdip.live.window import as_strong_as, moments_nam, n_independent, posterior_kernel
from convdip.patches import patch_dictionary
from convdip.sources.background import background_eeg
from convdip.streams import stream_name

SFREQ_HZ = 125.0
NEAR_MM = 25.0


@pytest.fixture
def imager(any_cap, any_cap_network):
    def make(**how):
        how = {"filters": Filters(band_hz=(8, 12)), **how}
        labels = any_cap.head.channels
        return Imager(
            labels, "uV", sfreq_hz=SFREQ_HZ, model=any_cap, network=any_cap_network, **how
        )

    return make


def rhythm(head, seed, seconds, peak_nam=20.0, hz=10.0, noise_uv=2.0):
    """Return EEG in µV of a patch that oscillates, and its moments over time at the seed."""
    rng = np.random.default_rng(0)
    n = round(seconds * SFREQ_HZ)
    course = peak_nam * np.sin(2 * np.pi * hz * np.arange(n) / SFREQ_HZ)
    patch = patch_dictionary(head.triangles, head.dipoles_m, 3)[[seed]].toarray()[0]
    eeg_uv = course[:, None] * (head.lead_field @ patch) * 1e-3
    return eeg_uv + noise_uv * background_eeg(head, n, SFREQ_HZ, rng), course


def test_a_rhythm_is_found_and_its_strength(any_cap, imager):
    head = any_cap.head
    for seed in np.flatnonzero(head.is_cortex)[[700, 2600, 4000]]:
        image = imager(window_s=1.0)
        eeg_uv, course = rhythm(head, seed, 6)
        image(eeg_uv)
        _, rms_nam, probability = image.window.look()
        assert rms_nam.shape == probability.shape == (head.n_dipoles,)
        assert rms_nam.min() >= 0
        assert ((probability >= 0) & (probability <= 1)).all()
        assert not rms_nam[~head.is_cortex].any()
        found = head.strongest(rms_nam)
        error_mm = np.linalg.norm(head.dipoles_m[found] - head.dipoles_m[seed]) * 1e3
        assert error_mm < NEAR_MM
        # The sum over the patch is what the EEG sees, as closely as it sees anything.
        patch = patch_dictionary(head.triangles, head.dipoles_m, 3)[[seed]].toarray()[0]
        true = patch.sum() * np.sqrt(np.mean(np.square(course)))
        near = np.linalg.norm(head.dipoles_m - head.dipoles_m[seed], axis=1) < 0.03
        assert 0.3 < rms_nam[near].sum() / true < 3


def test_cuts_change_nothing(imager, any_cap):
    eeg_uv, _ = rhythm(any_cap.head, 1500, 4)
    whole, pieces = imager(window_s=0.5), imager(window_s=0.5)
    whole(eeg_uv)
    for piece in np.array_split(eeg_uv, 37):
        pieces(piece)
    expected, found = whole.window.power(), pieces.window.power()
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.max())


def test_there_is_no_power_before_the_window_is_full_nor_after_a_gap(imager, any_cap):
    eeg_uv, _ = rhythm(any_cap.head, 1500, 4)
    image = imager(window_s=1.0)
    image(eeg_uv[:124])
    assert image.window.power() is None
    image(eeg_uv[124:130])
    assert image.window.power() is not None
    image.preparation.restart()
    image(eeg_uv[130:140])
    assert image.window.power() is None
    image(eeg_uv[140:])
    assert image.window.power() is not None


def test_a_bad_electrode_is_left_out_of_what_is_past_too(imager, any_cap):
    eeg_uv, _ = rhythm(any_cap.head, 1500, 3)
    good, railed = imager(window_s=1.0), imager(window_s=1.0)
    good(eeg_uv)
    railed_uv = eeg_uv.copy()
    railed_uv[-30:, any_cap.head.channels.index("C4")] = 1e6
    railed(railed_uv)
    assert "C4" in railed.preparation.operator.left_out
    head = any_cap.head
    peaks = [head.dipoles_m[head.strongest(i.window.power())] for i in (good, railed)]
    assert np.linalg.norm(peaks[0] - peaks[1]) * 1e3 < NEAR_MM


def test_independent_samples_are_counted():
    rng = np.random.default_rng(1)
    white = rng.standard_normal((200, 30)).astype(np.float32)
    assert n_independent(white) == pytest.approx(200, rel=0.1)
    slow = np.repeat(white[:20], 10, axis=0)
    assert n_independent(slow) == pytest.approx(20, rel=0.5)
    assert n_independent(np.ones((50, 30), np.float32)) < 3
    assert n_independent(np.zeros((50, 30), np.float32)) == 1


def test_moments_scale_with_the_eeg():
    rng = np.random.default_rng(2)
    gains = rng.standard_normal((50, 32)).astype(np.float32)
    amplitude = rng.uniform(size=50).astype(np.float32)
    root = rng.standard_normal((32, 32))

    def moments(amplitude, covariance):
        return moments_nam(posterior_kernel(amplitude, gains, covariance, 32), covariance)

    once = moments(amplitude, root @ root.T)
    np.testing.assert_allclose(moments(amplitude * 7, 4 * root @ root.T), 2 * once, rtol=1e-3)
    assert not moments(amplitude * 0, root @ root.T).any()


def test_moments_follow_the_map_and_keep_their_course_and_scale():
    rng = np.random.default_rng(3)
    kernel = rng.standard_normal((50, 32)).astype(np.float32) * 1e-9
    kernel[7] = 0
    root = rng.standard_normal((32, 32))
    strength = rng.uniform(0.1, 1, 50).astype(np.float32)
    strength[[3, 7]] = 0
    scaled, rms_nam = as_strong_as(strength, kernel, root @ root.T)
    before, after = (moments_nam(k, root @ root.T) for k in (kernel, scaled))
    np.testing.assert_allclose(rms_nam, after, rtol=1e-4)
    seen = before > 0
    ratio = after[seen] / strength[seen].clip(1e-6)
    np.testing.assert_allclose(ratio[after[seen] > 0], np.median(ratio), rtol=1e-4)
    assert not after[[3, 7]].any()
    # The scale that fits best: the difference is at a right angle to the map.
    assert abs((after - before) @ strength) < 1e-3 * (before @ strength)
    others = seen & (strength > 0)
    was, now = (k[others] / np.linalg.norm(k[others], axis=1)[:, None] for k in (kernel, scaled))
    np.testing.assert_allclose(now, was, atol=1e-5)


@pytest.mark.parametrize("window", [0.001, 0.0, -1.0, 60.0])
def test_windows_of_no_length_or_too_long_are_refused(imager, window):
    with pytest.raises(ConfigError, match="two samples or more"):
        imager(window_s=window)


def test_models_of_single_samples_have_no_windows(shipped):
    with pytest.raises(ConfigError, match="for models that take any cap"):
        Imager(shipped.head.channels, "uV", sfreq_hz=100, window_s=1, model=shipped, provider="cpu")


def test_power_goes_out_with_the_stamp_of_the_last_sample(any_cap, unique, doubles_outlet):
    head = any_cap.head
    eeg_uv, _ = rhythm(head, 1500, 4)
    outlet = doubles_outlet(unique, head.channels, SFREQ_HZ, f"id-{unique}")
    with Service(
        unique, unique, model=str(any_cap.path), provider="cpu", band=(8, 12), window=0.5, wait_s=60
    ):
        assert outlet.wait_for_consumers(60)
        [info] = pylsl.resolve_byprop("name", stream_name(unique, "Power"), timeout=60)
        assert info.type() == "SourcePower"
        assert info.channel_count() == head.n_dipoles
        inlet = pylsl.StreamInlet(info)
        inlet.open_stream(timeout=60)
        described = inlet.info(timeout=60).desc()
        assert described.child("timing").child_value("window_s") == "0.5"
        stamps = pylsl.local_clock() + np.arange(len(eeg_uv)) / SFREQ_HZ
        maps: list[list[float]] = []
        at: list[float] = []
        for rows in np.array_split(np.arange(len(eeg_uv)), 100):
            time.sleep(max(0.0, stamps[rows][-1] - pylsl.local_clock()))
            outlet.push_chunk(np.ascontiguousarray(eeg_uv[rows]), stamps[rows].tolist())
            new, when = inlet.pull_chunk(timeout=0.0)
            maps += new
            at += when
        while len(at) <= 3:  # on a busy computer they come seldom
            new, when = inlet.pull_chunk(timeout=60, min_samples=1)
            assert when, "it gave no more powers"
            maps += new
            at += when
        powers, ends = np.array(maps), np.array(at)
    assert len(powers) > 3
    assert (np.diff(ends) > 0).all()
    assert np.abs(stamps[:, None] - ends[None]).min(axis=0).max() < 1e-6
    assert ends[0] - stamps[0] > 0.49
    errors_mm = (
        np.linalg.norm(head.dipoles_m[head.strongest(maps)] - head.dipoles_m[1500], axis=1) * 1e3
    )
    assert np.median(errors_mm[len(maps) // 2 :]) < NEAR_MM
