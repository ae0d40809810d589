"""Rhythms: the power of a band over the last second, for whoever looks."""

import time

import numpy as np
import pylsl
import pytest
from convdip import Imager, Service
from convdip.errors import ConfigError
from convdip.live.conditioning import Filters
from convdip.live.rhythms import USUAL_BANDS
from convdip.live.settings import Settings
from convdip.patches import patch_dictionary
from convdip.sources.background import background_eeg
from convdip.streams import band_of, stream_name

SFREQ_HZ = 125.0
NEAR_MM = 25.0
ALPHA, BETA = (8.0, 13.0), (13.0, 30.0)


def rhythm(head, seed, seconds, hz=10.0, noise_uv=4.0):
    """Return EEG in µV of a patch that oscillates."""
    n = round(seconds * SFREQ_HZ)
    course = 20 * np.sin(2 * np.pi * hz * np.arange(n) / SFREQ_HZ)
    patch = patch_dictionary(head.triangles, head.dipoles_m, 3)[[seed]].toarray()[0]
    eeg_uv = course[:, None] * (head.lead_field @ patch) * 1e-3
    return eeg_uv + noise_uv * background_eeg(head, n, SFREQ_HZ, np.random.default_rng(0))


@pytest.fixture(params=["shipped", "any_cap"])
def imager(request):
    """Return imagers of a model for one cap, and of one for any, that somebody looks at."""
    bundle = request.getfixturevalue(request.param)
    how = {"network": request.getfixturevalue("any_cap_network")} if "any" in request.param else {}

    def make(rhythms=(ALPHA, BETA), **more):
        return Imager(
            bundle.head.channels,
            "uV",
            sfreq_hz=SFREQ_HZ,
            rhythms=rhythms,
            model=bundle,
            provider="cpu",
            **how,
            **more,
        )

    return make


def error_mm(head, rms_nam, seed):
    return np.linalg.norm(head.dipoles_m[head.strongest(rms_nam)] - head.dipoles_m[seed]) * 1e3


def test_a_rhythm_is_found_in_its_band_and_not_in_another(imager):
    for hz, own, other in ((10, 0, 1), (20, 1, 0)):
        image = imager(keep=True)  # so clean a rhythm looks odd beside its neighbours
        head = image.bundle.head
        for seed in np.flatnonzero(head.is_cortex)[[700, 4000]]:
            image.preparation.restart()
            image(rhythm(head, seed, 4, hz))
            powers = [one.power() for one in image.rhythms]
            assert powers[own].shape == (head.n_dipoles,)
            assert powers[own].min() >= 0
            assert error_mm(head, powers[own], seed) < NEAR_MM
            assert powers[own].max() > 2 * powers[other].max()


def test_cuts_change_nothing(imager):
    whole, pieces = imager(), imager()
    eeg_uv = rhythm(whole.bundle.head, 1500, 4)
    whole(eeg_uv)
    for piece in np.array_split(eeg_uv, 37):
        pieces(piece)
    for one, other in zip(whole.rhythms, pieces.rhythms, strict=True):
        expected = one.power()
        np.testing.assert_allclose(other.power(), expected, atol=1e-3 * expected.max())


def test_what_was_looked_at_in_between_changes_nothing(imager):
    once, often = imager(), imager()
    eeg_uv = rhythm(once.bundle.head, 1500, 3)
    once(eeg_uv)
    for piece in np.array_split(eeg_uv, 23):
        often(piece)
        for one in often.rhythms:
            one.power()
    for one, other in zip(once.rhythms, often.rhythms, strict=True):
        expected = one.power()
        np.testing.assert_allclose(other.power(), expected, atol=1e-3 * expected.max())


def test_there_is_nothing_before_a_second_and_a_half_nor_after_a_gap(imager):
    image = imager()
    eeg_uv = rhythm(image.bundle.head, 1500, 4)
    image(eeg_uv[:180])
    assert all(one.power() is None for one in image.rhythms)
    image(eeg_uv[180:200])
    assert all(one.power() is not None for one in image.rhythms)
    image.preparation.restart()
    image(eeg_uv[200:350])
    assert all(one.power() is None for one in image.rhythms)


def test_whoever_looks_late_sees_the_last_second_at_once_and_little_is_kept(imager):
    late, always = imager([ALPHA]), imager([ALPHA])
    eeg_uv = rhythm(late.bundle.head, 1500, 6)
    for piece in np.array_split(eeg_uv, 50):
        late(piece)
        always(piece)
        always.rhythms[0].power()
    for one, other in zip(always.rhythms, late.rhythms, strict=True):
        assert sum(len(eeg) for eeg, _ in other._waiting) <= 2 * SFREQ_HZ + 15
        expected = one.power()
        np.testing.assert_allclose(other.power(), expected, atol=0.05 * expected.max())


