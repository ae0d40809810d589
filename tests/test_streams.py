"""Contract 2: what is written into a stream's description is what is read from it."""

import json
from dataclasses import replace

import numpy as np
import pylsl
import pytest
from convdip.streams import (
    QUALITY,
    SHOWN,
    Event,
    EventMessage,
    PlayedSource,
    Provenance,
    eeg_info,
    events_info,
    feedback_info,
    markers_info,
    power_info,
    quality_info,
    read_blocks,
    read_eeg,
    read_quality,
    read_shown,
    read_sources,
    shown_info,
    sources_info,
    stream_name,
    truth_info,
)
from hypothesis import given
from hypothesis import strategies as st

FULL = Provenance(
    input_name="Amp",
    input_source_id="amp-1",
    input_hostname="lab",
    input_unit="millivolts",
    model="convdip-fsaverage31",
    model_sha256="ab" * 32,
    head_sha256="cd" * 32,
    provider="CPUExecutionProvider",
    precision="int8",
    threads=2,
    polarity="both",
    interpolated=("FT9", "TP10"),
    electrodes=("Fp1", "E 7"),
    noise="model",
    input_channels="biosemi64",
    input_inverted=True,
)


@pytest.mark.parametrize(
    "provenance",
    [
        FULL,
        replace(FULL, input_unit=None),
        replace(FULL, input_channels=None),
        replace(FULL, input_channels="Fp1, -, E 7"),
        replace(FULL, input_inverted=False),
        replace(FULL, interpolated=()),
        replace(FULL, electrodes=()),
        replace(FULL, noise="none"),
        replace(FULL, threads=1),
        replace(FULL, polarity="positive"),
    ],
)
def test_sources_are_described_and_read_back(shipped, provenance):
    info = sources_info("Lab", shipped.head, 250.0, provenance)
    found = read_sources(info)
    assert found.provenance == provenance
    assert (found.name, found.n_dipoles, found.sfreq_hz) == ("Lab-Sources", 5124, 250.0)
    assert found.is_float32
    assert info.type() == "SourceEstimate"
    assert len(found.medial_wall) == 513
    np.testing.assert_array_equal(found.medial_wall, np.flatnonzero(~shipped.head.is_cortex))


def test_power_is_described_as_sources_are(shipped):
    info = power_info("Lab", shipped.head, 0.25, FULL)
    assert (info.name(), info.type(), info.nominal_srate()) == ("Lab-Power", "SourcePower", 0)
    assert read_sources(info).provenance == FULL
    assert info.desc().child("timing").child_value("window_s") == "0.25"


def test_a_head_without_a_medial_wall_has_none(toy_head):
    assert read_sources(sources_info("Lab", toy_head, 250.0, FULL)).medial_wall == ()


def test_a_stream_that_says_nothing_is_read_as_nothing():
    found = read_sources(pylsl.StreamInfo("Lab-Sources", "SourceEstimate", 3, 0.0, "double64"))
    assert not found.is_float32
    nothing = Provenance(
        "", "", "", None, "", "", "", "", "", 0, "", noise="none", reference="", filter=""
    )
    assert found.provenance == nothing
    assert found.medial_wall == ()


def test_eeg_is_described_and_read_back():
    found = read_eeg(eeg_info("Amp", ["Fp1", "Cz", "O2 <&>"], 500.0, "amp-1"))
    assert (found.name, found.source_id, found.sfreq_hz) == ("Amp", "amp-1", 500.0)
    assert found.labels == ("Fp1", "Cz", "O2 <&>")
    assert found.units == ("microvolts",) * 3


def test_the_blocks_of_a_protocol_are_described_and_read_back():
    blocks = [
        {"number": "1", "name": "rest <&>", "kind": "rest", "seconds": "60", "begin": ""},
        {"number": "2", "name": "up", "kind": "regulate", "seconds": "", "begin": "ready"},
    ]
    assert read_blocks(feedback_info("Lab", 250.0, "alpha", 0.3, "first", blocks)) == blocks
    assert read_blocks(feedback_info("Lab", 250.0, "alpha", 0.3)) == []


