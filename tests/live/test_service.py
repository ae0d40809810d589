"""End to end: real processes, real LSL."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pylsl
import pytest
from convdip.live.sender import resolve
from convdip.patches import patch_dictionary
from convdip.sources.player import eeg_outlet
from convdip.sources.signs import signs_for

# A foreign client: mne-lsl, with its own liblsl, hence in a process of its own. It prints the
# stamps of all samples it got.
MNE_LSL_CLIENT = """
import sys, json, time, warnings
import numpy as np
from mne_lsl.stream import StreamLSL
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    stream = StreamLSL(bufsize=4.0, name=sys.argv[1]).connect(acquisition_delay=0.2, timeout=60)
print("connected", len(stream.ch_names), stream.ch_names[0], stream.info["sfreq"], flush=True)
stamps, peaks, last, news = [], [], 0.0, time.monotonic()
while time.monotonic() - news < 3:
    data, ts = stream.get_data()
    new = ts > last
    if new.any():
        stamps += ts[new].tolist()
        peaks += np.abs(data[:, new]).max(axis=0).tolist()
        last, news = ts[-1], time.monotonic()
    time.sleep(0.2)
stream.disconnect()
print(json.dumps({"stamps": stamps, "peaks_nam": peaks}))
"""


def finish(process, timeout_s=60):
    """Stop a service as a person would and return its summary."""
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=timeout_s)
    assert process.returncode == 0
    return json.loads(text.splitlines()[-1])


def collect(inlet, until_stamp, timeout_s):
    """Pull rows until a time stamp has come."""
    rows, stamps = [], []
    deadline = time.monotonic() + timeout_s
    while not (stamps and stamps[-1][-1] >= until_stamp - 1e-9):
        assert time.monotonic() < deadline, "the service's output stopped"
        chunk, ts = inlet.pull_chunk(timeout=0.2, max_samples=256, min_samples=1, as_numpy=True)
        if len(ts):
            rows.append(chunk)
            stamps.append(ts)
    return np.concatenate(rows), np.concatenate(stamps)


@pytest.fixture
def foreign_client():
    """Start mne-lsl on a stream, in a process of its own."""
    started = []

    def start(name):
        command = [sys.executable, "-c", MNE_LSL_CLIENT, name]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.long
def test_a_real_recording_reaches_a_foreign_client(
    convdip, said, recording, unique, foreign_client
):
    """Replay → service → mne-lsl: every sample, 5,124 channels, the input's stamps."""
    path = recording("eeg/eegmmidb_S001/S001R02.edf")
    # The client first: it takes a while to load, and waits for its stream.
    client = foreign_client(f"{unique}-Sources")
    replay = convdip("replay", path, "--name", unique, "--speed", 4, "--json")
    service = convdip("run", "--input", unique, "--name", unique, "--wait-s", 60, "--json")
    said(1, f"output {unique}-Sources")
    assert "64 electrodes, 27 of the model's 31" in said(1)
    assert "interpolated: FT9, TP9, TP10, FT10 (not in the stream)" in said(1)

    text, _ = client.communicate(timeout=400)
    connected, last = text.splitlines()
    assert connected.split() == ["connected", "5124", "lh-000000", "640.0"]
    received = json.loads(last)
    stamps, peaks_nam = np.array(received["stamps"]), np.array(received["peaks_nam"])
    played = json.loads(replay.communicate(timeout=60)[0].splitlines()[-1])
    summary = finish(service)

    # The service imaged the whole recording, from its first sample to its last ...
    assert played["n_samples"] == 9600
    assert summary["received"] == summary["published"] == 9600
    assert (summary["gaps"], summary["missing"]) == (0, 0)
    assert summary["interpolated"] == ["FT9", "TP9", "TP10", "FT10"]
    # ... and from when it was connected the client has every sample, stamped as it was sent.
    places = (stamps - played["first_stamp"]) * played["rate_hz"]
    first = round(places[0])
    assert first < 9600 / 2
    assert len(stamps) == 9600 - first
    np.testing.assert_allclose(places, np.arange(first, 9600), atol=1e-3)
    # Moments of a resting cortex: nanoampere metres, not volts or millions.
    assert 0.01 < np.median(peaks_nam) < 1000


