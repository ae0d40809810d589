from itertools import pairwise

import numpy as np
import pytest
from convdip import Imager
from convdip.errors import MontageError
from convdip.live.conditioning import Filters
from convdip.live.network import Network
from convdip.patches import patch_dictionary


@pytest.fixture(scope="module")
def imager(shipped):
    network = Network(shipped.model, shipped.head, "cpu")
    return Imager(shipped.head.channels, model=shipped, network=network)


def test_one_chunk_is_many_chunks(imager):
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal((100, 31)) * 20).astype(np.float32)
    stamps = 10 + np.arange(100) / 500
    whole = imager(samples, stamps)
    cuts = [0, 1, 2, 10, 64, 65, 100]
    for first, last in pairwise(cuts):
        part = imager(samples[first:last], stamps[first:last])
        largest = np.abs(whole.moments_nam).max()
        np.testing.assert_allclose(
            part.moments_nam, whole.moments_nam[first:last], atol=1e-5 * largest
        )
        np.testing.assert_allclose(
            part.goodness_of_fit, whole.goodness_of_fit[first:last], atol=1e-5
        )
        np.testing.assert_array_equal(part.timestamps, stamps[first:last])


def test_units_reference_and_order_of_the_stream_change_nothing(shipped, imager):
    channels = shipped.head.channels
    rng = np.random.default_rng(1)
    samples_uv = (rng.standard_normal((5, 31)) * 20).astype(np.float32)
    stamps = np.arange(5.0)
    expected = imager(samples_uv, stamps).moments_nam
    order = rng.permutation(31)
    other = Imager([channels[i] for i in order], "mV", model=shipped)
    shifted_mv = ((samples_uv - samples_uv[:, [7]]) * 1e-3)[:, order]  # P7's reference: P7
    found = other(shifted_mv, stamps).moments_nam
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_known_patch_comes_out_where_it_was_put_in(shipped, imager):
    """Noise-free patches of order 3, anywhere on the cortex."""
    head = shipped.head
    seeds = np.random.default_rng(2).choice(head.n_dipoles, 300, replace=False)
    patches_nam = patch_dictionary(head.triangles, head.dipoles_m, 3)[seeds].toarray() * 8
    eeg_uv = (patches_nam @ head.lead_field.T * 1e-3).astype(np.float32)
    frame = imager(eeg_uv)
    found = np.abs(frame.moments_nam).argmax(axis=1)
    errors_mm = np.linalg.norm(head.dipoles_m[found] - head.dipoles_m[seeds], axis=1) * 1e3
    assert np.median(errors_mm) < 10
    assert np.percentile(errors_mm, 95) < 20
    assert np.median(frame.goodness_of_fit) > 0.95
    # Moments are of the right size: the sum over a patch is what the EEG sees.
    ratio = frame.moments_nam.sum(axis=1) / patches_nam.sum(axis=1)
    assert 0.5 < np.median(ratio) < 2


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_what_a_channel_that_is_not_used_holds_changes_nothing(shipped, imager, value):
    channels = shipped.head.channels
    samples = (np.random.default_rng(3).standard_normal((4, 31)) * 20).astype(np.float32)
    expected = imager(samples).moments_nam
    other = Imager(["AUX", *channels], ["", *["uV"] * 31], model=shipped)
    with_aux = np.column_stack([np.full(4, value), samples]).astype(np.float32)
    frame = other(with_aux)
    np.testing.assert_allclose(frame.moments_nam, expected, atol=1e-5 * np.abs(expected).max())


def test_what_mne_gives_is_taken_and_what_is_turned_is_refused(imager):
    samples = np.random.default_rng(4).standard_normal((31, 6)) * 20  # float64, channels first
    assert imager(samples.T).moments_nam.dtype == np.float32
    for wrong in (samples, samples.T[0]):
        with pytest.raises(MontageError, match="expected \\(n_times, n_channels\\)"):
            imager(wrong)
    with pytest.raises(MontageError, match="5 samples have 6 time stamps"):
        imager(samples.T[:5], np.arange(6.0))


def test_maps_are_moments_without_their_scale(imager):
    samples = np.random.default_rng(5).standard_normal((4, 31)) * 20
    maps, moments_nam = imager.maps(samples), imager(samples).moments_nam
    unit = maps / np.linalg.norm(maps, axis=1, keepdims=True)
    scaled = moments_nam / np.linalg.norm(moments_nam, axis=1, keepdims=True)
    signs = np.sign(np.vecdot(scaled, unit))[:, None]  # of the scale that fits the EEG
    np.testing.assert_allclose(signs * scaled, unit, atol=1e-5)


def test_a_recording_in_pieces_is_a_recording_at_once(imager):
    """More samples than one run takes are imaged on all cores."""
    n = 2 * imager.network.batch + 3
    samples = np.random.default_rng(6).standard_normal((n, 31)) * 20
    whole = imager(samples)
    assert np.isnan(whole.timestamps).all()
    largest = np.abs(whole.moments_nam).max()
    for first in (0, n - 5):
        part = imager(samples[first : first + 5])
        rows = slice(first, first + 5)
        np.testing.assert_allclose(part.moments_nam, whole.moments_nam[rows], atol=1e-5 * largest)
        np.testing.assert_allclose(part.goodness_of_fit, whole.goodness_of_fit[rows], atol=1e-5)


def test_each_band_is_what_it_would_be_alone(shipped):
    """In one run of the network, whatever the electrodes do."""
    rng, bands = np.random.default_rng(5), [(8.0, 12.0), (13.0, 30.0)]

    def imager(**how):
        return Imager(
            shipped.head.channels, "uV", sfreq_hz=100.0, model=shipped, provider="cpu", **how
        )

    several, plain = imager(bands=bands), imager()
    eeg_uv = 10 * rng.standard_normal((700, 31))
    eeg_uv[300:420, 4] = 0.0  # an electrode that goes flat
    eeg_uv[500, 7] = np.nan
    for part in np.array_split(eeg_uv, 60):
        frame, alone = several(part), plain(part)
        np.testing.assert_allclose(frame.moments_nam, alone.moments_nam, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(frame.goodness_of_fit, alone.goodness_of_fit, rtol=1e-3)
        np.testing.assert_array_equal(frame.timestamps, alone.timestamps)
        assert len(frame.bands) == 2
        assert all(moments.shape == frame.moments_nam.shape for moments in frame.bands)
        assert alone.bands == ()
    # Which electrodes are left out is judged on what the service filters, so only while none is.
    clean = 10 * rng.standard_normal((90, 31))
    for moments, band in zip(imager(bands=bands)(clean).bands, bands, strict=True):
        own = imager(filters=Filters(band_hz=band))(clean).moments_nam
        np.testing.assert_allclose(moments, own, rtol=1e-3, atol=1e-4)
