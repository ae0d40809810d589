"""Which stream is the input, at the start and after a loss: real streams of this process."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import convdip
import numpy as np
import psutil
import pylsl
import pytest
from convdip.errors import ConfigError, StreamError
from convdip.live.inlet import Inlet
from convdip.live.sender import Choice, find_streams, how_to_choose, resolve
from convdip.live.settings import Settings
from convdip.live.succession import ANSWER_S, Succession, heirs, impostor
from convdip.streams import Sender, read_eeg, read_sources
from hypothesis import given
from hypothesis import strategies as st

LABELS = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "Cz", "Pz"]
HOST = socket.gethostname()
AMP = Sender("Amp", "EEG", "amp-1", "lab", "uid-0", 10.0, "float32", 32, 500.0)


def outlet(
    name,
    labels=LABELS,
    *,
    unit="microvolts",
    factor="",
    kind="",
    rate_hz=250.0,
    fmt="float32",
    type_="EEG",
    source_id="amp-1",
):
    """Open a stream that describes its channels."""
    info = pylsl.StreamInfo(name, type_, len(labels), rate_hz, fmt, source_id)
    channels = info.desc().append_child("channels")
    for label in labels:
        channel = channels.append_child("channel")
        said = {"label": label, "unit": unit, "type": kind, "scaling_factor": factor}
        for key, value in said.items():
            if value:
                channel.append_child_value(key, value)
    return pylsl.StreamOutlet(info, max_buffered=2)


def until(is_so, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not (found := is_so()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


class Search:
    """A search for a lost stream, and what it said."""

    def __init__(self, bound, since_s=None, **how):
        since_s = pylsl.local_clock() if since_s is None else since_s
        self.said: list[dict[str, Any]] = []
        self.longest_s = 0.0
        self._succession = Succession(bound, since_s, self._say, **how)

    def _say(self, event, text, now_s, level=0, **facts):
        self.said.append({"event": str(event), "text": text, **facts})

    def look(self):
        began_s = time.monotonic()
        inlet = self._succession.look()
        self.longest_s = max(self.longest_s, time.monotonic() - began_s)
        return inlet

    def refused(self, *words):
        """Look until a refusal says all of this; return it. Nothing may be taken meanwhile."""

        def said():
            assert self.look() is None
            return [one for one in self.said if all(word in str(one) for word in words)]

        return until(said)[0]

    def taken(self):
        return until(self.look).description

    def lists(self, uid):
        """Wait until a stream was found, without asking it anything."""
        resolver = self._succession._resolver
        until(lambda: uid in {info.uid() for info in resolver.results()})


def bound_to(name):
    """Return the description of the stream that is there."""
    return Inlet(resolve(name, 60.0, settle_s=0.0)).description


def uid_of(sender):
    return sender.get_info().uid()


# --- choosing -----------------------------------------------------------------------------------


def test_one_computer_s_stream_is_chosen_by_name_at_host():
    here, there = AMP, replace(AMP, hostname="other", uid="uid-1")
    assert Choice("Amp@OTHER").only_one([here, there]) == there
    assert Choice("Amp@lab").only_one([here, there]) == here
    assert Choice("Amp@nowhere").only_one([here, there]) is None


def test_a_name_with_an_at_in_it_comes_first():
    whole = replace(AMP, name="Amp@lab", hostname="other", uid="uid-1")
    assert Choice("Amp@lab").only_one([AMP, whole]) == whole
    assert Choice("Amp@lab@other").only_one([AMP, whole]) == whole
    assert Choice("@").only_one([AMP]) is None


def test_a_source_id_chooses_with_a_name_and_without():
    other = replace(AMP, source_id="amp-2", uid="uid-1")
    acc = replace(AMP, source_id="amp-2", uid="uid-2", type="ACC", n_channels=3)
    assert Choice(None, "amp-2").only_one([AMP, other, acc]) == other
    assert Choice("Amp", "amp-2").only_one([AMP, other, acc]) == other
    assert Choice("Amp", "amp-3").only_one([AMP, other]) is None


@pytest.mark.parametrize(
    "sibling",
    [
        {"type": "ACC"},
        {"type": "ACC", "sample_format": "string"},
        {"sample_format": "string"},
        {"sample_format": "int64"},
        {"sfreq_hz": 0.0},
        {"sfreq_hz": 1e6},
        {"n_channels": 0},
        {"n_channels": 3},
    ],
)
def test_what_cannot_be_the_input_makes_no_choice_ambiguous(sibling):
    other = replace(AMP, uid="uid-1", **sibling)
    assert Choice("Amp").only_one([other, AMP]) == AMP
    assert how_to_choose(AMP, [other, AMP]) == "use `input='Amp'`"


def test_several_that_fit_are_told_apart_by_what_differs_and_how_to_choose():
    other = replace(AMP, hostname="other", uid="uid-1", n_channels=64)
    again = replace(AMP, hostname="other", uid="uid-2", source_id="amp-2")
    with pytest.raises(StreamError) as caught:
        Choice("Amp").only_one([AMP, other, again])
    assert str(caught.value) == (
        "3 streams fit: "
        "Amp on lab, source id amp-1, 32 channels (use `input='Amp@lab'`); "
        "Amp on other, source id amp-1, 64 channels "
        "(use `input='Amp@other'` and `source_id='amp-1'`); "
        "Amp on other, source id amp-2, 32 channels (use `source_id='amp-2'`)"
    )
    twin = replace(AMP, uid="uid-1")
    with pytest.raises(StreamError, match="its program must give it a name of its own"):
        Choice("Amp").only_one([AMP, twin])


STREAMS = st.lists(
    st.builds(
        Sender,
        name=st.sampled_from(["Amp", "Amp@lab", "Cap"]),
        type=st.sampled_from(["EEG", "ACC"]),
        source_id=st.sampled_from(["", "a", "b"]),
        hostname=st.sampled_from(["lab", "pc"]),
        uid=st.uuids().map(str),
        created_at=st.floats(0, 100),
        sample_format=st.sampled_from(["float32", "string"]),
        n_channels=st.sampled_from([3, 32]),
        sfreq_hz=st.sampled_from([0.0, 500.0]),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one.uid,
)


@given(there=STREAMS, name=st.sampled_from([None, "Amp", "Amp@lab", "Cap@pc"]))
def test_every_way_to_choose_that_is_told_chooses_that_stream(there, name):
    for one in Choice(name).fitting(there):
        way = how_to_choose(one, there)
        given_ = dict(part.split("=", 1) for part in way.split("`")[1::2])
        if given_:
            settings = {key: value.strip("'") for key, value in given_.items()}
            choice = Choice(settings.get("input"), settings.get("source_id"))
            assert choice.only_one(there) == one
    if len(Choice(name).fitting(there)) < 2:
        assert (Choice(name).only_one(there) is None) == (not Choice(name).among(there))
    else:
        with pytest.raises(StreamError, match="streams fit"):
            Choice(name).only_one(there)


def test_an_empty_source_id_is_refused():
    with pytest.raises(ConfigError, match="`source_id` is empty"):
        Settings(source_id="")


def test_the_command_asks_for_a_source_id_by_flag_and_by_table(call, tmp_path):
    (tmp_path / "lab.toml").write_text('[run]\nsource_id = "nonesuch"\nwait_s = 0.3\n')
    by_table = call("convdip", "run", "--config", "lab.toml")
    by_flag = call("convdip", "check", "--source-id", "nonesuch", "--wait-s", 0.3)
    for ended in (by_table, by_flag):
        assert ended.returncode == 2
        assert "no stream of type EEG with source id nonesuch within 0.3 s" in ended.stderr


def test_eeg_and_accelerometer_of_one_name_and_id(unique):
    acc = outlet(unique, ["x", "y", "z"], type_="ACC", rate_hz=100.0)
    markers = outlet(unique, ["m"], type_="Markers", fmt="string", rate_hz=0.0)
    eeg = outlet(unique)
    for asked in (unique, f"{unique}@{HOST}"):
        found = resolve(asked, 10.0)
        assert found.uid() == uid_of(eeg)
    bound = Inlet(found).description
    del eeg
    search = Search(bound)
    search.refused("type ACC, expected EEG; number of channels 3, expected 12")
    search.refused("type Markers, expected EEG; format string, expected float32")
    eeg = outlet(unique)
    assert search.taken().uid == uid_of(eeg)
    del acc, markers


def test_two_twins_at_the_start_are_refused_and_can_be_chosen_by_their_ids(unique):
    """Names with what an XPath predicate would read are names like any other."""
    name = f"{unique}' or \"1\"='1"
    first, second = outlet(name, source_id="amp's"), outlet(name, source_id="amp-2")
    with pytest.raises(StreamError, match="2 streams fit: "):
        resolve(name, 10.0)
    assert resolve(name, 10.0, source_id="amp's").uid() == uid_of(first)
    assert resolve(f"{name}@{HOST}", 10.0, source_id="amp-2").uid() == uid_of(second)
    with pytest.raises(StreamError, match="with source id amp-3 within"):
        resolve(name, 0.3, source_id="amp-3")


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({"fmt": "string"}, "has format string: expected float32, double64, int16 or int32"),
        ({"fmt": "int8"}, "has format int8: expected float32, double64, int16 or int32"),
        ({"fmt": "int64"}, "has format int64: expected float32, double64, int16 or int32"),
        ({"rate_hz": 0.0}, "has an irregular rate: expected numbers at a regular rate"),
        ({"rate_hz": 1e6}, "has 1e.06 Hz: expected numbers at a regular rate of 1 Hz to 100 kHz"),
        ({"labels": []}, "has no channels"),
    ],
)
def test_what_cannot_be_eeg_is_refused_before_an_inlet_is_built(unique, said, refusal):
    sender = outlet(unique, **said)
    found = resolve(unique, 60.0, settle_s=0.0)
    before = psutil.Process().memory_info().rss
    with pytest.raises(StreamError, match=refusal):
        Inlet(found)
    assert psutil.Process().memory_info().rss - before < 2**24
    assert not sender.have_consumers()


# --- who carries on -----------------------------------------------------------------------------


@given(
    fitting=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["amp-1", "x", ""]))),
    by_id_alone=st.booleans(),
)
def test_the_same_outlet_comes_before_the_same_id_before_another_one(fitting, by_id_alone):
    there = [
        replace(AMP, uid=f"uid-{i}", source_id=source_id)
        for i, (_, source_id) in enumerate(fitting)
    ]
    found = heirs(AMP, there, by_id_alone=by_id_alone)
    same = [one for one in there if one.source_id == AMP.source_id]
    if AMP in there:
        assert found == [AMP]
    elif any(one.uid == AMP.uid for one in there):
        assert [one.uid for one in found] == [AMP.uid]
    elif same:
        assert found == same
    else:
        assert list(found) == ([] if by_id_alone else there)


def test_another_computer_s_stream_is_not_the_lost_one():
    """Another person's EEG: same name, id and description, made after the loss, elsewhere."""
    assert impostor(AMP, replace(AMP, uid="uid-1", created_at=99.0)) == ""
    other = replace(AMP, uid="uid-1", created_at=99.0, hostname="other")
    assert impostor(AMP, other) == "host other, expected lab"


