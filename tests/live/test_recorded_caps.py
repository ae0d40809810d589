"""Caps of real recordings: mapped as their labels say."""

import mne
import pytest
from convdip.live.montage import match_montage
from convdip.sources.recordings import read_recording


def matched(labels, head):
    return match_montage(labels, ["uV"] * len(labels), head)


@pytest.mark.parametrize(
    ("name", "n", "n_missing", "unused"),
    [
        ("eegmat/Subject00_1.edf", 19, 13, ("EEG A2-A1", "ECG ECG")),
        ("eegmmidb_S001/S001R01.edf", 64, 4, ()),
        ("brainamp67_dig/bv_dig_test.vhdr", 64, 0, ("ECG", "HEOG", "VEOG")),
        ("enobio32/testdata.nedf", 32, 12, ("STI 014",)),
        ("eximia60/test_eximia.nxe", 60, 0, ("GateIn", "Trig1", "Trig2", "EOG")),
    ],
)
def test_recordings_of_many_amplifiers_are_mapped(recording, shipped, name, n, n_missing, unused):
    labels = mne.io.read_raw(recording(f"eeg/{name}"), verbose="error").ch_names
    montage = matched(labels, shipped.head)
    assert (len(montage.names), len(montage.missing)) == (n, n_missing)
    assert montage.unused == unused


def test_a_recording_with_mastoids_uses_them(recording, shipped):
    raw = read_recording(recording("eeg/ant_CA208/test_CA_208.vhdr"))
    montage = matched(raw.ch_names, shipped.head)
    assert montage.missing == ("FT9", "FT10")
    assert {"TP9", "TP10"} <= set(montage.names)
    assert montage.unused[0] == "EOG"
    assert len(montage.unused) == 25
