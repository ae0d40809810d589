"""Recorded streams are understood as the live streams would be."""

import gzip
import logging

import numpy as np
import pytest
from convdip.errors import RecordingError
from convdip.sources.recordings import read_recording

LABELS = ["Fp1", "Fp2", "Cz", "Oz"]


def stamps_of(n, rate_hz=100.0, first_s=500.0):
    return first_s + np.arange(n) / rate_hz


def eeg(numbers, desc, **more):
    return {"samples": numbers, "stamps": stamps_of(len(numbers)), "desc": desc, **more}


def row(label, unit="uV", tag="label", **more):
    rest = "".join(f"<{key}>{value}</{key}>" for key, value in more.items())
    return f"<channel><{tag}>{label}</{tag}><unit>{unit}</unit>{rest}</channel>"


@pytest.mark.parametrize("tag", ["label", "name"])
@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("kind", ["EEG", "eeg", "signal", "ExG", ""])
def test_layouts_and_types_are_those_of_live_streams(xdf, numbers, tag, flat, kind):
    rows = "".join(row(label, tag=tag) for label in LABELS)
    desc = rows if flat else f"<channels>{rows}</channels>"
    other = {
        "samples": numbers[:, :3],
        "stamps": stamps_of(len(numbers)),
        "name": "Motion",
        "type": "ACC",
        "desc": "".join(row(label, "g") for label in "XYZ"),
    }
    raw = read_recording(xdf(other, eeg(numbers, desc, type=kind)))
    assert raw.ch_names == LABELS
    np.testing.assert_allclose(raw.get_data(), numbers.T * 1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["session.xdfz", "session.xdf.gz"])
def test_a_compressed_file_reads_the_same(xdf, numbers, channels, tmp_path, name):
    path = xdf(eeg(numbers, channels(["uV"] * 4)))
    (tmp_path / name).write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(
        read_recording(tmp_path / name).get_data(), read_recording(path).get_data()
    )


def test_a_channel_counts_as_what_it_says_it_is(xdf, numbers):
    types = ["EEG", "EOG", "", "eeg"]
    desc = "".join(row(label, type=kind) for label, kind in zip(LABELS, types, strict=True))
    raw = read_recording(xdf(eeg(numbers, desc)))
    assert raw.ch_names == ["Fp1", "Cz", "Oz"]
    np.testing.assert_allclose(raw.get_data(), numbers[:, [0, 2, 3]].T * 1e-6, rtol=1e-6)
    desc = "".join(row(label, type="Impedance") for label in LABELS)
    with pytest.raises(RecordingError, match="no channel of 'Amp' is EEG: they are of type Imp"):
        read_recording(xdf(eeg(numbers, desc)))


@pytest.mark.parametrize(
    ("kind", "unit", "volts"),
    [
        ("int16", None, 1e-7),
        ("int32", None, 1e-7),
        ("float32", None, 1e-6),
        # What the user says of the stored numbers replaces all that the stream says of them.
        ("int16", "uV", 1e-6),
        ("float32", "mV", 1e-3),
    ],
)
def test_integers_are_scaled(xdf, numbers, channels, caplog, kind, unit, volts):
    desc = channels(["microvolts"] * 4, scaling_factor="0.1")
    raw = read_recording(xdf(eeg(numbers, desc, format=kind)), unit)
    np.testing.assert_allclose(raw.get_data(), numbers.T * volts, rtol=1e-6)
    assert ("not applied" in caplog.text) == (kind == "float32" and unit is None)


@pytest.mark.parametrize("factor", ["0", "nan", "much"])
def test_a_scaling_factor_that_is_none_is_refused(xdf, numbers, channels, factor):
    desc = channels(["uV"] * 4, scaling_factor=factor)
    with pytest.raises(RecordingError, match=f"'Fp1' has the scaling factor '{factor}'"):
        read_recording(xdf(eeg(numbers, desc, format="int16")))


@pytest.mark.parametrize(("nominal_hz", "said"), [(0, "no rate"), (80, "80 Hz")])
def test_the_rate_is_what_the_stamps_show(xdf, numbers, channels, caplog, nominal_hz, said):
    jitter_s = np.random.default_rng(0).uniform(-0.001, 0.001, len(numbers))
    stamps = stamps_of(len(numbers)) + jitter_s
    path = xdf(eeg(numbers, channels(["uV"] * 4), stamps=stamps, rate_hz=nominal_hz))
    raw = read_recording(path)
    assert raw.info["sfreq"] == pytest.approx(100, rel=1e-3)
    assert f"states {said}; its time stamps show " in caplog.text


def test_a_rate_that_is_right_is_kept_in_silence(xdf, numbers, channels, caplog):
    stamps = stamps_of(len(numbers), 100.3)
    assert read_recording(xdf(eeg(numbers, channels(["uV"] * 4), stamps=stamps))).info[
        "sfreq"
    ] == pytest.approx(100, abs=1e-9)
    assert not caplog.records


