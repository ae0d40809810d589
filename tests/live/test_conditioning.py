"""Filters: causal, exact through any chunks, silent about offsets."""

import numpy as np
import pytest
from convdip import Filters
from convdip.errors import ConfigError
from convdip.live.conditioning import Conditioner
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import sosfilt, sosfilt_zi, sosfreqz

SFREQ_HZ = 250.0
KINDS = [
    Filters(),
    Filters(notch_hz=50.0),
    Filters(high_pass_hz=0.5, notch_hz=60.0),
    Filters(band_hz=(8.0, 12.0)),
    Filters(band_hz=(13.0, 30.0), notch_hz=50.0),
    Filters(None, None, None),
]


def eeg_v(n=400, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 5)) * 1e-5


@given(
    cuts=st.lists(st.integers(0, 400), max_size=8),
    filters=st.sampled_from(KINDS),
    offset_v=st.floats(-0.4, 0.4),
)
def test_one_chunk_is_many_to_the_last_bit(cuts, filters, offset_v):
    samples = eeg_v() + offset_v
    whole = Conditioner(filters, SFREQ_HZ)(samples)
    pieces = Conditioner(filters, SFREQ_HZ)
    found = [pieces(part) for part in np.split(samples, sorted(cuts))]
    np.testing.assert_array_equal(np.concatenate(found), whole)


@given(
    offsets_v=st.lists(st.floats(-0.4, 0.4), min_size=5, max_size=5),
    filters=st.sampled_from(KINDS[:-1]),
)
def test_an_offset_changes_nothing_from_the_first_sample_on(offsets_v, filters):
    samples = eeg_v()
    moved = Conditioner(filters, SFREQ_HZ)(samples + np.array(offsets_v))
    np.testing.assert_allclose(moved, Conditioner(filters, SFREQ_HZ)(samples), atol=1e-11)


@pytest.mark.parametrize("filters", KINDS[:-1])
def test_it_filters_as_scipy_does(filters):
    sections, samples = filters.sections(SFREQ_HZ), eeg_v(2000) + 0.2
    state = sosfilt_zi(sections)[:, :, None] * samples[0]
    expected, _ = sosfilt(sections, samples, axis=0, zi=state)
    found = Conditioner(filters, SFREQ_HZ)(samples)
    # Rounding of 0.2 V, in either: hundred-thousandths of a microvolt.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


def test_a_constant_drift_is_forgotten():
    time_s = np.arange(round(60 * SFREQ_HZ)) / SFREQ_HZ
    drift = time_s[:, None] * [1e-6, 1e-5, 1e-4, 0, -1e-4]
    conditioned = Conditioner(Filters(), SFREQ_HZ)(drift)
    assert np.abs(conditioned[round(40 * SFREQ_HZ) :]).max() < 1e-8


@pytest.mark.parametrize("hz", [50.0, 60.0])
def test_a_notch_that_comes_later_takes_mains_out_and_nothing_else(hz):
    time_s = np.arange(round(8 * SFREQ_HZ)) / SFREQ_HZ
    slow = 1e-5 * np.sin(2 * np.pi * 3 * time_s)[:, None] + 0.1
    mains = 1e-5 * np.sin(2 * np.pi * hz * time_s)[:, None]
    half = len(time_s) // 2
    without = Conditioner(Filters(notch_hz=None), SFREQ_HZ)(slow)
    later = Conditioner(Filters(notch_hz="auto"), SFREQ_HZ)
    np.testing.assert_array_equal(
        later(slow[:half] + mains[:half]),
        Conditioner(Filters(notch_hz=None), SFREQ_HZ)(slow[:half] + mains[:half]),
    )
    later.add_notch(hz)
    assert later.filters == Filters(notch_hz=hz)
    rest = later(slow[half:] + mains[half:])
    assert np.abs(rest - without[half:]).max() < 1.5e-5  # no step: 0.1 V is there
    settled = rest[round(SFREQ_HZ) :] - without[half + round(SFREQ_HZ) :]
    assert np.abs(settled).max() < 1e-6


def test_an_electrode_begins_anew_by_itself():
    conditioner = Conditioner(Filters(), SFREQ_HZ)
    samples = eeg_v(800)
    expected = Conditioner(Filters(), SFREQ_HZ)(samples)
    samples[400:, 2] += 0.3  # without a new beginning: rings for seconds
    conditioner(samples[:400])
    conditioner(samples[400:401])
    conditioner.reseed(np.array([2]))
    after = conditioner(samples[401:])
    np.testing.assert_array_equal(np.delete(after, 2, axis=1), np.delete(expected[401:], 2, axis=1))
    assert np.abs(after[:, 2]).max() < 6e-5


