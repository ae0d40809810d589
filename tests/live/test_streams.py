"""Inlet and outlet over real LSL, on loopback."""

import signal
import socket
import time

import numpy as np
import pylsl
import pytest
from convdip.errors import StreamError
from convdip.live.inlet import Inlet
from convdip.live.montage import match_montage
from convdip.live.network import Network
from convdip.live.outlet import SourceOutlet, provenance_of
from convdip.live.sender import find_streams, resolve
from convdip.sources.player import eeg_outlet, play
from convdip.streams import read_eeg, read_sources


def outlet(name, n=4, sfreq=100.0, fmt=pylsl.cf_float32, kind="EEG", source_id=None):
    return pylsl.StreamOutlet(
        pylsl.StreamInfo(name, kind, n, sfreq, fmt, source_id or f"id-{name}")
    )


def pull(inlet, n, timeout_s=60):
    """Pull until n samples are there."""
    samples: list[np.ndarray] = []
    stamps: list[np.ndarray] = []
    deadline = time.monotonic() + timeout_s
    while sum(map(len, stamps)) < n and time.monotonic() < deadline:
        chunk = inlet.pull(64)
        if chunk is not None:
            samples.append(chunk.samples)
            stamps.append(chunk.timestamps)
    return np.concatenate(samples), np.concatenate(stamps)


@pytest.mark.parametrize(
    ("fmt", "dtype"),
    [
        (pylsl.cf_float32, np.float32),
        (pylsl.cf_double64, np.float64),
        (pylsl.cf_int16, np.int16),
        (pylsl.cf_int32, np.int32),
    ],
)
def test_samples_and_stamps_come_as_they_were_sent(unique, fmt, dtype):
    sender = outlet(unique, fmt=fmt)
    inlet = Inlet(resolve(unique, 60.0, settle_s=0.0))
    assert sender.wait_for_consumers(60)
    samples = np.arange(400).reshape(100, 4)
    stamps = pylsl.local_clock() + np.arange(100) / 100
    sender.push_chunk(samples, stamps.tolist())
    got, got_stamps = pull(inlet, 100)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, samples)
    np.testing.assert_array_equal(got_stamps, stamps)


def test_what_waits_is_counted_and_can_be_taken_without_waiting(unique):
    sender = outlet(unique)
    inlet = Inlet(resolve(unique, 60.0, settle_s=0.0))
    assert inlet.pull(10, wait=False) is None
    assert sender.wait_for_consumers(60)
    sender.push_chunk(np.zeros((100, 4)), (pylsl.local_clock() + np.arange(100) / 100).tolist())
    deadline = time.monotonic() + 60
    while inlet.n_waiting() < 100:
        assert time.monotonic() < deadline
    assert len(inlet.pull(30).timestamps) == 30
    assert len(inlet.pull(100, wait=False).timestamps) == 70
    assert inlet.n_waiting() == 0


def test_an_ended_stream_says_so(unique):
    sender = outlet(unique)
    inlet = Inlet(resolve(unique, 60.0, settle_s=0.0))
    assert inlet.pull(64) is None
    del sender
    with pytest.raises(StreamError, match="ended"):
        pull(inlet, 1)


def test_a_stream_that_hangs_is_one_clear_error(convdip, unique):
    process = convdip("simulate", "--name", unique, "--seconds", 30)
    stream = resolve(unique, 60.0, settle_s=0.0)
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(StreamError, match="does not answer: it hangs"):
            Inlet(stream)
    finally:
        process.send_signal(signal.SIGCONT)


def test_no_stream_is_said_with_what_there_is(unique):
    other = outlet(unique, kind="Audio")
    with pytest.raises(StreamError, match=rf"no stream named 'nonesuch' .*{unique} \(Audio\)"):
        resolve("nonesuch", 0.5)
    del other


def test_two_streams_of_one_name_are_not_chosen_between(unique):
    senders = [outlet(unique, source_id="first"), outlet(unique, source_id="second")]
    assert len([s for s in find_streams(1.0) if s.name() == unique]) == 2
    with pytest.raises(StreamError, match=r"2 streams fit: .*(first.*second|second.*first)"):
        resolve(unique, 5.0)
    del senders


@pytest.mark.parametrize("layout", ["channels/channel/label", "channel/name", "nothing"])
def test_labels_and_units_of_both_common_layouts(layout):
    info = pylsl.StreamInfo("x", "EEG", 2, 100.0, "float32", "x")
    if layout == "channels/channel/label":
        parent, key = info.desc().append_child("channels"), "label"
    else:
        parent, key = info.desc(), "name"
    if layout != "nothing":
        for name in ("Cz", "Pz"):
            channel = parent.append_child("channel")
            channel.append_child_value(key, name)
            channel.append_child_value("unit", "uV")
    described = read_eeg(info)
    expected = ("", "") if layout == "nothing" else ("Cz", "Pz")
    assert described.labels == expected
    assert described.units == (("", "") if layout == "nothing" else ("uV", "uV"))