def test_an_electrode_that_fails_and_comes_back_leaves_nothing_behind(imager):
    good = imager([ALPHA])
    head = good.bundle.head
    seed = np.flatnonzero(head.is_cortex)[2600]
    eeg_uv = rhythm(head, seed, 14)
    chunks = np.array_split(np.arange(len(eeg_uv)), 28)
    expected = []
    for rows in chunks:
        good(eeg_uv[rows])
        expected.append(good.rhythms[0].power())
    n_bad = round(3 * SFREQ_HZ)
    for at in (1e6, np.nan):
        failed = imager([ALPHA])
        spoilt_uv = eeg_uv.copy()
        spoilt_uv[n_bad : 2 * n_bad, head.channels.index("C4")] = at
        was_left_out, n_without = False, 0
        for rows, power in zip(chunks, expected, strict=True):
            failed(spoilt_uv[rows])
            was_left_out |= "C4" in failed.preparation.operator.left_out
            if rows[-1] > 1.5 * SFREQ_HZ + 20:
                found = failed.rhythms[0].power()
                if found is None:  # a covariance begins anew with the electrode that is back
                    n_without += len(rows)
                    continue
                assert error_mm(head, found, seed) < NEAR_MM, (at, rows[0])
                assert found.max() < 1.5 * power.max()
        assert was_left_out
        assert n_without <= SFREQ_HZ + 40
        assert not failed.preparation.operator.left_out
        np.testing.assert_allclose(found, power, atol=0.02 * power.max())


def test_a_band_that_the_eeg_is_filtered_to_already_is_not_filtered_again(imager):
    image = imager(rhythms=[(8, 12)], filters=Filters(band_hz=(8, 12)))
    head = image.bundle.head
    [one] = image.rhythms
    assert str(one.filters) == "none"
    assert one.delay_s == 0
    image(rhythm(head, 1500, 4))
    assert error_mm(head, one.power(), 1500) < NEAR_MM


def test_the_bands_that_can_be_looked_at():
    assert Settings().rhythms(500) == USUAL_BANDS
    assert Settings().rhythms(50) == USUAL_BANDS[:2]
    assert Settings(rhythm=(10, 12)).rhythms(500) == (*USUAL_BANDS, (10, 12))
    assert Settings(rhythm=(8, 13)).rhythms(500) == USUAL_BANDS
    assert Settings(band=(8, 12)).rhythms(500) == ((8, 12),)
    with pytest.raises(ConfigError, match="half of the stream's sampling rate"):
        Settings(rhythm=(20, 70)).rhythms(100)
    with pytest.raises(ConfigError, match="the lower one first"):
        Settings(rhythm=(12, 8))
    with pytest.raises(ConfigError, match="`rhythm` beside `band`"):
        Settings(rhythm=(10, 12), band=(8, 12))


def test_a_rhythm_goes_out_to_whoever_looks_and_says_what_it_is(shipped, unique, doubles_outlet):
    head = shipped.head
    eeg_uv = rhythm(head, 1500, 6)
    outlet = doubles_outlet(unique, head.channels, SFREQ_HZ, f"id-{unique}")
    with Service(unique, unique, provider="cpu", rhythm=(9, 11), wait_s=60):
        assert outlet.wait_for_consumers(60)
        name = f"{stream_name(unique, 'Power')}-9-11"
        assert band_of(name, unique) == (9, 11)
        [info] = pylsl.resolve_byprop("name", name, timeout=60)
        assert info.type() == "SourcePower"
        inlet = pylsl.StreamInlet(info)
        inlet.open_stream(timeout=60)
        desc = inlet.info(timeout=60).desc()
        assert desc.child("timing").child_value("window_s") == "1"
        assert desc.child("band").child_value("low_hz") == "9"
        assert "9-11 Hz band-pass" in desc.child("provenance").child_value("filter")
        assert float(desc.child("timing").child_value("delay_s")) > 0.05
        stamps = pylsl.local_clock() + np.arange(len(eeg_uv)) / SFREQ_HZ
        maps, ends = [], []

        def read():
            new, when = inlet.pull_chunk(timeout=0.0)
            maps.extend(new)
            ends.extend(when)

        for rows in np.array_split(np.arange(len(eeg_uv)), 100):
            time.sleep(max(0.0, stamps[rows][-1] - pylsl.local_clock()))
            outlet.push_chunk(np.ascontiguousarray(eeg_uv[rows]), stamps[rows].tolist())
            read()
        deadline = time.monotonic() + 60
        while not (ends and ends[-1] > stamps[-1] - 2):
            assert time.monotonic() < deadline, ends[-1:]
            read()
            time.sleep(0.01)
    assert len(maps) > 3
    assert (np.diff(ends) > 0).all()
    assert np.abs(stamps[:, None] - np.array(ends)[None]).min(axis=0).max() < 1e-6
    assert error_mm(head, np.array(maps[-1]), 1500) < NEAR_MM