def test_a_twin_that_was_there_before_does_not_take_the_place(unique):
    first = outlet(unique)
    bound = bound_to(unique)
    twin = outlet(unique)
    until(lambda: {uid_of(twin)} <= {s.uid() for s in find_streams(0.1)})
    lost_s = pylsl.local_clock() + 0.2  # the twin is older than the last sample
    until(lambda: pylsl.local_clock() > lost_s)
    del first
    search = Search(bound, lost_s)
    told = search.refused("it was there before")
    assert (told["event"], told["source_id"], told["hostname"]) == ("refused", "amp-1", HOST)
    assert told["uid"] == uid_of(twin)
    again = outlet(unique)
    assert search.taken().uid == uid_of(again)
    assert [one["difference"] for one in search.said].count("it was there before") == 1


CHANGES: dict[str, dict[str, Any]] = {
    "format int16, expected float32": {"fmt": "int16"},
    "factor of channel 1 1000, expected 1 (and 11 more)": {"factor": "1000"},
    "label of channel 1 Pz, expected Fp1 (and 11 more)": {"labels": LABELS[::-1]},
    "label of channel 3 F4, expected F3 (and 1 more)": {
        "labels": [*LABELS[:2], "F4", "F3", *LABELS[4:]]
    },
    "unit of channel 1 volts, expected microvolts (and 11 more)": {"unit": "volts"},
    "type of channel 1 EOG, expected ''": {"kind": "EOG"},
    "rate in Hz 200, expected 250": {"rate_hz": 200.0},
    "number of channels 11, expected 12": {"labels": LABELS[:-1]},
    "type ECG, expected EEG": {"type_": "ECG"},
}


