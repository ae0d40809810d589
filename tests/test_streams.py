"""Contract 2: what is written into a stream's description is what is read from it."""

import json
from dataclasses import replace

import numpy as np
import pylsl
import pytest
from convdip.streams import (
    QUALITY,
    Event,
    EventMessage,
    Provenance,
    eeg_info,
    events_info,
    markers_info,
    power_info,
    quality_info,
    read_eeg,
    read_quality,
    read_sources,
    sources_info,
    stream_name,
    truth_info,
)

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


def test_quality_is_described_and_read_back():
    info = quality_info("Lab", "Amp")
    assert (info.name(), info.type(), info.nominal_srate()) == ("Lab-Quality", "QC", 10.0)
    assert info.get_channel_labels() == list(QUALITY)
    assert info.get_channel_units() == list(QUALITY.values())
    assert read_quality(range(len(QUALITY)))["filter_delay"] == len(QUALITY) - 1
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
    assert stream_name("Lab", "Events") == events_info("Lab").name()
    assert stream_name("Lab", "Truth") == truth_info("Lab", "x").name()
    assert stream_name("Lab", "Markers") == markers_info("Lab", "x").name()
    assert events_info("Lab").channel_format() == pylsl.cf_string
