from itertools import pairwise

import numpy as np
import pytest
from convdip import EegChunk, Imager, match_montage
from convdip.errors import MontageError
from convdip.live.network import Network
from convdip.sources.patches import patch_dictionary


@pytest.fixture(scope="module")
def imager(shipped):
    montage = match_montage(shipped.head.channels, ["microvolts"] * 31, shipped.head.channels)
    return Imager(shipped, montage, Network(shipped.model, shipped.head, "cpu"))


def test_one_chunk_is_many_chunks(imager):
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal((100, 31)) * 20).astype(np.float32)
    stamps = 10 + np.arange(100) / 500
    whole = imager(EegChunk(samples, stamps))
    cuts = [0, 1, 2, 10, 64, 65, 100]
    for first, last in pairwise(cuts):
        part = imager(EegChunk(samples[first:last], stamps[first:last]))
        largest = np.abs(whole.sources).max()
        np.testing.assert_allclose(part.sources, whole.sources[first:last], atol=1e-5 * largest)
        np.testing.assert_allclose(
            part.goodness_of_fit, whole.goodness_of_fit[first:last], atol=1e-5
        )
        np.testing.assert_array_equal(part.timestamps, stamps[first:last])


def test_units_reference_and_order_of_the_stream_change_nothing(shipped, imager):
    channels = shipped.head.channels
    rng = np.random.default_rng(1)
    samples_uv = (rng.standard_normal((5, 31)) * 20).astype(np.float32)
    stamps = np.arange(5.0)
    expected = imager(EegChunk(samples_uv, stamps)).sources
    order = rng.permutation(31)
    montage = match_montage([channels[i] for i in order], ["mV"] * 31, channels)
    shifted_mv = ((samples_uv - samples_uv[:, [7]]) * 1e-3)[:, order]  # P7's reference: P7
    other = Imager(shipped, montage)(EegChunk(shifted_mv, stamps)).sources
    np.testing.assert_allclose(other, expected, atol=1e-4 * np.abs(expected).max())


def test_a_known_patch_comes_out_where_it_was_put_in(shipped, imager):
    """Noise-free patches of order 3, anywhere on the cortex."""
    head = shipped.head
    seeds = np.random.default_rng(2).choice(head.n_dipoles, 300, replace=False)
    patches = patch_dictionary(head.triangles, head.dipoles_m, 3)[seeds].toarray() * 8e-9
    eeg_uv = (patches @ head.lead_field.T * 1e6).astype(np.float32)
    frame = imager(EegChunk(eeg_uv, np.arange(300.0)))
    found = np.abs(frame.sources).argmax(axis=1)
    errors_mm = np.linalg.norm(head.dipoles_m[found] - head.dipoles_m[seeds], axis=1) * 1e3
    assert np.median(errors_mm) < 10
    assert np.percentile(errors_mm, 95) < 20
    assert np.median(frame.goodness_of_fit) > 0.95
    # Moments are of the right size: the sum over a patch is what the EEG sees.
    ratio = frame.sources.sum(axis=1) / patches.sum(axis=1)
    assert 0.5 < np.median(ratio) < 2


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_what_a_channel_that_is_not_used_holds_changes_nothing(shipped, imager, value):
    channels = shipped.head.channels
    samples = (np.random.default_rng(3).standard_normal((4, 31)) * 20).astype(np.float32)
    expected = imager(EegChunk(samples, np.arange(4.0))).sources
    montage = match_montage(["AUX", *channels], ["", *["uV"] * 31], channels)
    with_aux = np.column_stack([np.full(4, value), samples]).astype(np.float32)
    frame = Imager(shipped, montage)(EegChunk(with_aux, np.arange(4.0)))
    np.testing.assert_allclose(frame.sources, expected, atol=1e-5 * np.abs(expected).max())


def test_what_mne_gives_is_taken_and_what_is_turned_is_refused(imager):
    samples = np.random.default_rng(4).standard_normal((31, 6)) * 20  # float64, channels first
    assert imager(EegChunk(samples.T, np.arange(6.0))).sources.dtype == np.float32
    for wrong in (samples, samples.T[:5], samples.T[0]):
        with pytest.raises(MontageError, match="expected \\(n_times, n_channels\\)"):
            imager(EegChunk(wrong, np.arange(6.0)))