def test_what_comes_back_changed_is_refused_by_what_differs(unique):
    sender = outlet(unique)
    bound = bound_to(unique)
    del sender
    search = Search(bound)
    # One after the other, each beside the others: what differs is told of each.
    changed = []
    for difference, change in CHANGES.items():
        changed.append(outlet(unique, **change))
        assert search.refused(difference)["uid"] == uid_of(changed[-1])
    sender = outlet(unique)
    assert search.taken().uid == uid_of(sender)


def test_a_new_id_is_taken_where_all_else_is_equal_and_it_is_alone(unique):
    sender = outlet(unique, source_id="12345")
    bound = bound_to(unique)
    del sender
    search = Search(bound)
    sender = outlet(unique, source_id="67890")
    found = search.taken()
    assert (found.uid, found.source_id) == (uid_of(sender), "67890")
    assert search.said == []


def test_a_new_id_is_not_taken_where_an_id_was_asked_for(unique):
    sender = outlet(unique, source_id="asked for")
    bound = bound_to(unique)
    del sender
    search = Search(bound, by_id_alone=True)
    other = outlet(unique, source_id="other")
    assert search.refused("source id other is not the one asked for")["uid"] == uid_of(other)
    sender = outlet(unique, source_id="asked for")
    assert search.taken().uid == uid_of(sender)


