"""Markers of other programs, whatever they send."""

from __future__ import annotations

import time

import pylsl
from convdip.live.loop.markers import Markers


def test_a_marker_that_is_no_utf8_does_not_end_the_listening(unique):
    info = pylsl.StreamInfo(unique, "Markers", 1, 0, pylsl.cf_string, f"id-{unique}")
    outlet, markers = pylsl.StreamOutlet(info), Markers("nothing")
    heard: set[str] = set()
    deadline = time.monotonic() + 60
    # Other tests' streams are heard, too.
    while not {"café", "S 7"} <= heard:
        assert time.monotonic() < deadline, heard
        outlet.push_sample([b"caf\xe9"])
        outlet.push_sample(["S 7"])
        time.sleep(0.05)
        heard |= {text for text, _ in markers.heard()}
    markers.close()
