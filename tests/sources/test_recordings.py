"""A file's numbers come out in volts, by the unit it states or by `unit`, whatever the format."""

import logging
import shutil
from pathlib import Path

import mne
import numpy as np
import pytest
from convdip.errors import ConfigError, MontageError, RecordingError
from convdip.live.units import volts_per_unit
from convdip.sources.recordings import eeg_labels, read_recording

# What each format can state. MNE reads «uv» and «nV» in EDF as if they were volts.
STATED = [
    *[("edf", unit) for unit in ("V", "mV", "uV", "µV", "uv", "nV")],
    *[("vhdr", unit) for unit in ("V", "mV", "uV", "µV", "nV")],
    *[("xdf", unit) for unit in ("volts", "millivolts", "microvolts", "-6", "nV")],
    ("set", "uV"),
    ("fif", "V"),
]


@pytest.mark.parametrize("unit", [None, "volts", "mV", "microvolts", "nV"])
@pytest.mark.parametrize(("kind", "stated"), STATED)
def test_unit_replaces_what_the_file_states(store, numbers, kind, stated, unit):
    raw = read_recording(store(kind, numbers, stated), unit)
    expected_v = numbers.T * volts_per_unit(unit or stated)
    np.testing.assert_allclose(raw.get_data("eeg"), expected_v, rtol=1e-6, atol=1e-15)
    assert raw.ch_names == ["Fp1", "Fp2", "Cz", "Oz"]
    assert raw.info["sfreq"] == 100


@pytest.mark.parametrize(("kind", "unit"), [("edf", ""), ("edf", "counts"), ("xdf", "")])
def test_an_unknown_unit_is_refused_until_it_is_given(store, numbers, kind, unit):
    path = store(kind, numbers, unit)
    with pytest.raises(RecordingError, match=r"'Fp1' has (no unit|the unit 'counts')"):
        read_recording(path)
    raw = read_recording(path, "uV")
    np.testing.assert_allclose(raw.get_data("eeg"), numbers.T * 1e-6, rtol=1e-6)


def test_a_trigger_needs_no_unit(edf, numbers):
    raw = read_recording(edf(numbers, ["uV", "", "mV", "uV"], ["Fp1", "Trig", "Cz", "Oz"]))
    assert raw.ch_names == ["Fp1", "Cz", "Oz"]
    np.testing.assert_allclose(raw.get_data()[1], numbers[:, 2] * 1e-3, rtol=1e-6)


def test_numbered_electrodes_need_a_unit(edf, numbers):
    with pytest.raises(RecordingError, match="channel '1' has no unit"):
        read_recording(edf(numbers, [""] * 4, ["1", "2", "3", "4"]))


def test_a_format_that_states_no_unit_is_believed_where_its_level_is_that_of_eeg(recording):
    with pytest.raises(RecordingError, match=r"states no unit.* as volts.* expected 0\.2 to 1000"):
        read_recording(recording("eeg/eximia60/test_eximia.nxe"))
    assert read_recording(recording("eeg/enobio32/testdata.nedf")).n_times


def test_what_is_taken_for_the_stored_numbers_is_said(recording, caplog):
    raw = read_recording(recording("eeg/eximia60/test_eximia.nxe"), "uV")
    assert "taken as numbers in uV" in caplog.text
    assert level_uv(raw) == pytest.approx(60, abs=1)


def level_uv(raw: mne.io.BaseRaw) -> float:
    return float(np.median(raw.get_data("eeg").std(axis=1))) * 1e6


REFUSED = {
    "test_CA_208.cnt": "cannot be read",
    "test_eximia.nxe": "states no unit",
    "clock_resets.xdf": "has no channel labels",
    "eeglab_obci_test.xdf": "has no channel labels",
    "minimal.xdf": "has no channel labels",
    "empty_streams.xdf": r"no stream of type EEG with samples in it: found .*'ctrl'",
}


