"""What is drawn over time: bounded whatever comes, kept as long as it can be looked at."""

from __future__ import annotations

import math

import numpy as np
import pylsl
import pytest
from convdip.display.bad_electrodes import MISSING, WORDS, BadElectrodes, BadSpan
from convdip.display.horizon import Horizon
from convdip.display.marker_streams import MOST_STREAMS, MarkerStreams
from convdip.display.marks import MOST_A_SECOND, Mark, Marks
from convdip.display.reports import Reports
from convdip.display.spans import (
    AFTER_S,
    BEFORE_S,
    NO_ESTIMATES,
    Artefacts,
    Span,
    gaps,
    without_estimates,
)
from convdip.frame import Artefact
from convdip.live.electrodes import Reason
from convdip.streams import Event, EventMessage, Provenance
from hypothesis import given
from hypothesis import strategies as st

NOW_S = 1000.0


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.floats(900, 1010)))
def test_marks_come_in_order_and_none_without_a_place_in_time(stamps):
    marks = Marks()
    kept = [stamp for stamp in stamps if marks.add(Mark(stamp, "x", "S"), NOW_S)]
    shown = [mark.stamp for mark in marks.between(-math.inf, math.inf)]
    assert shown == sorted(shown)
    assert all(NOW_S - 60 <= stamp <= NOW_S + 5 for stamp in kept)
    assert set(shown) <= set(kept)


def test_a_flood_is_counted_and_not_kept():
    marks = Marks()
    for number in range(5_000):
        marks.add(Mark(NOW_S + number / 5_000, f"m{number}", "S"), NOW_S)
    shown = marks.between(NOW_S - 1, NOW_S + 1)
    assert len(shown) == MOST_A_SECOND
    assert shown[-1].text == f"and {5_001 - MOST_A_SECOND} more"


def test_what_is_looked_at_is_kept_and_so_is_the_latest_half_minute():
    """Paused at 100 s, and it is 200 s by now."""
    marks, bad = Marks(), BadElectrodes()
    horizon = Horizon(oldest_s=70.0, newest_s=100.0, latest_s=170.0)
    for stamp in (60.5, 75.5, 140.5, 180.5):
        marks.add(Mark(stamp, "", ""), stamp)
        bad.bad("C3", "rail", stamp, stamp)
        bad.good("C3", stamp + 1)
    for kept in (marks, bad):
        kept.forget(horizon)
    assert [mark.stamp for mark in marks.between(0, 300)] == [75.5, 180.5]
    assert [span.first_s for span in bad.between(0, 300)] == [75.5, 180.5]


@pytest.mark.parametrize("reason", [*Reason, MISSING])
def test_each_reason_has_words(reason):
    word, why = WORDS[reason]
    assert 0 < len(word) <= 14  # fits beside a name
    assert why
    assert why in BadSpan("C3", reason).sentence


def test_an_electrode_is_bad_from_then_on_until_it_is_good():
    bad = BadElectrodes()
    bad.restart(5.0)
    bad.bad("C3", "rail", 10.0, 10.0)
    bad.bad("P4", "noise", 12.0, 12.0, is_repeated=True)  # since before it was heard of
    bad.bad("C3", "noise", 15.0, 15.0, is_repeated=True)  # the same time, for another reason
    bad.good("C3", 20.0)
    c3, p4 = sorted(bad.between(0, 30), key=lambda span: span.electrode)
    assert (c3.first_s, c3.last_s, c3.reason) == (10.0, 20.0, "noise")
    assert (p4.first_s, p4.last_s, p4.is_older) == (5.0, math.inf, True)
    assert [span.electrode for span in bad.now] == ["P4"]
    assert bad.between(20, 20) == [p4]
    assert bad.between(math.inf, math.inf) == [p4]
    assert p4.since.startswith("before ")


def test_a_gap_is_told_from_jitter():
    stamps = 100 + np.arange(1000) / 250
    rng = np.random.default_rng(0)
    jittered = np.sort(stamps + rng.uniform(-0.02, 0.02, 1000))
    assert gaps(jittered, 250, 100, 104) == []
    wide = np.delete(stamps, range(500, 550))
    [gap] = gaps(wide, 250, 100, 104)
    assert (gap.first_s, gap.last_s) == (stamps[499], stamps[550])
    assert gaps(wide, 250, 102.5, 104) == []
    assert gaps(wide, 250, 102.1, 104) == [gap]  # one that begins before it
    # A few samples look like jitter, until the service says that they are missing.
    narrow = np.delete(stamps, range(500, 507))
    assert gaps(narrow, 250, 100, 104) == []
    [gap] = gaps(narrow, 250, 100, 104, [stamps[700]])
    assert (gap.first_s, gap.last_s) == (stamps[499], stamps[507])
    assert gaps(np.zeros(0), 250, 100, 104, [102.0]) == []


@given(st.lists(st.booleans(), min_size=2, max_size=60))
def test_what_is_no_number_is_no_estimate(is_there):
    stamps = 100 + np.arange(len(is_there)) / 250
    rows = np.where(is_there, np.float32(1), np.float32(np.nan))[:, None]
    spans = without_estimates(stamps, rows, 250, 99.0, 200.0)
    covered = [any(s.first_s < t <= s.last_s for s in spans) for t in stamps[1:].tolist()]
    assert covered == [not there for there in is_there[1:]]


