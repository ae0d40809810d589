import json
import time

import mne
import numpy as np
import pylsl
import pytest
from convdip.live.sender import find_streams, resolve
from convdip.sources.recordings import read_recording


def test_a_replay_sends_the_recording_in_microvolts_under_proper_labels(convdip, recording, unique):
    path = recording("eeg/eegmmidb_S001/S001R01.edf")
    replay = convdip("replay", path, "--name", unique, "--speed", 4, "--json")
    inlet = pylsl.StreamInlet(resolve(unique, 60.0, settle_s=0.0), max_buflen=30, recover=False)
    info = inlet.info(timeout=60)
    assert (info.type(), info.channel_format()) == ("EEG", pylsl.cf_float32)
    assert info.nominal_srate() == 640.0
    assert info.get_channel_labels()[:3] == ["FC5", "FC3", "FC1"]
    assert set(info.get_channel_units()) == {"microvolts"}
    all_samples: list[np.ndarray] = []
    all_stamps: list[np.ndarray] = []
    deadline = time.monotonic() + 60
    while sum(map(len, all_stamps)) < 640 and time.monotonic() < deadline:
        chunk, ts = inlet.pull_chunk(timeout=0.2, max_samples=64, min_samples=1, as_numpy=True)
        all_samples.append(chunk)
        all_stamps.append(ts)
    replay.terminate()
    played = json.loads(replay.communicate(timeout=60)[0].splitlines()[-1])
    samples, stamps = np.concatenate(all_samples), np.concatenate(all_stamps)
    first = round((stamps[0] - played["first_stamp"]) * 640)
    np.testing.assert_allclose(
        (stamps - played["first_stamp"]) * 640, first + np.arange(len(stamps)), atol=1e-3
    )
    recorded_uv = read_recording(path).get_data().T[first : first + len(samples)] * 1e6
    np.testing.assert_allclose(samples, recorded_uv, atol=1e-3)


def listen(name, kind="EEG"):
    inlet = pylsl.StreamInlet(resolve(name, 60.0, settle_s=0.0), max_buflen=30, recover=False)
    assert inlet.info(timeout=60).type() == kind
    inlet.open_stream(timeout=60)
    return inlet


def collect(inlet, n, timeout_s=60):
    """Return the first samples and their stamps."""
    samples, stamps = [], []
    deadline = time.monotonic() + timeout_s
    while len(stamps) < n and time.monotonic() < deadline:
        more, ts = inlet.pull_chunk(timeout=0.2, max_samples=n - len(stamps), min_samples=1)
        samples += more
        stamps += ts
    assert len(stamps) == n
    return samples, np.array(stamps)


def test_markers_come_at_their_samples_in_every_round_once_all_clients_listen(
    convdip, store, numbers, unique
):
    path = store("fif", numbers * 1e-6, "V")
    raw = mne.io.read_raw(path, preload=True, verbose="error")
    raw.set_annotations(mne.Annotations([0.0, 1.2, 1.2, 2.99], 0.0, ["go", "a", "b", "BAD_x"]))
    # What begins later has its annotations counted from there.
    raw.crop(0.5).save(path, overwrite=True, fmt="double", verbose="error")
    places, texts, n_times = [70, 70, 249], ["a", "b", "BAD_x"], 250
    replay = convdip(
        "replay", path, "--name", unique, "--speed", 2, "--loop", "--clients", 2, "--json"
    )
    first, markers = listen(unique), listen(f"{unique}-Markers", "Markers")
    assert not first.pull_chunk(timeout=1.0, max_samples=1, min_samples=1)[1]
    second_came = pylsl.local_clock()
    second = listen(unique)
    (samples, stamps), (_, others) = collect(first, 800), collect(second, 800)
    found, found_at = collect(markers, 9)
    replay.terminate()
    played = json.loads(replay.communicate(timeout=60)[0].splitlines()[-1])

    assert played["first_stamp"] > second_came
    np.testing.assert_array_equal(stamps, others)
    np.testing.assert_allclose((stamps - played["first_stamp"]) * 200, np.arange(800), atol=1e-3)
    np.testing.assert_allclose(samples[n_times : 2 * n_times], numbers[50:], rtol=1e-6)
    assert [text for (text,) in found] == texts * 3
    expected = [turn * n_times + place for turn in range(3) for place in places]
    np.testing.assert_allclose(found_at, stamps[expected], atol=1e-6)


def test_a_recording_without_annotations_has_no_marker_stream(convdip, store, numbers, unique):
    replay = convdip("replay", store("edf", numbers), "--name", unique, "--json")
    inlet = listen(unique)
    collect(inlet, 1)
    there = {stream.name() for stream in find_streams(1.0)}
    assert unique in there
    assert f"{unique}-Markers" not in there
    replay.terminate()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--clients", 0), "--clients is 0: expected 1 or more"),
        (("--unit", "parsec"), "--unit is 'parsec'"),
        (("--stream", "Amp"), "--stream is 'Amp': only an XDF file"),
        ((), "no unit"),
    ],
)
def test_a_mistake_is_one_clear_line(call, store, numbers, arguments, words):
    ended = call("convdip", "replay", store("edf", numbers, ""), *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
