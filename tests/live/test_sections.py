"""Filters of our own against SciPy's."""

import numpy as np
import pytest
from convdip.live.sections import Response, at_rest, band_pass, high_pass, notch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, iirnotch, sosfilt, sosfilt_zi, sosfreqz, tf2sos

RATES_HZ = st.floats(50, 20_000)


def agree(ours, scipys, sfreq_hz):
    hz = np.geomspace(sfreq_hz * 1e-5, sfreq_hz * 0.4999, 400)
    response = sosfreqz(scipys, hz, fs=sfreq_hz)[1]
    np.testing.assert_allclose(sosfreqz(ours, hz, fs=sfreq_hz)[1], response, atol=1e-8, rtol=1e-6)


@given(st.sampled_from([2, 4, 6]), RATES_HZ, st.floats(5e-4, 0.45))
def test_high_passes_are_scipys(order, sfreq_hz, edge):
    edge_hz = edge * sfreq_hz
    scipys = butter(order, edge_hz, "high", fs=sfreq_hz, output="sos")
    agree(high_pass(order, edge_hz, sfreq_hz), scipys, sfreq_hz)


@given(st.sampled_from([2, 4]), RATES_HZ, st.floats(2e-3, 0.4), st.floats(0.05, 0.95))
def test_band_passes_are_scipys(order, sfreq_hz, low, width):
    edges_hz = low * sfreq_hz, (low + width * (0.49 - low)) * sfreq_hz
    scipys = butter(order, edges_hz, "band", fs=sfreq_hz, output="sos")
    agree(band_pass(order, edges_hz, sfreq_hz), scipys, sfreq_hz)


@given(RATES_HZ, st.floats(0.01, 0.45))
def test_notches_are_scipys(sfreq_hz, centre):
    centre_hz = centre * sfreq_hz
    scipys = tf2sos(*iirnotch(centre_hz, centre_hz / 2.0, fs=sfreq_hz))
    np.testing.assert_allclose(notch(centre_hz, 2.0, sfreq_hz), scipys, rtol=1e-9, atol=1e-12)


@given(st.integers(1, 700), st.integers(0, 2**32 - 1))
def test_signals_are_filtered_as_by_scipy(n_times, seed):
    sections = np.concatenate([band_pass(2, (8, 12), 250.0), notch(50, 2, 250.0)])
    signals = np.random.default_rng(seed).standard_normal((3, n_times))
    expected = sosfilt(sections, signals)
    np.testing.assert_allclose(Response(sections, n_times)(signals), expected, atol=1e-12)


@pytest.mark.parametrize("sections", [high_pass(4, 0.1, 500), band_pass(2, (8, 30), 250)])
def test_states_at_rest_are_scipys(sections):
    np.testing.assert_allclose(at_rest(sections), sosfilt_zi(sections).ravel(), atol=1e-9)


def test_no_filter_has_no_state():
    assert at_rest(np.empty((0, 6))).shape == (0,)


def test_odd_orders_are_refused():
    with pytest.raises(ValueError, match="order 3"):
        high_pass(3, 1.0, 250.0)
