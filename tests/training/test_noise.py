import shutil

import mne
import numpy as np
import pytest
from convdip.errors import RecordingError
from convdip_training.config import NoiseConfig
from convdip_training.noise import noise_pool


def check(pool, n_segments):
    assert pool.shape == (n_segments, 100, 31)
    assert pool.dtype == np.float32
    np.testing.assert_allclose(pool.std(axis=1).max(axis=1), 1.0, rtol=1e-4)
    np.testing.assert_allclose(pool.mean(axis=2), 0.0, atol=1e-4)  # average reference
    np.testing.assert_allclose(pool[:, :10].mean(axis=1), 0.0, atol=1e-4)  # baseline
    spectra = np.fft.rfft(pool * np.hanning(100)[:, None], axis=1)
    power = (np.abs(spectra) ** 2).mean(axis=(0, 2))
    assert power[2:12].mean() > 30 * power[38:].mean()  # 1/f, and nothing above 30 Hz


def test_synthetic_noise_goes_through_the_papers_chain(toy_head, tmp_path):
    config = NoiseConfig(n_segments=60)
    pool = noise_pool(config, toy_head, seed=1, cache=tmp_path)
    check(pool, 60)
    np.testing.assert_array_equal(noise_pool(config, toy_head, 1, tmp_path), pool)
    assert not np.array_equal(noise_pool(config, toy_head, 2, tmp_path), pool)


@pytest.mark.parametrize("name", ["eegmat/Subject00_1.edf", "eegmmidb_S001/S001R01.edf"])
def test_recorded_noise_goes_through_the_papers_chain(recording, toy_head, tmp_path, name):
    config = NoiseConfig(recordings=(str(recording(f"eeg/{name}")),), n_segments=40)
    check(noise_pool(config, toy_head, seed=1, cache=tmp_path), 40)


def test_a_recording_with_too_few_electrodes_is_refused(recording, toy_head, tmp_path):
    path = recording("xdf/muse_sub-P002_ses-S001_task-Default_run-001_eeg.xdf")
    with pytest.raises(RecordingError, match="4 electrodes of known places"):
        noise_pool(NoiseConfig(recordings=(str(path),)), toy_head, seed=1, cache=tmp_path)


def test_changed_recordings_are_not_taken_from_the_cache(recording, toy_head, tmp_path):
    copy = shutil.copy(recording("eeg/eegmat/Subject00_1.edf"), tmp_path / "noise.edf")
    config = NoiseConfig(recordings=(str(copy),), n_segments=20)
    first = noise_pool(config, toy_head, seed=1, cache=tmp_path)
    shutil.copy(recording("eeg/eegmat/Subject03_1.edf"), copy)
    assert not np.array_equal(noise_pool(config, toy_head, seed=1, cache=tmp_path), first)


def test_a_recording_too_short_for_a_segment_is_refused(toy_head, tmp_path):
    info = mne.create_info(list(toy_head.channels), 200.0, "eeg")
    samples = np.random.default_rng(0).standard_normal((31, 400)) * 1e-5
    mne.io.RawArray(samples, info, verbose="error").save(tmp_path / "short_raw.fif")
    config = NoiseConfig(recordings=(str(tmp_path / "short_raw.fif"),))
    with pytest.raises(RecordingError, match="no segment of noise"):
        noise_pool(config, toy_head, seed=1, cache=tmp_path)


def test_a_recording_that_is_not_there_is_named(toy_head, tmp_path):
    with pytest.raises(RecordingError, match=r"no recording at nowhere\.edf"):
        noise_pool(NoiseConfig(recordings=("nowhere.edf",)), toy_head, seed=1, cache=tmp_path)