def described(fmt="int16", **said):
    """Describe an amplifier's two channels, as its program would."""
    info = pylsl.StreamInfo("Amp", "EEG", 2, 100.0, fmt, "amp-1")
    channels = info.desc().append_child("channels")
    for label in ("Cz", "Pz"):
        channel = channels.append_child("channel")
        for key, value in {"label": label, "unit": "microvolts", **said}.items():
            channel.append_child_value(key, value)
    return read_eeg(info)


@pytest.mark.parametrize("tag", ["scaling_factor", "scale", "resolution"])
def test_types_formats_and_factors_are_read(tag):
    stream = described("int32", type=" AUX ", **{tag: " 0.0488 "})
    assert stream.types == ("AUX", "AUX")
    assert stream.factors == (0.0488, 0.0488)
    assert (stream.sample_format, stream.is_integer) == ("int32", True)
    plain = described("double64")
    assert (plain.types, plain.factors) == (("", ""), (1.0, 1.0))
    assert (plain.sample_format, plain.is_integer) == ("double64", False)
    assert plain.places_m == (None, None)
    assert np.isnan(described(**{tag: "much"}).factors).all()


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"fmt": "int32"}, "format int32, expected int16"),
        ({"unit": "volts"}, "unit of channel 1 volts, expected microvolts (and 1 more)"),
        ({"type": "EOG"}, "type of channel 1 EOG, expected"),
        ({"scale": "0.1"}, "factor of channel 1 0.1, expected 1"),
        ({"label": "Fp1"}, "label of channel 1 Fp1, expected Cz"),
    ],
)
def test_what_makes_samples_other_is_a_difference(other, what):
    stream = described()
    assert stream.difference(described(**other)) != ""
    assert what in stream.difference(described(**other))
    for same in (described(), described(scale="1")):
        assert stream.difference(same) == ""
    unreadable = described(scale="much")
    assert unreadable.difference(described(scale="many")) == ""


def test_the_player_keeps_time_and_loses_nothing(unique):
    sender = eeg_outlet(unique, ["Cz", "Pz"], 1000.0, f"id-{unique}")
    inlet = Inlet(resolve(unique, 60.0, settle_s=0.0))
    assert inlet.description.units == ("microvolts", "microvolts")
    assert sender.wait_for_consumers(60)
    samples = np.arange(1000, dtype=np.float32).reshape(500, 2)
    start = pylsl.local_clock()
    played = play(sender, samples, 1000.0)
    assert pylsl.local_clock() - start >= 0.5
    got, stamps = pull(inlet, 500)
    np.testing.assert_array_equal(got, samples)
    np.testing.assert_allclose(stamps, played.first_stamp + np.arange(500) / 1000, atol=1e-9)
    assert played.n_samples == 500


def test_the_published_stream_is_fully_described(unique, shipped):
    labels = [name for name in shipped.head.channels if name not in ("FT9", "TP10")]
    sender = eeg_outlet(unique, labels, 250.0, f"id-{unique}")
    inlet = Inlet(resolve(unique, 60.0, settle_s=0.0))
    stream = inlet.description
    montage = match_montage(labels, stream.units, shipped.head)
    network = Network(shipped.model, shipped.head, "cpu")
    provenance = provenance_of(stream, shipped, network, montage.missing)
    published = SourceOutlet(unique, shipped.head, stream.sfreq_hz, provenance)
    client = pylsl.StreamInlet(resolve(f"{unique}-Sources", 60.0, settle_s=0.0), recover=False)
    info = client.info(timeout=60)
    assert read_sources(info).provenance == provenance

    assert info.type() == "SourceEstimate"
    assert info.nominal_srate() == 250.0
    assert info.get_channel_labels() == shipped.head.dipole_labels
    assert set(info.get_channel_units()) == {"nAm"}
    channel = info.desc().child("channels").last_child()
    assert channel.child_value("region") == shipped.head.atlas_names[shipped.head.atlas[-1]]
    place_mm = [float(channel.child("location").child_value(axis)) for axis in "XYZ"]
    np.testing.assert_allclose(place_mm, shipped.head.dipoles_m[-1] * 1e3, atol=0.006)
    written = info.desc().child("provenance")
    assert written.child_value("input_name") == unique
    assert written.child_value("input_hostname") == socket.gethostname()
    assert written.child_value("input_source_id") == f"id-{unique}"
    assert written.child_value("model_sha256") == shipped.sha256
    assert written.child_value("polarity") == shipped.polarity
    assert written.child_value("interpolated_channels") == "FT9, TP10"
    assert written.child_value("provider") == "CPUExecutionProvider"
    assert (written.child_value("precision"), written.child_value("threads")) == ("fp32", "1")
    space = info.desc().child("source_space")
    assert space.child_value("n_left") == "2562"
    assert space.child_value("head_sha256") == shipped.card["sha256"]["head.npz"]
    del client, published, sender
