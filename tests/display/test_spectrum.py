"""Spectra, and the background that rhythms rise from."""

import numpy as np
import pytest
from convdip.display.spectrum import over_background, spectrum_of

SFREQ_HZ = 250.0
ALPHA = (8.0, 13.0)


def spectrum(signals, sfreq_hz=SFREQ_HZ):
    found = spectrum_of(signals, sfreq_hz)
    assert found is not None
    return found


def coloured(exponent, n, seed=0, n_signals=4):
    """Return noise whose power falls with a power of frequency."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((n, n_signals)), axis=0)
    hz = np.fft.rfftfreq(n, 1 / SFREQ_HZ)
    hz[0] = hz[1]
    return np.fft.irfft(spectrum * hz[:, None] ** (-exponent / 2), n, axis=0)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_without_a_rhythm_no_band_rises_from_the_background(exponent):
    of_noise = spectrum(coloured(exponent, 5000))
    for band_hz in ((4, 8), ALPHA, (13, 30)):
        assert over_background(of_noise, band_hz) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_a_rhythm_is_counted_as_often_as_it_is_there_whatever_the_unit(factor):
    noise = coloured(1.0, 5000)
    before = spectrum(noise).mean
    band_power = before.power(ALPHA)[0]
    times = np.arange(5000) / SFREQ_HZ
    for ratio in (3.0, 10.0, 30.0):
        amplitude = np.sqrt(2 * (ratio - 1) * band_power)
        signal = noise + amplitude * np.sin(2 * np.pi * 10.25 * times)[:, None]
        found = spectrum(signal * factor)
        assert over_background(found, ALPHA) == pytest.approx(ratio, rel=0.25)
        assert over_background(found, (18, 30)) == pytest.approx(1, abs=0.3)


def test_densities_add_up_to_the_variance():
    noise = coloured(0.0, 50_000)
    np.testing.assert_allclose(spectrum(noise).power((0, 125)), noise.var(axis=0), rtol=0.15)


def test_too_little_or_too_slow_eeg_has_no_spectrum():
    assert spectrum_of(np.zeros((499, 3)), SFREQ_HZ) is None
    assert spectrum_of(np.zeros((0, 3)), SFREQ_HZ) is None
    assert spectrum_of(np.zeros((500, 3)), 5.0) is None


def test_silence_and_what_is_no_number_do_no_harm():
    silent = spectrum(np.zeros((1000, 3)))
    assert np.isfinite(over_background(silent, ALPHA))
    signal = coloured(1.0, 5000)
    signal[100:110] = np.nan
    assert np.isfinite(over_background(spectrum(signal), ALPHA))


def test_a_slow_stream_has_a_spectrum_as_far_as_it_goes():
    slow = spectrum(coloured(1.0, 5000), 32.0)
    assert slow.hz[-1] == 16
    assert np.isfinite(over_background(slow, ALPHA))