def test_after_a_restart_nothing_is_left_of_what_was():
    conditioner = Conditioner(Filters(notch_hz=50.0), SFREQ_HZ)
    conditioner(eeg_v() + 0.2)
    conditioner.restart()
    fresh = Conditioner(Filters(notch_hz=50.0), SFREQ_HZ)
    np.testing.assert_array_equal(conditioner(eeg_v(seed=1)), fresh(eeg_v(seed=1)))


@pytest.mark.parametrize("filters", KINDS[:-1])
def test_the_delay_is_that_of_the_phase_at_the_centre(filters):
    centre_hz = 10.0 if filters.band_hz is None else np.sqrt(np.prod(filters.band_hz))
    around_hz = np.array([centre_hz - 1e-3, centre_hz + 1e-3])
    _, response = sosfreqz(filters.sections(SFREQ_HZ), worN=around_hz, fs=SFREQ_HZ)
    delay_s = -np.diff(np.unwrap(np.angle(response)))[0] / (2 * np.pi * 2e-3)
    assert filters.delay_s(SFREQ_HZ) == pytest.approx(delay_s, rel=1e-3, abs=1e-7)


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf, 3e38, -11.0])
def test_where_no_voltage_comes_the_last_one_is_held(nothing):
    samples = eeg_v() + 0.05
    samples[100:130, 1] = nothing
    samples[:3, 4] = nothing
    held = samples.copy()
    held[100:130, 1] = samples[99, 1]
    held[:3, 4] = 0.0
    for cut in (1, 50, 400):
        conditioner = Conditioner(Filters(), SFREQ_HZ)
        found = [conditioner(samples[i : i + cut]) for i in range(0, 400, cut)]
        np.testing.assert_array_equal(np.concatenate(found), Conditioner(Filters(), SFREQ_HZ)(held))


@pytest.mark.parametrize("filters", [*KINDS, Filters(band_hz=(0.5, 40.0)), Filters(1e-3)])
def test_what_is_said_can_be_read(filters):
    read = Filters.from_text(str(filters))
    assert str(read) == str(filters)
    np.testing.assert_array_equal(read.sections(SFREQ_HZ), filters.sections(SFREQ_HZ))


@pytest.mark.parametrize(("band_hz", "notch_hz"), [((30.0, 120.0), 60.0), ((25.0, 100.0), 50.0)])
def test_a_notch_at_the_centre_of_the_band_has_a_delay_all_the_same(band_hz, notch_hz):
    """There, nothing passes; beside it, the delay is what it tends to."""
    at, beside = (Filters(band_hz=band_hz, notch_hz=hz) for hz in (notch_hz, notch_hz + 1e-3))
    assert at.delay_s(500.0) == pytest.approx(beside.delay_s(500.0), rel=0.01)


def test_what_is_done_is_said():
    assert str(Filters()) == "causal 0.1 Hz high-pass, order 2, notch where mains is found"
    assert str(Filters(band_hz=(8, 12), notch_hz=None)) == (
        "causal 8-12 Hz band-pass, order 2 at each edge"
    )
    assert str(Filters(None, None, None)) == "none"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"high_pass_hz": 0.0}, "`high_pass` is 0: expected Hz above 0"),
        ({"high_pass_hz": float("nan")}, "`high_pass` is nan"),
        ({"band_hz": (12.0, 8.0)}, "`band` is 12 to 8: expected two edges in Hz, the lower one"),
        ({"band_hz": (0.0, 8.0)}, "`band` is 0 to 8"),
        ({"notch_hz": -50.0}, "`notch` is -50"),
    ],
)
def test_an_edge_out_of_range_is_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        Filters(**wrong)


@pytest.mark.parametrize(
    "filters", [Filters(band_hz=(30.0, 70.0)), Filters(notch_hz=60.0), Filters(high_pass_hz=60.0)]
)
def test_an_edge_above_half_of_the_sampling_rate_is_refused(filters):
    with pytest.raises(ConfigError, match="expected less than 50 Hz, half of the stream's"):
        Conditioner(filters, 100.0)
