"""A sender whose every word is meant to harm: the service images its EEG, and no word harms."""

import contextlib
import json
import logging
import time
import unicodedata
from xml.etree import ElementTree

import numpy as np
import pylsl
import pytest
from convdip import Service
from convdip.description import MOST_ELEMENTS
from convdip.sources.background import background_eeg
from convdip.streams import SOURCES_TYPE, read_sources
from convdip.terminal import FlagsFormatter

FORGED = "\x1b[2J\nERROR all is lost\x9b\u202e\u2066"
SHOWN = r"\x1b[2J\nERROR all is lost\x9b\u202e\u2066"
RATE_HZ = 250.0


def is_harmless(text):
    return text.isprintable() or not any(
        unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in text
    )


class Sender:
    """Sends EEG under a wicked name, with a wicked description."""

    def __init__(self, head, name, source_id, more=lambda desc: None):
        self.eeg = background_eeg(head, 2000, RATE_HZ, np.random.default_rng(0)) * 5
        labels = [*head.channels, f"EOG{FORGED}"]
        info = pylsl.StreamInfo(name, "EEG", len(labels), RATE_HZ, "float32", source_id)
        channels = info.desc().append_child("channels")
        for label in labels:
            channel = channels.append_child("channel")
            channel.append_child_value("label", f"{label}\t")
            channel.append_child_value("unit", "microvolts")
            channel.append_child_value("type", f"EOG{FORGED}" if label.startswith("EOG") else "EEG")
        more(info.desc())
        self.outlet, self.sent = pylsl.StreamOutlet(info), 0

    def send_until(self, is_enough, timeout_s=60.0):
        """Send at its rate until something has happened."""
        deadline = time.monotonic() + timeout_s
        while not is_enough():
            assert time.monotonic() < deadline
            row = np.append(self.eeg[self.sent % len(self.eeg)], 0.0).astype(np.float32)
            self.outlet.push_sample(row, pylsl.local_clock())
            self.sent += 1
            time.sleep(1 / RATE_HZ)


@pytest.fixture
def logged(caplog):
    """Return the lines that the command line would show."""
    caplog.set_level(logging.DEBUG, "convdip")
    formatter = FlagsFormatter("%(levelname)s %(message)s")
    return lambda: [formatter.format(record) for record in caplog.records]


def test_no_word_of_a_sender_steers_forges_or_ends_anything(shipped, unique, logged):
    name, frames = f"{unique}{FORGED}", []
    sender = Sender(shipped.head, name, unique)
    # Such a name cannot be given on a command line.
    with Service(source_id=unique, name=f"{unique}Lab", on_frame=frames.append) as service:
        sender.send_until(lambda: len(frames) > 20)
        sources, events = listen(f"{unique}Lab", SOURCES_TYPE), listen(f"{unique}Lab", "Markers")
        info = sources.info(timeout=60)
        # As XML that any reader reads, in words that any screen can show.
        ElementTree.fromstring(info.as_xml())
        provenance = read_sources(info).provenance
        assert provenance.input_name == f"{unique}{SHOWN}"
        assert is_harmless(provenance.input_source_id)
        assert provenance.electrodes == tuple(shipped.head.channels)
        del sender, info, sources
        # Another one under its name, whose description is beyond all bounds, ends no loop.
        flood = Sender(shipped.head, name, unique, more=flooded)
        wait_until(lambda: any("is too large" in line for line in logged()))
        assert not service.wait(0)
        del flood
        n_before = len(frames)
        again = Sender(shipped.head, name, unique)
        again.send_until(lambda: len(frames) > n_before + 20)
        texts = []
        with contextlib.suppress(pylsl.util.LostError):
            texts = [row[0] for row in events.pull_chunk(timeout=1.0, as_numpy=True)[0]]
    told = [json.loads(text.decode())["text"] for text in texts]
    assert any("is back" in text for text in told)
    assert all(map(is_harmless, told))
    assert all(map(is_harmless, logged()))
    assert any("ignored channels: EOG\\x1b[2J ERROR" in line for line in logged())
    assert not any(line.startswith("ERROR all") for line in logged())


def flooded(desc):
    channels = desc.append_child("channels")
    for _ in range(MOST_ELEMENTS + 1):
        channels.append_child("channel")


def listen(stem, kind):
    found = [s for s in pylsl.resolve_byprop("type", kind, timeout=60) if stem in s.name()]
    [info] = [s for s in found if s.name() in (f"{stem}-Sources", f"{stem}-Events")]
    inlet = pylsl.StreamInlet(info, recover=False)
    inlet.open_stream(timeout=60)
    return inlet


def wait_until(is_so, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
