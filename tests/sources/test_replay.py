import json
import time

import numpy as np
import pylsl
import pytest
from convdip.errors import RecordingError
from convdip.live.sender import resolve
from convdip.sources.recordings import read_recording


@pytest.mark.parametrize(
    ("name", "n_channels", "sfreq_hz"),
    [
        ("eeg/eegmmidb_S001/S001R02.edf", 64, 160),
        ("eeg/eeglab_sample/eeglab_data.set", 32, 128),
        ("eeg/brainamp67_dig/bv_dig_test.vhdr", 67, 5000),
        ("eeg/ant_CA208/test_CA_208.vhdr", 88, 1000),
        ("eeg/enobio32/testdata.nedf", 33, 500),
        ("eeg/eximia60/test_eximia.nxe", 64, 1450),
        ("xdf/muse_sub-P002_ses-S001_task-Default_run-001_eeg.xdf", 4, 256),
    ],
)
def test_recordings_of_many_makers_are_read(recording, name, n_channels, sfreq_hz):
    raw = read_recording(recording(name))
    assert len(raw.ch_names) == n_channels
    assert round(raw.info["sfreq"]) == sfreq_hz


def test_an_xdf_without_eeg_says_what_it_has(recording):
    with pytest.raises(RecordingError, match="no stream of type EEG"):
        read_recording(recording("xdf/empty_streams.xdf"))


def test_an_xdf_without_labels_is_refused(recording):
    with pytest.raises(RecordingError, match="has no channel labels"):
        read_recording(recording("xdf/minimal.xdf"))


def test_a_replay_sends_the_recording_in_microvolts_under_proper_labels(convdip, recording, unique):
    path = recording("eeg/eegmmidb_S001/S001R01.edf")
    replay = convdip("replay", path, "--name", unique, "--speed", 4, "--json")
    inlet = pylsl.StreamInlet(resolve(unique, 30.0, settle_s=0.0), max_buflen=30, recover=False)
    info = inlet.info(timeout=10.0)
    assert (info.type(), info.channel_format()) == ("EEG", pylsl.cf_float32)
    assert info.nominal_srate() == 640.0
    assert info.get_channel_labels()[:3] == ["FC5", "FC3", "FC1"]
    assert set(info.get_channel_units()) == {"microvolts"}
    all_samples: list[np.ndarray] = []
    all_stamps: list[np.ndarray] = []
    deadline = time.monotonic() + 30
    while sum(map(len, all_stamps)) < 640 and time.monotonic() < deadline:
        chunk, ts = inlet.pull_chunk(timeout=0.2, max_samples=64, min_samples=1, as_numpy=True)
        all_samples.append(chunk)
        all_stamps.append(ts)
    replay.terminate()
    played = json.loads(replay.communicate(timeout=20)[0].splitlines()[-1])
    samples, stamps = np.concatenate(all_samples), np.concatenate(all_stamps)
    first = round((stamps[0] - played["first_stamp"]) * 640)
    np.testing.assert_allclose(
        (stamps - played["first_stamp"]) * 640, first + np.arange(len(stamps)), atol=1e-3
    )
    recorded_uv = read_recording(path).get_data().T[first : first + len(samples)] * 1e6
    np.testing.assert_allclose(samples, recorded_uv, atol=1e-3)