def test_patches_in_twenty_places_are_found_at_the_other_end_of_lsl(
    convdip, said, shipped, unique, prime
):
    """The places are spread evenly over the cortex; a tenth of a second in each, so no signal."""
    head = shipped.head
    cortex = np.flatnonzero(head.is_cortex)
    places = [int(cortex[0])]
    distances_m = np.full(cortex.size, np.inf)
    while len(places) < 20:
        newest = head.dipoles_m[cortex] - head.dipoles_m[places[-1]]
        distances_m = np.minimum(distances_m, np.linalg.norm(newest, axis=1))
        places.append(int(cortex[distances_m.argmax()]))
    patches = patch_dictionary(head.triangles, head.dipoles_m, 3)[places].toarray() * 8e-9
    topographies_uv = (patches @ head.lead_field.T * 1e6).astype(np.float32)
    noise_uv = np.random.default_rng(0).standard_normal((20, 25, 31))  # 25 samples a place
    level_uv = np.abs(topographies_uv).max(axis=1)[:, None, None] / 10
    samples = (topographies_uv[:, None] + noise_uv * level_uv).reshape(-1, 31).astype(np.float32)

    sender = eeg_outlet(unique, head.channels, 250.0, f"id-{unique}")
    as_it_is = ("--no-filter", "--keep", "--wait-s", 60, "--json")
    service = convdip("run", "--input", unique, "--name", unique, *as_it_is)
    said(0, f"output {unique}-Sources")
    client = pylsl.StreamInlet(resolve(f"{unique}-Sources", 60.0, settle_s=0.0), recover=False)
    prime(sender, 31, client)
    stamps = pylsl.local_clock() + np.arange(len(samples)) / 250
    for row, stamp in zip(samples, stamps, strict=True):
        time.sleep(max(0.0, stamp - pylsl.local_clock()))
        sender.push_chunk(row[None], [stamp])
    sources_nam, got_stamps = collect(client, stamps[-1], 20)
    summary = finish(service)

    np.testing.assert_array_equal(got_stamps, stamps)
    assert summary["stream_losses"] == 0
    strongest = np.abs(sources_nam.reshape(20, 25, -1).mean(axis=1)).argmax(axis=1)
    offsets_m = head.dipoles_m[strongest] - head.dipoles_m[places]
    errors_mm = np.linalg.norm(offsets_m, axis=1) * 1e3
    assert errors_mm.max() < 30, errors_mm  # the paper's bound for «found»
    assert np.median(errors_mm) < 12, errors_mm


def test_a_source_that_comes_back_is_taken_up_again(convdip, said, shipped, unique, prime):
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal((50, 31)) * 20).astype(np.float32)
    sender = eeg_outlet(unique, shipped.head.channels, 250.0, f"id-{unique}")
    service = convdip("run", "--input", unique, "--name", unique, "--wait-s", 60, "--json")
    said(0, f"output {unique}-Sources")
    client = pylsl.StreamInlet(resolve(f"{unique}-Sources", 60.0, settle_s=0.0), recover=False)
    prime(sender, 31, client)
    before = pylsl.local_clock() + np.arange(50) / 250
    sender.push_chunk(samples, before.tolist())
    np.testing.assert_array_equal(collect(client, before[-1], 10)[1], before)
    told = pylsl.StreamInlet(resolve(f"{unique}-Events", 60.0, settle_s=0.0), recover=False)
    told.open_stream(timeout=60)
    del sender
    said(0, "waiting for it to come back")
    sender = eeg_outlet(unique, shipped.head.channels, 250.0, f"id-{unique}")
    prime(sender, 31, client)
    events = [json.loads(text) for [text] in told.pull_chunk(timeout=0.5)[0]]
    # Others may be told too: of stamps ahead of the clock, or that one that is listed answers late.
    others = [one for one in events if one["event"] == "clock" or "just ended" in one["text"]]
    assert [one["event"] for one in events if one not in others] == ["lost", "back"]
    after = pylsl.local_clock() + np.arange(50) / 250
    sender.push_chunk(samples, after.tolist())
    np.testing.assert_array_equal(collect(client, after[-1], 10)[1], after)
    summary = finish(service)
    assert summary["stream_losses"] == 1
    assert summary["outage_s"] > 0
    assert summary["published"] == summary["received"] >= 100


