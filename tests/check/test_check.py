"""The report on streams and recordings, from the command line as a person has it."""

import json
import re
import threading

import mne
import numpy as np
import pylsl
import pytest
from convdip.sources.player import eeg_outlet, play
from convdip.sources.simulator import simulate_session
from convdip.streams import eeg_info

SFREQ_HZ = 250.0
CLINICAL = [
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T3", "C3", "Cz", "C4", "T4", "T5", "P3", "Pz",
    "P4", "T6", "O1", "O2",
]  # fmt: skip
NEW_NAMES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}


@pytest.fixture(scope="module")
def session(shipped):
    return simulate_session(shipped.head, 12, SFREQ_HZ, 3)


@pytest.fixture
def send():
    """Send samples in a loop, over an outlet, until the test ends."""
    stop, threads = threading.Event(), []

    def start(outlet, samples_uv):
        def run():
            play(outlet, samples_uv.astype(np.float32), SFREQ_HZ, loop=True, stop=stop.is_set)

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def edf(tmp_path, session, shipped):
    """Write a recording of some of the session's channels, in another unit if wanted."""

    def write(labels=None, factor=1.0, samples_uv=None):
        labels = list(labels or shipped.head.channels)
        if samples_uv is None:
            picks = [shipped.head.channels.index(name) for name in labels]
            samples_uv = session.eeg_uv[:, picks]
        info = mne.create_info(labels, SFREQ_HZ, "eeg")
        raw = mne.io.RawArray(samples_uv.T * 1e-6 * factor, info, verbose="error")
        path = tmp_path / "recording_raw.fif"
        raw.save(path, overwrite=True, verbose="error")
        return path

    return write


def report_of(ended, code=0):
    assert ended.returncode == code, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def named(report):
    return {electrode["name"]: electrode for electrode in report["findings"]["electrodes"]}


def test_what_is_wrong_with_a_stream_is_found(call, send, session, shipped, unique):
    """A dead electrode, offsets, mains, an eye channel, a stranger; each with its number."""
    labels = [*shipped.head.channels, "EOG1", "X7"]
    info = eeg_info(unique, labels, SFREQ_HZ, f"id-{unique}")
    eye = info.desc().child("channels").last_child().previous_sibling()
    eye.remove_child(eye.child("type"))
    eye.append_child_value("type", "EOG")
    rng, n = np.random.default_rng(0), len(session.eeg_uv)
    offsets_mv = rng.uniform(-40, 40, 33)
    time_s = np.arange(n)[:, None] / SFREQ_HZ
    samples_uv = np.concatenate([session.eeg_uv, rng.standard_normal((n, 2)) * 10], axis=1)
    samples_uv = samples_uv + offsets_mv * 1e3 + 20 * np.sin(2 * np.pi * 50 * time_s)
    dead = labels.index("C3")
    samples_uv[:, dead] = offsets_mv[dead] * 1e3
    send(pylsl.StreamOutlet(info, max_buffered=10), samples_uv)

    report = report_of(call("convdip", "check", unique, "--seconds", 6, "--json"))
    findings, electrodes = report["findings"], named(report)
    assert report["ok"] is True
    assert report["verdict"] == "ready with remarks"
    assert findings["source"]["source_id"] == f"id-{unique}"
    assert list(electrodes) == list(shipped.head.channels)
    assert findings["ignored"] == [
        {"label": "EOG1", "why": "type EOG"},
        {"label": "X7", "why": "no electrode whose place is known"},
    ]
    assert electrodes["C3"]["reason"] in ("flat", "rail")
    assert electrodes["C3"]["is_bad"]
    assert electrodes["C3"]["bad_share"] > 0.5
    assert [name for name, found in electrodes.items() if found["is_bad"]] == ["C3"]
    for name, found in electrodes.items():
        place = labels.index(name)
        assert found["channel"] == place + 1
        assert found["unit"] == "microvolts"
        assert found["volts"] == pytest.approx(1e-6)
        assert found["offset_mv"] == pytest.approx(offsets_mv[place], abs=0.05)
    assert findings["voltages"]["offset_largest_mv"] == max(
        abs(found["offset_mv"]) for found in electrodes.values()
    )
    assert findings["voltages"]["mains_hz"] == 50
    assert findings["voltages"]["mains_uv"] == pytest.approx(20, rel=0.1)
    assert findings["voltages"]["is_eeg_level"]
    timing = findings["timing"]
    assert timing["rate_hz"] == pytest.approx(SFREQ_HZ, rel=1e-3)
    assert (timing["is_as_stated"], timing["n_missing"]) == (True, 0)
    assert next(iter(findings["image"]["least_covered"])) == "C3"
    assert findings["image"]["valid_share"] == 1
    remarks = [remark["what"] for remark in report["remarks"]]
    assert any(re.fullmatch(r"1 bad: C3 \((flat|rail)\)", what) for what in remarks)
    assert any(what.startswith("mains of 50 Hz") for what in remarks)


