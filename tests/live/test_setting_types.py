"""Settings of the wrong type or place are refused by name, in Python and in files."""

import math
import os
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import convdip
import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.live.loop.feature_settings import FeatureSettings
from convdip.live.setting_types import _is, check_type
from convdip.live.settings import PATHS, Settings
from hypothesis import given, settings
from hypothesis import strategies as st

HINTS = get_type_hints(Settings)
STRANGE: list[Any] = [
    True, 5, 0.5, "x", [8], (8.0, 12.0), {"a": 1}, b"x", object(), math.nan, math.inf, 10**400,
    np.zeros(2), Settings,
]  # fmt: skip


def make(kind: Any, **how: Any) -> Any:
    """Make something of values whose types nobody has checked."""
    return kind(**how)


@pytest.mark.parametrize("name", HINTS)
def test_a_setting_of_another_type_is_refused_by_its_name(name):
    n_refused = 0
    for value in STRANGE:
        if _is(value, HINTS[name], is_toml=name in PATHS):
            continue
        n_refused += 1
        with pytest.raises(ConfigError, match=rf"^`{name}` is .*: expected ") as refused:
            make(Settings, **{name: value})
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 500
    assert n_refused >= len(STRANGE) - 3


def test_every_setting_is_of_the_type_that_its_annotation_says():
    for field in fields(Settings):
        check_type(field.name, getattr(Settings, field.name), HINTS[field.name])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"name": 5}, "`name` is 5: expected text"),
        ({"input": True}, "`input` is True: expected text"),
        ({"high_pass": "x"}, "`high_pass` is 'x': expected a number"),
        ({"high_pass": True}, "`high_pass` is True: expected a number"),
        ({"band": [8]}, r"`band` is \[8\]: expected two of these, a number"),
        ({"band": [8, "12"]}, "`band` is"),
        ({"rhythm": (8, math.nan)}, "`rhythm` is"),
        ({"notch": "on"}, "`notch` is 'on': expected a number or 'auto' or 'off'"),
        ({"invert": 1}, "`invert` is 1: expected true or false"),
        ({"provider": "gpu"}, "`provider` is 'gpu': expected 'auto' or 'cuda' or 'cpu'"),
        ({"wait_s": math.inf}, "`wait_s` is inf: expected a number"),
        ({"bad": ["C3", 5]}, "`bad` is .*: expected text or a list of text"),
        ({"unit": 3}, "`unit` is 3: expected text"),
        ({"name": ""}, "`name` is empty"),
        ({"input": ""}, "`input` is empty"),
        ({"name": "a\x1b[2J"}, "`name` is .*: expected text without control characters"),
        ({"name": "a\nb"}, "without control characters"),
        ({"name": "\u202elab"}, "without control characters"),
        ({"name": "\udce4"}, "without control characters"),
        ({"name": "x" * 201}, "`name` has 201 characters: expected 200 at most"),
        ({"bad": ["C\x00"]}, "`bad` is .*without control characters"),
        ({"model": Path("a\0b")}, "`model` is .*without control characters"),
        ({"features": {"a": 3}}, "`features` is .*: expected a path or FeatureSettings by name"),
        ({"features": {3: FeatureSettings("cuneus")}}, "`features` is"),
    ],
)
def test_wrong_settings_are_refused_by_name_wherever_they_are_given(how, words):
    for kind in (Settings, convdip.Service, lambda **how: next(convdip.frames(**how))):
        with pytest.raises(ConfigError, match=words):
            make(kind, **how)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"regions": 5}, "`regions` is 5"),
        ({"regions": ["cuneus", None]}, "`regions` is"),
        ({"window_s": "1"}, "`window_s` is '1': expected a number"),
        ({"window_s": math.nan}, "`window_s` is nan"),
        ({"measure": "energy"}, "`measure` is 'energy': expected 'power'"),
        ({"band_hz": 8}, "`band_hz` is 8: expected two"),
        ({"of": None}, "`of` is None: expected text"),
    ],
)
def test_features_of_another_type_are_refused(how, words):
    with pytest.raises(ConfigError, match=words):
        make(FeatureSettings, **how)


def test_what_is_as_good_is_taken():
    """Whole numbers for others, NumPy's for Python's, lists for pairs, text for paths."""
    made = make(
        Settings,
        roi="cuneus",
        record="session",
        high_pass=1,
        window=np.float32(0.5),
        rhythm=[8, 12],
        bad=["C3"],
        wait_s=np.int64(3),
    )
    assert made.rhythm == (8, 12)
    assert made.record == Path("session")
    assert made.bad_electrodes == ("C3",)
    assert made.rhythms(500)
    assert Settings(notch=50).notch == 50
    assert Settings(bad="").bad_electrodes == ()
    assert Settings(model=Path("mine")).model == Path("mine")