def test_irregular_samples_are_refused(xdf, numbers, channels):
    stamps = np.sort(np.random.default_rng(0).uniform(0, 3, len(numbers)))
    with pytest.raises(RecordingError, match="'Amp' is irregular"):
        read_recording(xdf(eeg(numbers, channels(["uV"] * 4), stamps=stamps, rate_hz=0)))
    same = np.full(len(numbers), 5.0)
    with pytest.raises(RecordingError, match="'Amp' is irregular"):
        read_recording(xdf(eeg(numbers, channels(["uV"] * 4), stamps=same, rate_hz=0)))


def test_gaps_and_resets_of_the_clock_are_said(xdf, numbers, channels, caplog):
    stamps = stamps_of(300)
    stamps[100:] += 20
    stamps[200:] -= 50
    raw = read_recording(xdf(eeg(numbers, channels(["uV"] * 4), stamps=stamps, rate_hz=0)))
    assert raw.n_times == 300
    assert "gaps in the EEG are closed up: 1, the longest of 20.01 s" in caplog.text
    assert "time stamps run backwards: 1 ×" in caplog.text


def test_several_eeg_streams_are_listed_and_one_is_chosen(xdf, numbers, channels):
    desc = channels(["uV"] * 4)
    path = xdf(
        eeg(numbers, desc, name="Left", source_id="id-l"),
        eeg(-numbers, desc, name="Right", source_id="id-r"),
        eeg(numbers, "", name="Right", type="ACC", source_id="id-acc"),
        {"samples": [], "stamps": [], "name": "Third", "desc": row("Fp1")},
    )
    with pytest.raises(RecordingError, match=r"2 streams fit: 1: 'Left'.*; 2: 'Right'.*`stream`"):
        read_recording(path)
    for chosen in ("Right", "2", "id-r"):
        raw = read_recording(path, stream=chosen)
        np.testing.assert_allclose(raw.get_data(), -numbers.T * 1e-6, rtol=1e-6)
    for chosen in ("Third", "nonesuch"):
        with pytest.raises(RecordingError, match=f"`stream` is '{chosen}'.*'Left'.*'Third'"):
            read_recording(path, stream=chosen)


def test_markers_lie_at_the_samples_nearest_to_them(xdf, numbers, channels, caplog):
    stamps = stamps_of(300)
    stamps[200:] += 30
    marked = {"name": "Stimuli", "type": "Markers", "format": "string", "rate_hz": 0}
    at_s = [499.0, 500.0, 501.004, 501.006, 520.0, 532.9, 540.0]
    texts = [[text, ""] for text in ("early", "first", "a", "b", "gap", "", "late")]
    texts[5] = ["ü", "x"]
    raw = read_recording(
        xdf(
            {"samples": texts, "stamps": at_s, **marked},
            eeg(numbers, channels(["uV"] * 4), stamps=stamps, rate_hz=0),
            {"samples": np.array([[7]]), "stamps": [500.5], "type": "Markers", "format": "int32"},
        )
    )
    places = np.rint(raw.annotations.onset * raw.info["sfreq"]).astype(int)
    found = dict(zip(raw.annotations.description, places.tolist(), strict=True))
    assert found == {"first": 0, "7": 50, "a": 100, "b": 101, "gap": 200, "ü, x": 290}
    assert "2 markers lie outside the EEG" in caplog.text


def read_or_refused(path, caplog):
    """Return what was read, None if it was refused by its name; no traceback either way."""
    caplog.set_level(logging.INFO)
    try:
        return read_recording(path).get_data().T
    except RecordingError as error:
        message = str(error)
    finally:
        assert not any(record.exc_info for record in caplog.records)
    assert str(path) in message
    return None


@pytest.mark.parametrize("share", np.linspace(0.02, 0.99, 25))
def test_a_file_that_was_cut_short_is_read_as_far_as_it_goes(xdf, numbers, channels, caplog, share):
    path = xdf(eeg(numbers, channels(["uV"] * 4)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    found = read_or_refused(path, caplog)
    if found is not None:
        np.testing.assert_allclose(found, numbers[: len(found)] * 1e-6, rtol=1e-6)
        assert "is damaged, and read as far as it can be" in caplog.text
    # Behind the first of its six blocks there is something to play.
    assert (found is not None) == (share > 0.2)


@pytest.mark.parametrize("seed", range(20))
def test_damage_anywhere_is_no_traceback(xdf, numbers, channels, caplog, seed):
    path = xdf(eeg(numbers, channels(["uV"] * 4)))
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(4, len(content), 20):
        content[place] = rng.integers(256)
    path.write_bytes(content)
    read_or_refused(path, caplog)