def test_nineteen_clinical_electrodes_are_imaged_coarsely(call, send, session, shipped, unique):
    known = [name for name in CLINICAL if NEW_NAMES.get(name, name) in shipped.head.channels]
    places = [shipped.head.channels.index(NEW_NAMES.get(name, name)) for name in known]
    fz_uv = session.eeg_uv[:, [shipped.head.channels.index(n) for n in ("F3", "F4")]].mean(axis=1)
    samples_uv = np.column_stack([session.eeg_uv[:, places], fz_uv])
    labels = [f"EEG {name}-Ref" for name in [*known, "Fz"]]
    send(eeg_outlet(unique, labels, SFREQ_HZ, f"id-{unique}"), samples_uv)
    report = report_of(call("convdip", "check", "--input", unique, "--seconds", 3, "--json"))
    findings, electrodes = report["findings"], named(report)
    assert set(electrodes) == {NEW_NAMES.get(name, name) for name in CLINICAL}
    assert electrodes["T7"]["label"] == "EEG T3-Ref"
    assert findings["reference"] == "Ref"
    assert 25 < findings["image"]["expected_error_mm"] < 40
    assert any("mm off" in remark["what"] for remark in report["remarks"])


def test_half_a_cap_is_not_usable(call, edf, shipped):
    head = shipped.head
    is_left = head.electrodes_m[:, 0] < 0.01
    left = [name for name, there in zip(head.channels, is_left, strict=True) if there]
    report = report_of(call("convdip", "check", edf(left), "--json"), code=1)
    findings = report["findings"]
    assert report["ok"] is False
    assert report["verdict"] == "not usable"
    assert findings["image"]["valid_share"] == 0
    assert findings["image"]["invalid"] == "too few electrodes"
    assert not set(findings["image"]["least_covered"]) & set(left)
    assert findings["image"]["expected_error_mm"] > 45
    assert "add or mend electrodes near" in report["remarks"][0]["advice"]


def test_the_table_has_the_numbers_of_the_json(call, edf):
    path = edf()
    report = report_of(call("convdip", "check", path, "--json"))
    ended = call("convdip", "check", path)
    assert ended.returncode == 0
    rows = {}
    for line in ended.stdout.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[0].isdecimal():
            rows[cells[2]] = [float(cells[0]), float(cells[3]), float(cells[4])]
    assert rows == {
        name: [found["channel"], found["level_uv"], found["offset_mv"]]
        for name, found in named(report).items()
    }
    findings = report["findings"]
    image, voltages = findings["image"], findings["voltages"]
    for number in (
        f"{findings['source']['rate_hz']:g} Hz",
        f"{findings['source']['seconds']:g} s",
        f"{voltages['level_uv']:g} µV",
        f"{voltages['offset_largest_mv']:g} mV the largest",
        f"{image['coverage']:g} in the mean",
        f"{image['expected_error_mm']:g} mm by the coverage",
        *(f"{name} {share:g}" for name, share in image["least_covered"].items()),
        *(f"{kind} {share:.1%}" for kind, share in image["artefacts"].items()),
    ):
        assert number in ended.stdout
    assert ended.stdout.splitlines()[-1].split(maxsplit=1) == ["verdict", report["verdict"]]


