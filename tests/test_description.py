"""What streams say of themselves, read within bounds whatever it is."""

import ctypes
import time
from xml.sax.saxutils import escape

import pylsl
import pytest
from convdip.description import DEEPEST, MOST_BYTES, MOST_ELEMENTS, desc_of, read_desc
from convdip.errors import StreamError
from convdip.machine import memory_mb
from convdip.streams import (
    MOST_CHANNELS,
    channels_of,
    read_blocks,
    read_delays_s,
    read_eeg,
    read_sources,
)
from hypothesis import given
from hypothesis import strategies as st
from pylsl.lib import lib


@pytest.fixture
def described():
    """Return a stream that some program describes in XML, as it comes over the network."""
    lib.lsl_streaminfo_from_xml.restype = ctypes.c_void_p

    def describe(desc: str | bytes) -> pylsl.StreamInfo:
        head = pylsl.StreamInfo("Amp", "EEG", 3, 250.0, "float32", "amp").as_xml()
        before, _, after = head.replace("<uid></uid>", "<uid>u</uid>").partition("<desc />")
        said = desc if isinstance(desc, bytes) else desc.encode()
        xml = before.encode() + b"<desc>" + said + b"</desc>" + after.encode()
        return pylsl.StreamInfo(handle=lib.lsl_streaminfo_from_xml(xml))

    return describe


def channels(*labels: str) -> str:
    inner = "".join(f"<channel><label>{escape(label)}</label></channel>" for label in labels)
    return f"<channels>{inner}</channels>"


def test_twenty_thousand_levels_cost_nothing(described):
    """liblsl would print 400 MB of it, and parsing that took 1.7 GB and ten seconds."""
    n = 20_000
    info = described(channels("Fp1") + "<deep>" * n + "</deep>" * n)
    inside = described("<channels>" + "<channel>" * n + "</channel>" * n + "</channels>")
    before_mb, began = memory_mb(), time.monotonic()
    assert read_eeg(info).labels == ("Fp1", "", "")
    assert read_eeg(inside).labels == ("", "", "")
    assert time.monotonic() - began < 2
    assert memory_mb() - before_mb < 20


@pytest.mark.parametrize(
    "much",
    [
        "<channel/>" * (MOST_ELEMENTS + 1),
        f"<channel><label>{'x' * (MOST_BYTES + 1)}</label></channel>",
        f"<channel><note>{'x' * 1000}</note></channel>" * (MOST_BYTES // 1000 + 1),
    ],
)
def test_more_than_any_description_needs_is_refused(described, much):
    info = described(f"<channels>{much}</channels>")
    for read in (read_eeg, read_delays_s):
        with pytest.raises(StreamError, match="stream 'Amp' is too large: expected 100,000 elem"):
            read(info)


def test_what_nobody_asks_for_is_not_read(described):
    """Thirty megabytes of a vendor's own do not keep an amplifier from being used."""
    info = described(f"<vendor>{'<x>y</x>' * 50_000}{'z' * 30_000_000}</vendor>{channels('Fp1')}")
    assert read_eeg(info).labels == ("Fp1", "", "")
    assert read_sources(info).provenance.model == ""
    assert read_blocks(info) == []


def test_a_large_honest_description_is_read(described):
    """512 channels, each with all that the XDF conventions know of one."""
    known = "".join(
        f"<{key}>x</{key}>" for key in ("unit", "type", "impedance", "hardware", "software")
    )
    place = "<location><X>1</X><Y>2</Y><Z>3</Z></location>"
    inner = "".join(f"<channel><label>E{i}</label>{known}{place}</channel>" for i in range(512))
    read = read_desc(described(f"<channels>{inner}</channels>"), "channels")
    found = channels_of(read, 512)
    assert [one.label for one in found] == [f"E{i}" for i in range(512)]
    assert found[-1].location == ("1", "2", "3")


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(TEXT)
def test_text_is_read_as_it_was_written(text):
    info = pylsl.StreamInfo("Amp", "EEG", 1, 250.0, "float32", "amp")
    info.desc().append_child("channels").append_child_value("label", text)
    assert (read_desc(info, "channels").findtext("channels/label") or "") == text


@pytest.mark.parametrize(
    ("said", "label"),
    [
        (b"\xb5V caf\xe9", "µV café"),
        (b"Fp1&#27;[2J", "Fp1\\x1b[2J"),
        (b"Fp1&#10;ERROR", "Fp1 ERROR"),
        (b"Fp1&#x202e;", "Fp1\\u202e"),
        (b"<![CDATA[O2 <&>]]>", "O2 <&>"),
        (b"<!-- no --> Cz ", "Cz"),
        (b"&unknown;", "&unknown;"),
    ],
)
def test_whatever_a_label_is_written_with(described, said, label):
    info = described(b"<channels><channel><label>" + said + b"</label></channel></channels>")
    assert read_eeg(info).labels[0] == label


def test_labels_that_are_shown_alike_are_told_apart(described):
    """Cut or escaped, two may look the same: they stay two."""
    long = "x" * 500
    info = described(channels(f"{long}1", f"{long}2", "Cz"))
    first, second, third = read_eeg(info).labels
    assert first.endswith("… (channel 1)")
    assert second.endswith("… (channel 2)")
    assert third == "Cz"
    same = read_eeg(described(channels("Cz", " Cz ", "Cz"))).labels
    assert same == ("Cz", "Cz", "Cz")


@pytest.mark.parametrize("n", [-1, MOST_CHANNELS + 1, 2_000_000_000])
def test_a_number_of_channels_that_no_stream_has_is_refused(n):
    with pytest.raises(StreamError, match=f"the stream has {n} channels: expected at most 100000"):
        channels_of(desc_of(None, "a file"), n)


def test_a_description_in_a_file_has_the_same_bounds():
    content: object = "Fp1"
    for _ in range(500):
        content = {"channels": [content]}
    element = desc_of(content, "a file")
    for _ in range(DEEPEST):
        [element] = element
    assert not len(element)
    with pytest.raises(StreamError, match="description of a file is too large"):
        desc_of({"channel": [None] * (MOST_ELEMENTS + 1)}, "a file")