def test_a_gap_in_the_eeg_misses_no_estimates():
    """Before it there are none, then there is no EEG, then a step in the estimates alone."""
    stamps = np.delete(100 + np.arange(1000) / 250, range(200, 300))
    rows = np.ones((900, 3), np.float32)
    rows[150:200] = np.nan
    [gap] = gaps(stamps, 250, 100, 104)
    assert without_estimates(stamps, rows, 250, 100, 104, [gap]) == [
        Span(NO_ESTIMATES, stamps[149], stamps[199])
    ]
    dropped = np.delete(np.arange(900), range(500, 600))
    spans = without_estimates(stamps[dropped], rows[dropped], 250, 100, 104, [gap])
    assert spans[1:] == [Span(NO_ESTIMATES, stamps[499], stamps[600])]


def test_an_artefact_is_where_the_reports_can_have_seen_it():
    artefacts = Artefacts()
    codes = [0, 0, *[1] * 10, 0, *[3] * 2, 99, float("nan")]
    for number, code in enumerate(codes):
        artefacts.add(code, 100 + number / 10)
    blink, muscle = artefacts.between(0, 200)
    assert (blink.kind, muscle.kind) == (Artefact.BLINK, Artefact.MUSCLE)
    assert blink.first_s == pytest.approx(100.2 - BEFORE_S)
    assert blink.last_s == pytest.approx(101.1 - AFTER_S)
    assert muscle.last_s == pytest.approx(101.3)  # never before the first report


def test_events_become_marks_at_their_time_unless_they_are_said_again():
    reports = Reports()
    for event, facts in (
        (Event.BLOCK, {"name": "imagine\nit"}),
        (Event.INVALID, {"reason": "no signal"}),
        (Event.INVALID, {"reason": "no signal", "repeated": True}),
        (Event.NOTCH, {"hz": 50.0}),
        (Event.GAP, {"missing": 7}),
        ("of a newer service", {}),
    ):
        reports.hear(EventMessage(event, "text", facts), NOW_S, "Lab-Events", NOW_S)
    texts = [mark.text for mark in reports.marks.between(0, NOW_S)]
    assert texts == ["imagine it", "no estimates: no signal", "notch"]
    assert reports.told_gaps_s == [NOW_S]
    assert len(reports.take_news()) == 5


def provenance_of_eeg(name: str) -> Provenance:
    return Provenance(name, "", "", None, "", "", "", "", "", 1, "both")


def outlet(name: str, source_id: str, n: int = 1, type_: str = "Markers", form="string"):
    return pylsl.StreamOutlet(pylsl.StreamInfo(name, type_, n, 0, form, source_id))


def test_the_markers_of_the_recording_are_followed_and_few_others(unique, until):
    opened = [
        outlet(f"{unique}EEG-Markers", f"{unique}-own"),
        outlet(f"{unique}-Events", "convdip-x-events"),
        outlet("Other-Events", "convdip-Other-events"),
        outlet(f"{unique}EEG-Truth", f"{unique}-truth"),
        outlet(f"{unique}Other-Markers", f"{unique}-others"),
        outlet(f"{unique}Other", f"{unique}-eeg", 20, "EEG", "float32"),
        outlet(f"{unique}Triggers", f"{unique}-int", form="int32"),
        *(outlet(f"{unique}Task{n}", f"{unique}-{n}") for n in range(MOST_STREAMS)),
    ]
    streams, marks, resolver = MarkerStreams(), Marks(), pylsl.ContinuousResolver()
    provenance = provenance_of_eeg(f"{unique}EEG")

    def step():
        now_s = pylsl.local_clock()
        # Other tests' streams may be listed for a while yet.
        there = [s for s in resolver.results() if unique in s.name() or s.name() == "Other-Events"]
        streams.follow(there, provenance, unique, now_s)
        for number, one in enumerate(opened):
            if one.channel_format == pylsl.cf_string:
                one.push_sample([f"m{number}"])
        streams.read(marks, now_s)

    def heard():
        """Whom, of late: until all streams are listed, others are followed in their place."""
        return {mark.stream for mark in marks.between(pylsl.local_clock() - 1.0, math.inf)}

    followed = {f"{unique}EEG-Markers", *(f"{unique}Task{n}" for n in range(MOST_STREAMS - 1))}
    until(lambda: heard() == followed and streams.n_left_out == 1, step, 60)
    assert streams.words.startswith(f"markers of {unique}EEG-Markers")
    assert streams.words.endswith("and not 1 more")
    streams.close()


def test_bytes_that_are_no_text_and_stamps_of_another_clock_do_no_harm(unique, until):
    sender = outlet(unique, unique, 2)
    streams, marks, resolver = MarkerStreams(), Marks(), pylsl.ContinuousResolver()

    def step():
        now_s = pylsl.local_clock()
        there = [s for s in resolver.results() if s.name() == unique]
        streams.follow(there, provenance_of_eeg("E"), "S", now_s)
        sender.push_sample([b"caf\xe9 \x01<b>", "7"])
        sender.push_sample(["long ago", ""], 3.0)
        streams.read(marks, now_s)

    until(lambda: marks.between(0, math.inf) and "left out" in streams.words, step, 30)
    texts = {mark.text for mark in marks.between(-math.inf, math.inf)}
    assert texts == {"café \\x01<b>, 7"}
    streams.close()