def test_levels_are_what_was_written(call, edf, shipped):
    """White noise of a known SD, which a filter of 0.1 Hz leaves as it is."""
    sds_uv = np.linspace(8, 12, 31)
    samples_uv = np.random.default_rng(0).standard_normal((2500, 31)) * sds_uv
    report = report_of(call("convdip", "check", edf(samples_uv=samples_uv), "--json"))
    levels_uv = [found["level_uv"] for found in report["findings"]["electrodes"]]
    np.testing.assert_allclose(levels_uv, sds_uv, rtol=0.1)


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_a_wrong_unit_is_not_usable(call, edf, factor):
    report = report_of(call("convdip", "check", edf(factor=factor), "--json"), code=1)
    assert not report["findings"]["voltages"]["is_eeg_level"]
    assert "is not that of EEG" in report["remarks"][0]["what"]
    text = call("convdip", "check", edf(factor=factor)).stdout
    assert "--unit says what a step of 1 in the numbers is" in text
    # What the file stores is volts: the factor that was missing mends it.
    mended = f"{1 / factor:g}V"
    assert report_of(call("convdip", "check", edf(factor=factor), "--unit", mended, "--json"))["ok"]


def test_no_signal_is_said_to_be_none(call, edf):
    path = edf(samples_uv=np.zeros((1500, 31)))
    report = report_of(call("convdip", "check", path, "--json"), code=1)
    assert report["remarks"][0]["what"].startswith("no signal")


def test_an_electrode_without_numbers_has_no_offset(call, edf, session):
    samples_uv = session.eeg_uv.astype(float)
    samples_uv[:, 4] = np.nan
    report = report_of(call("convdip", "check", edf(samples_uv=samples_uv), "--json"))
    electrode = report["findings"]["electrodes"][4]
    assert (electrode["offset_mv"], electrode["reason"]) == (None, "not a number")
    assert "NaN" not in json.dumps(report)
    assert "| –" in call("convdip", "check", edf(samples_uv=samples_uv)).stdout


def test_channels_and_polarity_are_as_the_user_says(call, edf, session, shipped, tmp_path):
    names = tmp_path / "cap.txt"
    names.write_text("\n".join(["-", *shipped.head.channels[1:]]))
    path = edf([f"Ch{i}" for i in range(31)], samples_uv=session.eeg_uv + 500)
    report = report_of(call("convdip", "check", path, "--channels", names, "--invert", "--json"))
    assert list(named(report)) == list(shipped.head.channels[1:])
    assert all(found["volts"] == -1 for found in named(report).values())
    assert report["findings"]["voltages"]["offset_median_mv"] == pytest.approx(0.5, abs=0.01)
    assert all(found["offset_mv"] < 0 for found in named(report).values())
    assert [channel["label"] for channel in report["findings"]["ignored"]] == ["Ch0"]


def test_what_the_source_says_is_shown_before_a_montage_is_refused(call, send, unique):
    info = eeg_info(unique, ["Fp1", "Ch2\u202e", "Cz"], SFREQ_HZ, f"id-{unique}")
    outlet = pylsl.StreamOutlet(info)
    ended = call("convdip", "check", unique)
    assert ended.returncode == 2
    rows = [line for line in ended.stdout.splitlines() if "microvolts" in line]
    assert len(rows) == 3
    assert "Fp1" in rows[0]
    assert "\u202e" not in ended.stdout
    [line] = [line for line in ended.stderr.splitlines() if line.startswith("convdip: ")]
    assert "2 electrodes of known places are in the stream" in line
    assert call("convdip", "check", unique, "--json").stdout == ""
    del outlet