def test_every_real_file_is_read_right_or_refused_with_the_reason(recording):
    there = [
        path
        for folder in ("eeg", "xdf")
        for path in sorted(recording(folder).rglob("*"))
        if path.suffix in (".edf", ".vhdr", ".set", ".cnt", ".nxe", ".nedf", ".xdf")
    ]
    assert len(there) > 20
    for path in there:
        if path.name in REFUSED:
            with pytest.raises(RecordingError, match=REFUSED[path.name]):
                read_recording(path)
        else:
            assert 1 < level_uv(read_recording(path)) < 200, path


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["Fp1.", "EEG Fp2", "CZ", "Oz"], ["Fp1", "Fp2", "Cz", "Oz"]),
        (["EEG Fp1-REF", "EEG Fp2-REF", "EEG Cz-REF", "ECG"], ["Fp1", "Fp2", "Cz", "ECG"]),
        # Another reference than the others have, and a second channel for one electrode.
        (["Fp1-A1", "Fp2-A2", "Cz-A1", "Oz-A1"], ["Fp1", "Fp2-A2", "Cz", "Oz"]),
        (["Fp1", "EEG Fp1", "Cz", "Oz"], ["Fp1", "EEG Fp1", "Cz", "Oz"]),
        (["EEG Fp1", "EEG Fp2", "EEG A2-A1", "EEG Oz"], ["Fp1", "Fp2", "EEG A2-A1", "Oz"]),
    ],
)
def test_labels_are_those_of_electrodes_but_hide_nothing(edf, numbers, labels, expected):
    assert eeg_labels(read_recording(edf(numbers, ["uV"] * 4, labels))) == expected


def test_a_wrong_unit_is_told_before_the_file_is_read():
    with pytest.raises(MontageError, match="`unit` is 'parsec'"):
        read_recording(Path("nowhere.edf"), "parsec")


def test_only_xdf_has_streams_to_choose_from(edf, numbers):
    with pytest.raises(ConfigError, match="`stream` is 'Amp': only an XDF file"):
        read_recording(edf(numbers, ["uV"] * 4), stream="Amp")


@pytest.mark.parametrize("length", [0, 5, 200, 255, 256, 800, 1279])
def test_an_edf_that_ends_in_its_header_is_refused(edf, numbers, length):
    path = edf(numbers, ["uV"] * 4)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RecordingError, match=r"stored\.edf"):
        read_recording(path)


@pytest.mark.parametrize("length", [1280, 1281, 2000])
def test_an_edf_without_a_whole_record_is_refused(edf, numbers, length):
    path = edf(numbers, ["uV"] * 4)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RecordingError, match=r"stored\.edf"):
        read_recording(path)


def test_an_edf_that_was_cut_short_is_read_as_far_as_it_goes(edf, numbers, caplog):
    path = edf(numbers, ["uV"] * 4)
    path.write_bytes(path.read_bytes()[:-3])
    raw = read_recording(path)
    np.testing.assert_allclose(raw.get_data(), numbers[:200].T * 1e-6, rtol=1e-6)
    assert "stored.edf: Number of records from the header does not match" in caplog.text


@pytest.mark.parametrize(
    "suffix", [".edf", ".bdf", ".gdf", ".vhdr", ".set", ".fif", ".xdf", ".txt"]
)
@pytest.mark.parametrize("content", [b"", b"this is no recording", bytes(5000)])
def test_what_is_no_recording_is_refused(tmp_path, caplog, suffix, content):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"cannot be read: .*expected a recording"):
        read_recording(path)
    assert not any(record.exc_info for record in caplog.records)


def test_a_header_without_its_data_is_refused(store, numbers):
    path = store("vhdr", numbers)
    path.with_suffix(".eeg").unlink()
    with pytest.raises(RecordingError, match=r"stored\.vhdr cannot be read"):
        read_recording(path)


def test_a_reader_leaves_warnings_as_they_were(edf, numbers, recwarn, caplog):
    caplog.set_level(logging.INFO)
    read_recording(edf(numbers, ["uV"] * 4))
    assert not recwarn.list
    assert not caplog.records


def test_a_copy_elsewhere_reads_the_same(store, numbers, tmp_path):
    path = store("edf", numbers, "nV")
    (tmp_path / "elsewhere").mkdir()
    copy = shutil.copy(path, tmp_path / "elsewhere" / "ü.edf")
    np.testing.assert_array_equal(
        read_recording(Path(copy)).get_data(), read_recording(path).get_data()
    )
