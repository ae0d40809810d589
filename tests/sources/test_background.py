import numpy as np
from convdip.sources.background import background_eeg, coloured_noise


def test_spectrum_falls_as_asked():
    rng = np.random.default_rng(0)
    exponents = np.array([0.0, 1.0, 2.0])
    noise = coloured_noise(3, 2**16, 100.0, exponents, rng)
    power = np.abs(np.fft.rfft(noise, axis=0)) ** 2
    hz = np.fft.rfftfreq(2**16, 0.01)
    inside = (hz > 0.5) & (hz < 40)
    slopes = np.polyfit(np.log(hz[inside]), np.log(power[inside]), 1)[0]
    np.testing.assert_allclose(slopes, -exponents, atol=0.1)
    np.testing.assert_allclose(noise.std(axis=0), 1.0, rtol=1e-5)


def test_nothing_outside_the_band():
    noise = coloured_noise(2, 1000, 100.0, np.zeros(2), np.random.default_rng(0), (8.0, 12.0))
    power = np.abs(np.fft.rfft(noise, axis=0)) ** 2
    hz = np.fft.rfftfreq(1000, 0.01)
    assert power[(hz < 8) | (hz > 12)].max() < 1e-6 * power.max()


def test_background_is_average_referenced_correlated_eeg(toy_head):
    eeg = background_eeg(toy_head, 4000, 200.0, np.random.default_rng(3))
    assert eeg.shape == (4000, 31)
    assert np.abs(eeg.mean(axis=1)).max() < 1e-5
    assert abs(eeg.std() - 1) < 1e-3
    # Volume conduction: neighbours share most of their signal, a white amplifier's would not.
    channels = list(toy_head.channels)
    together = np.asarray(np.corrcoef(eeg.T))
    assert together[channels.index("O1"), channels.index("Oz")] > 0.5


def test_the_same_seed_gives_the_same_background(toy_head):
    first = background_eeg(toy_head, 500, 100.0, np.random.default_rng(7))
    second = background_eeg(toy_head, 500, 100.0, np.random.default_rng(7))
    np.testing.assert_array_equal(first, second)