def test_a_stream_that_sends_nothing_is_one_clear_line(call, shipped, unique):
    outlet = eeg_outlet(unique, shipped.head.channels, SFREQ_HZ, f"id-{unique}")
    ended = call("convdip", "check", unique, "--seconds", 3)
    assert ended.returncode == 2
    assert "sent 0 samples in 3 s: expected about 750" in ended.stderr
    del outlet


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seconds", 1), "--seconds is 1: expected 3 to 600"),
        (("--seconds", "nan"), "--seconds is nan: expected 3 to 600"),
        (("--unit", "parsec"), "--unit is 'parsec'"),
        (("--channels", "nonesuch"), "--channels is 'nonesuch'"),
        (("--wait-s", 0), "--wait-s is 0"),
        (("--stream", "Amp"), "--stream is 'Amp': only an XDF file"),
        (("nonesuch.edf", "--wait-s", 0.3), "there is no file 'nonesuch.edf' either"),
        (("nonesuch", "--wait-s", 0.3), "no stream named 'nonesuch'"),
    ],
)
def test_a_mistake_is_one_clear_line(call, arguments, words):
    ended = call("convdip", "check", *arguments)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not ended.stdout


def test_a_short_recording_is_refused(call, edf, session):
    ended = call("convdip", "check", edf(samples_uv=session.eeg_uv[:300]))
    assert ended.returncode == 2
    assert "has 1.2 s of EEG: expected at least 2 s" in ended.stderr


@pytest.mark.parametrize(
    ("name", "more", "code"),
    [
        ("eegmmidb_S001/S001R02.edf", (), 0),
        ("eegmmidb_128Hz/test_edf_overlapping_annotations.edf", (), 0),
        ("eegmat/Subject00_2.edf", (), 0),
        ("ant_CA208/test_CA_208.vhdr", (), 0),
        ("eeglab_sample/eeglab_data.set", (), 0),
        ("enobio32/testdata.nedf", (), 0),
        ("eximia60/test_eximia.nxe", (), 2),
        ("eximia60/test_eximia.nxe", ("--unit", "uV"), 0),
        ("brainamp67_dig/bv_dig_test.vhdr", (), 2),
    ],
)
def test_real_recordings_give_a_report_or_a_clear_refusal(call, recording, name, more, code):
    ended = call("convdip", "check", recording(f"eeg/{name}"), "--seconds", 30, *more, "--json")
    if code == 2:
        assert ended.returncode == 2
        assert ended.stderr.splitlines()[-1].startswith("convdip: ")
        return
    report = report_of(ended, code)
    image = report["findings"]["image"]
    assert 0.9 < image["coverage"] <= 1
    assert 14 <= image["expected_error_mm"] < 30
    assert report["findings"]["timing"] is None
    assert {remark["advice"] for remark in report["remarks"]} != {""}


@pytest.mark.parametrize("name", ["clock_resets", "empty_streams", "minimal", "eeglab_obci_test"])
def test_xdf_files_without_electrodes_are_refused(call, recording, name):
    ended = call("convdip", "check", recording(f"xdf/{name}.xdf"))
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("convdip: ")


def test_artefacts_and_bad_electrodes_of_a_recording_are_found(call, recording):
    blinks = recording("eeg/eegmmidb_128Hz/test_edf_overlapping_annotations.edf")
    report = report_of(call("convdip", "check", blinks, "--json"))
    assert 0.05 < report["findings"]["image"]["artefacts"]["blink"] < 0.8
    assert any("blink" in remark["what"] for remark in report["remarks"])
    report = report_of(
        call(
            "convdip", "check", recording("eeg/eximia60/test_eximia.nxe"), "--unit", "uV", "--json"
        )
    )
    bad = {name for name, found in named(report).items() if found["bad_share"] > 0.3}
    assert bad & {"FC4", "C4", "Oz", "POz", "FT7", "T7", "Iz", "P10", "TP10"}