@pytest.mark.parametrize("source_ids", [("amp-1", "amp-1"), ("x", "y")])
def test_two_that_could_be_it_are_both_refused_until_one_is_left(unique, source_ids):
    sender = outlet(unique)
    bound = bound_to(unique)
    del sender
    search = Search(bound)
    twins = [outlet(unique, source_id=source_id) for source_id in source_ids]
    uids = [uid_of(twin) for twin in twins]
    for uid in uids:
        search.lists(uid)
    for mine, other in (uids, uids[::-1]):
        told = search.refused("it cannot be told from", f"'uid': '{mine}'")
        assert other in told["difference"]
    if source_ids[0] == "x":
        return  # liblsl lists what has ended for five seconds: once is enough
    twins.pop()
    assert search.taken().uid == uids[0]


def test_the_same_outlet_is_taken_whoever_else_is_there(unique):
    sender = outlet(unique)
    bound = bound_to(unique)
    search = Search(bound)
    twin = outlet(unique)
    search.lists(uid_of(twin))
    search.lists(uid_of(sender))
    assert search.taken().uid == bound.uid


@pytest.fixture
def in_a_process(unique):
    """A sender in a process of its own, which can be stopped; ends with the test."""
    code = (
        "import sys, pylsl\n"
        f"info = pylsl.StreamInfo({unique!r}, 'EEG', {len(LABELS)}, 250.0, 'float32', 'amp-1')\n"
        "channels = info.desc().append_child('channels')\n"
        f"for label in {LABELS!r}:\n"
        "    channel = channels.append_child('channel')\n"
        "    channel.append_child_value('label', label)\n"
        "    channel.append_child_value('unit', 'microvolts')\n"
        "sender = pylsl.StreamOutlet(info)\n"
        "print(sender.get_info().uid(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        yield child, child.stdout.readline().strip()
        child.kill()


def test_a_candidate_that_hangs_delays_nobody(unique, in_a_process):
    sender = outlet(unique)
    bound = bound_to(unique)
    assert bound.difference(read_eeg(sender.get_info())) == ""
    del sender
    search = Search(bound)
    child, uid = in_a_process
    search.lists(uid)
    child.send_signal(signal.SIGSTOP)
    assert search.look() is None
    search.refused("does not answer: it hangs")
    sender = outlet(unique)
    assert search.taken().uid == uid_of(sender)
    assert search.longest_s < ANSWER_S  # looking is no waiting, whoever hangs


def test_the_successor_of_a_stream_that_hangs_is_found_beside_it(unique, in_a_process):
    inlet = Inlet(resolve(unique, 60.0, settle_s=0.0))
    child, uid = in_a_process
    assert inlet.description.uid == uid
    child.send_signal(signal.SIGSTOP)
    search = Search(inlet.description, but_bound=True)
    sender = outlet(unique)
    assert search.taken().uid == uid_of(sender)


def test_descriptions_that_cannot_be_read_do_not_end_the_search(unique):
    sender = outlet(unique)
    bound = bound_to(unique)
    del sender
    search = Search(bound)
    info = pylsl.StreamInfo(unique, "EEG", len(LABELS), 250.0, "float32", "amp-1")
    info.desc().append_child("no < name")
    broken = pylsl.StreamOutlet(info)
    assert search.refused("refused")["uid"] == uid_of(broken)
    sender = outlet(unique)
    assert search.taken().uid == uid_of(sender)


def test_what_is_so_is_said_again_and_how_to_choose_what_is_there(unique, monkeypatch):
    monkeypatch.setattr("convdip.live.succession.REPEAT_S", 0.5)
    sender = outlet(unique)
    bound = bound_to(unique)
    del sender
    search = Search(bound)
    other, ecg = outlet(f"{unique}-2"), outlet(unique, type_="ECG")
    first = search.refused("type ECG, expected EEG")
    assert "repeated" not in first
    assert search.refused("type ECG, expected EEG", "repeated")["uid"] == uid_of(ecg)
    told = search.refused("is not back", "restart the service with one that is there")
    assert (told["event"], told["repeated"]) == ("lost", True)
    assert f"{unique}-2 on {HOST}, source id amp-1 (use `input='{unique}-2'`)" in told["text"]
    assert f"{unique}-2" in told["others"]
    del other


# --- the service --------------------------------------------------------------------------------


class Events:
    """What a service says in its events."""

    def __init__(self, name):
        found = resolve(f"{name}-Events", 60.0, settle_s=0.0)
        self._inlet = pylsl.StreamInlet(found, recover=False)
        self._inlet.open_stream(timeout=60)
        self.heard: list[dict[str, Any]] = []

    def until(self, event):
        def heard():
            self.heard += [json.loads(text) for [text] in self._inlet.pull_chunk(timeout=0.1)[0]]
            return [one for one in self.heard if one["event"] == event]

        return until(heard)[-1]


def send(sender, n, seed, offset_uv=0.0):
    """Send noise on an offset; return samples and stamps."""
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal((n, sender.channel_count)) * 20 + offset_uv
    samples = samples.astype(np.float32)
    stamps = pylsl.local_clock() + np.arange(-n, 0) / 250 + 0.004
    assert sender.wait_for_consumers(60)
    sender.push_chunk(samples, stamps.tolist())
    return samples, stamps


def provenance(name):
    info = pylsl.StreamInlet(resolve(f"{name}-Sources", 60.0, settle_s=0.0)).info(timeout=60)
    return read_sources(info).provenance


def test_a_source_that_comes_later_is_waited_for(unique, shipped, caplog):
    caplog.set_level("INFO", "convdip")
    frames = convdip.frames(input=unique, provider="cpu", precision="fp32", wait_s=60.0)
    found = []
    thread = threading.Thread(target=lambda: found.append(next(frames)), daemon=True)
    thread.start()
    until(lambda: "model convdip" in caplog.text)  # loaded: from here on it looks for the stream
    assert unique not in {stream.name() for stream in find_streams(1.0)}
    assert thread.is_alive()
    sender = outlet(unique, shipped.head.channels)
    _, stamps = send(sender, 1, 0)
    thread.join(60)
    np.testing.assert_array_equal(found[0].timestamps, stamps)
    frames.close()


def test_a_sender_started_again_while_the_program_was_busy_is_the_same(unique, shipped, caplog):
    """It was made before its loss was noticed, and after its last sample."""
    frames = convdip.frames(input=unique, provider="cpu", precision="fp32", wait_s=60.0)
    got: list[convdip.Frame] = []
    is_free = threading.Event()

    def receive():
        for frame in frames:
            got.append(frame)
            is_free.wait(60)
            if frame.flags.is_resumed:
                frames.close()

    sender = outlet(unique, shipped.head.channels)
    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    send(sender, 1, 0)
    until(lambda: got)
    del sender
    sender = outlet(unique, shipped.head.channels)
    made_s = pylsl.local_clock()
    until(lambda: pylsl.local_clock() > made_s + 1.0)
    is_free.set()
    until(lambda: "is back" in caplog.text)
    send(sender, 1, 1)
    thread.join(60)
    assert not thread.is_alive()
    assert got[-1].flags.is_resumed
    assert "was there before" not in caplog.text


def test_the_right_one_goes_on_with_filters_begun_anew(unique, shipped):
    """After a loss: what is changed is told in the events; rows are those of a service anew."""
    got: list[convdip.Frame] = []
    labels = shipped.head.channels
    sender = outlet(unique, labels)
    with convdip.Service(
        unique, unique, on_frame=got.append, provider="cpu", precision="fp32"
    ) as service:
        events = Events(unique)
        send(sender, 100, 0, offset_uv=30_000.0)
        until(lambda: service.health.n_published == 100)
        del sender
        events.until("lost")
        changed = outlet(unique, labels, fmt="int16", factor="0.1")
        told = events.until("refused")
        assert told["uid"] == uid_of(changed)
        assert told["difference"] == "format int16, expected float32"
        del changed
        got.clear()
        sender = outlet(unique, labels)
        back = events.until("back")
        assert (back["source_id"], back["hostname"]) == ("amp-1", HOST)
        assert back["uid"] == uid_of(sender)
        samples, stamps = send(sender, 100, 1, offset_uv=-30_000.0)
        until(lambda: service.health.n_published == 200)
    assert service.summary.stream_losses == 1
    np.testing.assert_array_equal(np.concatenate([frame.timestamps for frame in got]), stamps)
    anew = convdip.Imager(
        labels, sfreq_hz=250.0, filters=convdip.Filters(), provider="cpu", precision="fp32"
    )
    expected = anew(samples).moments_nam
    moments_nam = np.concatenate([frame.moments_nam for frame in got])
    np.testing.assert_allclose(moments_nam, expected, atol=1e-4 * np.abs(expected).max())
    assert got[0].flags.is_resumed
    assert not any(frame.flags.is_resumed for frame in got[1:])


def test_provenance_is_that_of_the_stream_in_force(unique, shipped, tmp_path):
    """A program that gets a new source id at each start: it goes on, and every stream says so."""
    sender = outlet(unique, shipped.head.channels, source_id="12345")
    folder = tmp_path / "record"
    with convdip.Service(unique, unique, roi="cuneus", record=folder) as service:
        events = Events(unique)
        assert provenance(unique).input_source_id == "12345"
        send(sender, 50, 0)
        until(lambda: service.health.n_published == 50)
        del sender
        events.until("lost")
        sender = outlet(unique, shipped.head.channels, source_id="67890")
        back = events.until("back")
        assert back["source_id"] == "67890"
        assert "with source id 67890 instead of 12345" in back["text"]
        until(lambda: provenance(unique).input_source_id == "67890")
        [power] = [s for s in find_streams(1.0) if s.name() == f"{unique}-Power-8-13"]
        described = read_sources(pylsl.StreamInlet(power).info(timeout=60)).provenance
        assert described.input_source_id == "67890"
        send(sender, 50, 1)
        until(lambda: service.health.n_published == 100)
    amplifier = json.loads((folder / "cred-nf.json").read_text())["4e"]["amplifier"]
    assert amplifier["source_id"] == "12345"
    assert amplifier["came_back_as"] == [{"source_id": "67890", "host": HOST}]