def test_another_stream_is_not_taken_for_the_one_that_was_lost(convdip, said, shipped, unique):
    """Same name and source id, other channels: its samples would go out as what they are not."""
    channels = shipped.head.channels
    sender = eeg_outlet(unique, channels, 250.0, f"id-{unique}")
    service = convdip("run", "--input", unique, "--name", unique, "--wait-s", 60, "--json")
    said(0, f"output {unique}-Sources")
    del sender
    said(0, "waiting for it to come back")
    other = eeg_outlet(unique, channels[::-1], 250.0, f"id-{unique}")
    said(0, "is not taken for the input: label of channel 1")
    assert service.poll() is None
    del other
    sender = eeg_outlet(unique, channels, 250.0, f"id-{unique}")
    said(0, "is back", timeout_s=60)
    assert finish(service)["stream_losses"] == 1
    del sender


def test_the_demo_ends_well(convdip, shipped):
    demo = convdip("demo", "--seconds", 6, "--json")
    text, _ = demo.communicate(timeout=400)
    report = json.loads(text.splitlines()[-1])
    assert demo.returncode == 0, report
    assert report["ok"]
    assert report["lost"] == 0
    assert report["received"] == report["sent"] > 4 * 500
    assert report["n_sources"] >= 8
    assert report["error_mm_median"] < 20 < report["error_mm_by_chance"]
    assert report["signs"] == signs_for(shipped.polarity)
    assert report["sign_right"] > 0.7
    assert report["provider"] in ("CPUExecutionProvider", "CUDAExecutionProvider")


def test_the_demo_says_so_when_the_model_finds_nothing(convdip, said, shipped, tmp_path):
    """A model whose map has nothing to do with the EEG: dipoles put in another order."""
    from dataclasses import replace

    from convdip.bundle import sha256_of

    folder = shutil.copytree(shipped.path, tmp_path / "shuffled")
    order = np.random.default_rng(0).permutation(5124)
    # The network keeps its order, the head model gets another: geometry and lead field alike.
    head = shipped.head
    moved = {
        name: getattr(head, name)[order]
        for name in ("dipoles_m", "normals", "pial_m", "inflated_m", "sulcal_depth", "atlas")
    }
    triangles = np.argsort(order).astype(np.int32)[head.triangles]
    shuffled = replace(head, **moved, lead_field=head.lead_field[:, order], triangles=triangles)
    shuffled.save(folder / "head.npz")
    card = json.loads((folder / "card.json").read_text())
    card["sha256"]["head.npz"] = sha256_of((folder / "head.npz").read_bytes())
    (folder / "card.json").write_text(json.dumps(card))
    demo = convdip("demo", "--seconds", 5, "--model", folder, "--json")
    text, _ = demo.communicate(timeout=400)
    assert (demo.returncode, text) == (2, "")
    assert "gives a wrong answer to sources planted in its head: expected them to be" in said(0)


def test_streams_lists_what_is_there(convdip, unique):
    sender = eeg_outlet(unique, ["Cz", "Pz"], 250.0, f"id-{unique}")
    text, _ = convdip("streams", "--json").communicate(timeout=60)
    [found] = [s for s in json.loads(text)["streams"] if s["name"] == unique]
    assert (found["type"], found["channels"], found["sfreq_hz"]) == ("EEG", 2, 250.0)
    del sender


def is_one_clear_line(returncode, stderr):
    """Check that a mistake is told in one line without a traceback, and return the line."""
    assert returncode == 2
    lines = [line for line in stderr.splitlines() if line.startswith("convdip: ")]
    assert len(lines) == 1
    assert "Traceback" not in stderr
    return lines[0]