def test_shown_frames_are_described_and_read_back():
    info = shown_info("Lab", "circle")
    assert (info.name(), info.type(), info.nominal_srate()) == ("Lab-Shown", "Shown", 0.0)
    assert info.channel_format() == pylsl.cf_double64
    assert info.get_channel_labels() == list(SHOWN)
    assert info.get_channel_units() == list(SHOWN.values())
    assert info.desc().child("provenance").child_value("scene") == "circle"
    assert read_shown([8123.25, 0.5, 0.45, 0.012])["age"] == 0.012
    with pytest.raises(ValueError, match="shorter"):
        read_shown([1.0])


def test_quality_is_described_and_read_back():
    info = quality_info("Lab", "Amp")
    assert (info.name(), info.type(), info.nominal_srate()) == ("Lab-Quality", "QC", 10.0)
    assert info.get_channel_labels() == list(QUALITY)
    assert info.get_channel_units() == list(QUALITY.values())
    assert read_quality(range(len(QUALITY)))[list(QUALITY)[-1]] == len(QUALITY) - 1
    with pytest.raises(ValueError, match="shorter"):
        read_quality([1.0])


@pytest.mark.parametrize("event", Event)
def test_events_are_written_and_read_back(event):
    message = EventMessage(event, "1 µV — «text»", {"lost": 3, "stamps": [1.5, 2.5]})
    marker = message.to_json()
    assert json.loads(marker)["event"] == event.value
    assert EventMessage.from_json(marker) == message


def test_each_stream_has_a_name_of_its_own():
    assert stream_name("Lab", "Quality") == quality_info("Lab", "Amp").name()
    assert stream_name("Lab", "Shown") == shown_info("Lab", "gauge").name()
    assert stream_name("Lab", "Events") == events_info("Lab").name()
    assert stream_name("Lab", "Truth") == truth_info("Lab", "x").name()
    assert stream_name("Lab", "Markers") == markers_info("Lab", "x").name()
    assert events_info("Lab").channel_format() == pylsl.cf_string


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(labels=st.lists(TEXT, min_size=1, max_size=4), unit=TEXT)
def test_whatever_a_sender_writes_of_its_channels_is_read(labels, unit):
    """Control characters, too, which XML does not know: they are replaced, and nothing else is."""
    info = pylsl.StreamInfo("Amp", "EEG", len(labels), 250, pylsl.cf_float32, "id")
    channels = info.desc().append_child("channels")
    for label in labels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", unit)
    found = read_eeg(info)
    assert len(found.labels) == len(labels)
    for label, read in zip(labels, found.labels, strict=True):
        if label.isascii() and label.isprintable() and label.strip() == label:
            assert read == label


ANY = st.text(st.characters(codec=None), max_size=30)  # lone surrogates, too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    max_leaves=8,
)


@given(text=ANY, facts=st.dictionaries(st.sampled_from(["host", "why", "seen"]), JSON))
def test_an_event_that_quotes_anything_is_one_harmless_line(text, facts):
    marker = EventMessage(Event.LOST, text, facts).to_json()
    assert marker.isprintable()
    marker.encode()
    heard = EventMessage.from_json(marker)
    assert heard.event == Event.LOST
    assert heard.to_json() == marker or "…" in marker


@given(JSON | st.dictionaries(st.sampled_from(["event", "text", "dipole"]), JSON))
def test_what_is_no_event_is_told_as_such(said):
    """Any program may send markers on a stream that is called as a service's."""
    marker = json.dumps(said)
    assert PlayedSource.from_json(marker) is None
    if isinstance(said, dict) and {"event", "text"} <= said.keys():
        assert EventMessage.from_json(marker).text.isprintable()
    else:
        with pytest.raises(ValueError, match="expected an object with an event and a text"):
            EventMessage.from_json(marker)


@pytest.mark.parametrize("marker", ["", "{", "[" * 100_000, '{"a":' * 50_000, "9" * 10_000, "NaN"])
def test_what_is_no_json_is_no_event_either(marker):
    assert PlayedSource.from_json(marker) is None
    with pytest.raises(ValueError, match="expected an object"):
        EventMessage.from_json(marker)


def test_a_played_source_is_written_and_read_back():
    played = PlayedSource(7, "cuneus-lh", 20.0, 1.5, 2.5)
    assert PlayedSource.from_json(played.to_json()) == played
    assert PlayedSource.from_json('{"end": 3}') is None
    assert PlayedSource.from_json(played.to_json().replace("20.0", '"20"')) is None