TEXTS = st.sampled_from(["", "x", "a\x1b", "\ud800", "cpu", "50", "mV", "cuneus", "\u202e"])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(sorted(HINTS)), ANY, max_size=3))
def test_settings_of_any_values_are_made_or_refused_in_one_line(values):
    try:
        made = make(Settings, **values)
    except convdip.ConvDipError as refused:
        assert "\n" not in str(refused)  # noqa: PT017 (both outcomes are right)
        return
    for name in values:
        check_type(name, getattr(made, name), HINTS[name])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[run]\ninput = true", "[run] input is True: expected text"),
        ("[run]\nname = 5", "[run] name is 5: expected text"),
        ("[run]\nname = ''", "--name is empty"),
        ('[run]\nname = "a\\u001b[2J"', "expected text without control characters"),
        ("[run]\nhigh-pass = 'x'", "[run] high-pass is 'x': expected a number"),
        ("[run]\nhigh_pass = nan", "[run] high_pass is nan: expected a number"),
        ("[run]\nhigh_pass = inf", "[run] high_pass is inf: expected a number"),
        ("[run]\nband = [8]", "[run] band is [8]: expected two of these, a number"),
        ("[run]\nband = 8", "[run] band is 8: expected two"),
        ("[run.input]\nname = 'x'", "[run] input is {'name': 'x'}: expected text"),
        ("[run]\ninptu = 'x'", "[run] has 'inptu': expected input, source_id, name"),
        ("[run]\ndisplay = 'yes'", "[run] display is 'yes': expected true or false"),
        ("[run]\nrest = 5", "[run] rest is 5: expected a path"),
        ("[run]\nwait-s = 1979-05-27", "[run] wait-s is datetime.date(1979, 5, 27)"),
        ("[run]\nwait-s = " + "9" * 400, "[run] wait-s is 999"),
        ("[run]\ninput = 'x'\ninput = 'y'", "is not TOML"),
        ("[rnu]\ninput = 'x'", "'rnu' is not a command"),
        ("[[run]]\ninput = 'x'", "run is [{'input': 'x'}]: expected a table, [run]"),
        ("run = 5", "run is 5: expected a table, [run]"),
        ("['--help']\nx = 1", "'--help' is not a command"),
        ("[demo]\nseconds = '5'", "[demo] seconds is '5': expected a number"),
        ("[simulate]\nseed = 1.5", "[simulate] seed is 1.5: expected a whole number"),
        ("[bench]\nquick = 1", "[bench] quick is 1: expected true or false"),
        ("[web]\nport = true", "[web] port is True: expected a whole number"),
        ("x = " + "[" * 5000, "is not TOML"),
        ("x = " + "[" * 60 + "]" * 60, "is not TOML: nested more than 32 deep"),
        ("x" + ".x" * 1_000_000 + " = 1", "expected 262,144 at most"),
        ("x" + ".x" * 100_000 + " = 1", "is not TOML: a key of more than 32 parts"),
        ("x" + " . 'x y' .\t\"x.y\"" * 20 + " = 1", "is not TOML: a key of more than 32 parts"),
        ("x = {y = [{" + "a." * 40 + "b = 1}]}", "is not TOML: a key of more than 32 parts"),
        ("x = 1\n" * 200_000, "expected 262,144 at most"),
        (b"\xff\xfe", "is not TOML"),
    ],
)
def test_a_settings_file_is_refused_for_what_is_wrong_in_it(call, tmp_path, text, words):
    content = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "lab.toml").write_bytes(content)
    done = call("convdip", "run", "--config", "lab.toml", "--wait-s", 0.1)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_settings_file_of_all_settings_is_taken(call, tmp_path):
    text = """
    [run]
    input = "nonesuch"
    name = "Lab"
    wait-s = 1
    max-backlog-s = 0.1
    high_pass = 1
    bad = ["C3", "C4"]
    filter = true
    display = false
    json = true

    [display]
    name = "Lab"
    """
    (tmp_path / "lab.toml").write_text(text)
    done = call("convdip", "run", "--config", "lab.toml", "--wait-s", 0.1)
    assert "no stream named 'nonesuch' within 0.1 s" in done.stderr
    assert done.returncode == 2


def test_a_settings_file_that_is_a_pipe_is_not_waited_for(call, tmp_path):
    os.mkfifo(tmp_path / "lab.toml")
    done = call("convdip", "run", "--config", "lab.toml")
    assert done.returncode == 2
    assert "no settings at lab.toml: a pipe, expected a regular file" in done.stderr


@pytest.mark.parametrize("arguments", [("--name", "a\x1b[2J"), ("--input", ""), ("--bad", "\n")])
def test_flags_are_held_against_the_same_types(call, arguments):
    done = call("convdip", "run", *arguments)
    assert done.returncode == 2
    assert f"convdip: {arguments[0]} is " in done.stderr
    assert len(done.stderr.splitlines()) == 1