@pytest.fixture
def fails(convdip, said):
    """Run a command that must fail, in a process of its own: the service changes its process."""

    def run(*arguments):
        process = convdip(*arguments)
        process.communicate(timeout=60)
        return is_one_clear_line(process.returncode, said(0))

    return run


@pytest.fixture
def refuses(call):
    """Run a command that must fail before it does anything."""

    def run(*arguments):
        done = call("convdip", *arguments)
        return is_one_clear_line(done.returncode, done.stderr)

    return run


def test_no_stream_is_one_clear_line(fails):
    assert "no stream named 'nonesuch' within 0.5 s" in fails(
        "run", "--input", "nonesuch", "--wait-s", 0.5
    )


def test_wrong_labels_are_one_clear_line(fails, unique):
    sender = eeg_outlet(unique, [f"E{i}" for i in range(31)], 250.0, f"id-{unique}")
    line = fails("run", "--input", unique)
    assert "0 electrodes of known places are in the stream" in line
    assert "E0, E1" in line
    del sender


def test_a_damaged_model_is_one_clear_line(fails, shipped, tmp_path):
    folder = shutil.copytree(shipped.path, tmp_path / "damaged")
    with (folder / "model.onnx").open("r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    assert "model.onnx is damaged or changed" in fails("run", "--model", folder)


def test_an_unreadable_recording_is_one_clear_line(refuses, tmp_path):
    path = tmp_path / "broken.edf"
    path.write_bytes(b"0       this is no EDF file")
    assert "broken.edf cannot be read" in refuses("replay", path)


def test_a_missing_recording_is_one_clear_line(refuses):
    assert "no recording at nowhere.edf" in refuses("replay", "nowhere.edf")


def test_settings_come_from_a_file_and_unknown_ones_are_refused(convdip, said, call, tmp_path):
    (tmp_path / "lab.toml").write_text('[run]\ninput = "nonesuch"\nwait-s = 0.5\n')
    convdip("run", "--config", "lab.toml").communicate(timeout=60)
    assert "no stream named 'nonesuch' within 0.5 s" in said(0)
    for text in ('[run]\ninptu = "x"\n', 'input = "x"\n', "[rnu]\n", "[run"):
        (tmp_path / "typo.toml").write_text(text)
        done = call("convdip", "run", "--config", "typo.toml", "--wait-s", 0.1)
        assert done.returncode == 2, text
        assert done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--config", "nowhere.toml"), "no settings at nowhere.toml"),
        (("run", "--unit", "parsec"), "--unit is 'parsec': expected volts, millivolts"),
        (("run", "--wait-s", "-1"), "--wait-s is -1"),
        (("run", "--name", ""), "--name is empty"),
        (("streams", "--wait-s", "nan"), "--wait-s is nan"),
        (("simulate", "--seconds", "nan"), "--seconds is nan"),
        (("simulate", "--sfreq-hz", "0"), "--sfreq-hz is 0"),
        (("simulate", "--seed", "-3"), "--seed is -3"),
        (("simulate", "--name", "", "--seconds", "1"), "--name is empty"),
        (("replay", "x.edf", "--speed", "inf"), "--speed is inf"),
        (("demo", "--seconds", "0"), "convdip: --seconds is 0"),
    ],
)
def test_a_setting_out_of_range_is_one_clear_line(refuses, arguments, words):
    assert words in refuses(*arguments)


def test_a_second_service_of_one_name_is_refused(convdip, said, fails, shipped, unique):
    sender = eeg_outlet(unique, shipped.head.channels, 250.0, f"id-{unique}")
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(f"{unique}-Sources", "SourceEstimate", 1))
    assert f"'{unique}-Sources' already exists" in fails("run", "--name", unique)
    del outlet, sender


def test_a_demo_that_is_terminated_leaves_no_process(convdip, said):
    demo = convdip("demo", "--seconds", 60)
    said(0, "the service runs on")
    children = psutil.Process(demo.pid).children(recursive=True)
    assert len(children) == 2
    demo.terminate()
    demo.communicate(timeout=60)
    assert demo.returncode == 128 + signal.SIGTERM
    assert not psutil.wait_procs(children, timeout=60)[1]
