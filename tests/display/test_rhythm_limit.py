"""The scale of a band's power: rest is neither blank nor aglow, and nothing flickers."""

import numpy as np
import pytest
import scipy.sparse as sp
from convdip.display.rhythm_history import RhythmHistory
from convdip.display.rhythm_limit import RhythmLimit
from convdip.display.spectrum import spectrum_of

SFREQ_HZ, ALPHA, MAP_HZ = 250.0, (8.0, 13.0), 20.0
N_DIPOLES = 40
THRESHOLD = 0.25


def eeg(ratio, seed=0, n=2000):
    """Return EEG in µV with so many times the background's power in the band."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((n, 8)), axis=0)
    hz = np.fft.rfftfreq(n, 1 / SFREQ_HZ)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, hz[1]))[:, None], n, axis=0)
    power = spectrum_of(noise, SFREQ_HZ).mean.power(ALPHA)[0]
    sine = np.sin(2 * np.pi * 10.25 * np.arange(n) / SFREQ_HZ)[:, None]
    return noise + np.sqrt(2 * max(ratio - 1, 0) * power) * sine


class Course:
    """A brain whose band is so many times its background, second by second."""

    def __init__(self, mode="rolling", background_nam=2.0):
        self.history = RhythmHistory(np.ones(N_DIPOLES, bool), sp.csr_matrix(np.eye(N_DIPOLES)))
        self.limit = RhythmLimit(mode)
        self._background_nam, self._rng, self._n = background_nam, np.random.default_rng(1), 0

    def goes_on(self, ratio, seconds, *, is_known=True):
        """Return the largest strength of each map."""
        spectrum = spectrum_of(eeg(ratio), SFREQ_HZ) if is_known else None
        strengths = []
        for _ in range(round(seconds * MAP_HZ)):
            peak_nam = self._background_nam * np.sqrt(ratio) * self._rng.uniform(0.7, 1.3)
            one = np.linspace(0, peak_nam, N_DIPOLES, dtype=np.float32)[None]
            self._n += 1
            self.history.add(one, np.array([self._n / MAP_HZ]))
            if self.limit.is_due(self.history.newest_s):
                self.limit.update(self.history, spectrum, ALPHA)
            shown = self.history.at(self.history.newest_s)
            strengths.append(self.limit.strength(shown.moments_nam).max())
        return np.array(strengths)


@pytest.mark.parametrize("background_nam", [0.02, 2.0, 700.0])
def test_rest_is_seen_and_does_not_glow_and_a_rhythm_does(background_nam):
    course = Course(background_nam=background_nam)
    rest = course.goes_on(1.0, 20)
    assert ((rest > THRESHOLD) & (rest < 0.5)).all()
    glow = course.goes_on(8.0, 20)
    assert (glow[30:] > 0.6).all()
    rest = course.goes_on(1.0, 30)
    assert (rest[50:] < 0.5).all()
    assert (rest[200:] > THRESHOLD).all()


def test_nothing_flickers():
    course = Course()
    course.goes_on(3.0, 10)
    for ratio in (3.0, 1.0, 3.0):
        assert np.abs(np.diff(course.goes_on(ratio, 20))).max() < 0.12


def test_a_scale_of_moments_is_the_users():
    course = Course("fixed")
    course.limit.limit_nam = 8.0
    strengths = course.goes_on(1.0, 5)
    assert (course.limit.limit, course.limit.unit, course.limit.least) == (8.0, "nAm", 0.0)
    assert strengths.max() == pytest.approx(2.0 / 8, rel=0.3)


def test_a_background_that_is_locked_stays():
    course = Course()
    course.goes_on(1.0, 10)
    course.limit.is_locked = True
    one = np.full(N_DIPOLES, 3, np.float32)
    before = course.limit.strength(one)
    course.goes_on(20.0, 10)
    np.testing.assert_array_equal(course.limit.strength(one), before)


def test_without_eeg_the_map_is_seen_and_nothing_is_claimed():
    course = Course()
    strengths = course.goes_on(4.0, 20, is_known=False)
    assert np.isnan(course.limit.over_background)
    assert (strengths > THRESHOLD).all()
    assert (strengths < 0.9).all()


def test_silence_does_not_glow():
    course = Course(background_nam=0.0)
    assert course.goes_on(1.0, 5).max() <= 1 / 3 + 1e-6


def test_against_a_baseline_no_change_is_zero_and_a_tenth_is_minus_ten_decibels():
    course = Course("baseline")
    course.goes_on(1.0, 5)
    assert course.limit.baseline_end_s is not None
    course.goes_on(1.0, 12)
    assert course.limit.is_signed
    assert (course.limit.unit, course.limit.limit) == ("dB", 10.0)
    flat = np.zeros(N_DIPOLES, np.float32)
    baseline = course.limit._baseline
    assert baseline is not None
    np.testing.assert_allclose(course.limit.values(baseline), 0, atol=1e-5)
    strongest = course.limit.values(baseline * np.sqrt(10))[-1]
    assert 7 < strongest < 10
    assert course.limit.values(baseline * 0)[-1] < -7
    assert course.limit.values(flat)[0] == pytest.approx(0, abs=1e-4)
    assert np.abs(course.limit.strength(baseline * np.sqrt(10))).max() <= 1
    course.limit.restart()
    assert not course.limit.is_signed


def test_a_baseline_with_a_hole_is_taken_again():
    course = Course("baseline")
    course.goes_on(1.0, 5)
    course._n += round(60 * MAP_HZ)
    course.goes_on(1.0, 5)
    assert not course.limit.is_signed
    course.goes_on(1.0, 15)
    assert course.limit.is_signed


def test_maps_are_found_by_their_moment_and_never_an_old_one():
    history = RhythmHistory(np.ones(3, bool), sp.csr_matrix(np.eye(3)))
    assert history.at(0.0) is None
    for n in range(60):
        history.add(np.full((1, 3), float(n >= 20), np.float32), np.array([n / MAP_HZ]))
    assert history.at(0.9).moments_nam[0] == 0
    assert history.at(1.5).moments_nam[0] == pytest.approx(np.sqrt(11 / 20))
    assert history.at(2.9).moments_nam[0] == 1
    assert history.at(2.93).stamp == pytest.approx(2.9)
    assert history.at(-0.1) is None
    assert history.at(2.95 + 0.55).moments_nam[0] == 1
    assert history.at(2.95 + 0.65) is None
    history.add(np.full((1, 3), np.nan, np.float32), np.array([3.0]))
    assert history.newest_s == pytest.approx(2.95)
