"""Channel labels: what holds for every label, not for the few that somebody thought of."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from convdip import load_bundle
from convdip.errors import MontageError
from convdip.live.cap_places import electrode_places
from convdip.live.labels import ALIASES, EARS, electrode_name
from convdip.live.montage import MIN_ELECTRODES, Montage, match_montage
from hypothesis import given
from hypothesis import strategies as st

HEAD = load_bundle().head
PLACES = electrode_places(HEAD)
ELECTRODES = list(PLACES)
BY_UPPER = {name.upper(): name for name in ELECTRODES}
# What may stand behind all labels: anything; here are those that devices write.
REFERENCES = ["REF", "Ref1", "LE", "AR", "AVG", "CAR", "A1", "A2", "A1A2", "(A1+A2)/2", "M1", "M2"]
VOLTS = {"volts": 1.0, "mV": 1e-3, "uV": 1e-6, "microvolts": 1e-6, "-9": 1e-9, "0.5 uV": 5e-7}
BRACKETS = {"": "", " [uV]": "uV", "(\u00b5V)": "uV", " [mV]": "mV"}

# Every name that means an electrode: its own, and the older one.
names = st.sampled_from(ELECTRODES + sorted(ALIASES))


def meaning(name: str) -> str:
    return ALIASES.get(name, name)


@st.composite
def decorated(draw: st.DrawFn, name: str, reference: str = "", bracket: str = "") -> str:
    """Write a name as some device might."""
    cases = draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    name = "".join(c.swapcase() if is_other else c for c, is_other in zip(name, cases, strict=True))
    front = draw(st.sampled_from(["", "EEG ", "eeg_", "EEG-", "Eeg  "]))
    padding = st.text(" .", max_size=3)
    minus = draw(st.sampled_from(["-", " - ", "\u2013"]))
    behind = f"{minus}{reference}" if reference else ""
    return f"{draw(padding)}{front}{name}{behind}{draw(padding)}{bracket}{draw(padding)}"


@given(st.data(), names, st.sampled_from(["", *REFERENCES]), st.sampled_from(sorted(BRACKETS)))
def test_a_decorated_name_means_its_electrode(data, name, reference, bracket):
    label = data.draw(decorated(name, reference, bracket))
    assert electrode_name(label, ELECTRODES) == meaning(name)


@given(st.text() | st.text("EGTFCPOZ01379z.- _", max_size=12))
def test_any_text_is_an_electrode_or_none(label):
    found = electrode_name(label, ELECTRODES)
    assert found is None or found in ELECTRODES
    if found is not None:
        # It is named in the label, and nothing but decoration stands around the name.
        name = re.split(
            "[-\u2010-\u2013\u2212]", re.sub(r"^[ .\t]*EEG[\s_.:-]+", "", label.upper())
        )[0]
        bare = re.sub(r"[\s._]|[\[(].*", "", name)
        assert ALIASES.get(bare, bare) == found.upper()


@given(st.data(), names, names)
def test_a_bipolar_channel_is_no_electrode(data, name, other):
    assert electrode_name(f"{data.draw(decorated(name)).rstrip(' .')}-{other}", ELECTRODES) is None


@given(st.data(), names, st.text("ABCDEFGIJKLMNOPQRSTUVWXY", min_size=3, max_size=4))
def test_a_name_with_more_behind_it_is_another_name(data, name, more):
    assert electrode_name(name + more, ELECTRODES) is None


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[str], list[str], list[str]]:
    """Some electrodes and other channels in any order: labels, units, meanings."""
    n = draw(st.integers(MIN_ELECTRODES, MIN_ELECTRODES + 4))
    wanted = st.sampled_from(ELECTRODES)
    present = draw(st.lists(wanted, min_size=n, max_size=n, unique=True))
    others = draw(st.lists(st.sampled_from(["ECG", "TRG", "AUX 7", "", "HEOG"]), max_size=4))
    reference = draw(st.sampled_from(["", *REFERENCES, "CPz", "Nz"]))
    labels = [draw(decorated(name, reference)) for name in present] + others
    units = [draw(st.sampled_from(sorted(VOLTS))) for _ in present] + [""] * len(others)
    order = draw(st.permutations(range(len(labels))))
    means = present + [""] * len(others)
    return [labels[i] for i in order], [units[i] for i in order], [means[i] for i in order]


def in_volts(montage: Montage, samples: np.ndarray) -> np.ndarray:
    return samples[montage.channels] * montage.volts


@given(streams(), st.booleans(), st.integers(0, 2**32 - 1))
def test_every_channel_goes_to_its_electrode_in_volts(stream, inverted, seed):
    labels, units, means = stream
    rng = np.random.default_rng(seed)
    factors = rng.uniform(0.01, 10, len(labels)).tolist()
    montage = match_montage(labels, units, HEAD, factors=factors, inverted=inverted)
    assert montage.names == tuple(filter(None, means))
    samples = rng.standard_normal(len(labels))
    expected = [
        value * VOLTS[unit] * factor * (-1 if inverted else 1)
        for name, unit, value, factor in zip(means, units, samples, factors, strict=True)
        if name
    ]
    np.testing.assert_allclose(in_volts(montage, samples), expected, rtol=1e-12)
    np.testing.assert_array_equal(montage.places_m, [PLACES[name] for name in montage.names])
    assert montage.missing == tuple(name for name in HEAD.channels if name not in means)
    assert montage.unused == tuple(
        label for label, name in zip(labels, means, strict=True) if not name
    )
    assert montage.channels.tolist() == [i for i, name in enumerate(means) if name]


@given(streams(), st.sampled_from(["EOG", "emg", "ECG", "AUX", "Impedance", "Misc", "Trigger"]))
def test_what_is_stated_to_be_something_else_is_no_eeg(stream, kind):
    """A second Fp1 that is an eye electrode neither takes its place nor stops the service."""
    labels, units, _ = stream
    plain = match_montage(labels, units, HEAD)
    types = [("EEG", "")[i % 2] for i in range(len(labels))]
    typed = match_montage(
        [*labels, labels[plain.channels[0]]], [*units, ""], HEAD, types=[*types, kind]
    )
    assert typed.names == plain.names
    np.testing.assert_array_equal(typed.channels, plain.channels)


@given(st.data(), streams())
def test_a_second_channel_for_an_electrode_is_refused(data, stream):
    labels, units, means = stream
    name = data.draw(st.sampled_from([name for name in means if name]))
    reference = match_montage(labels, units, HEAD).reference
    place = data.draw(st.integers(0, len(labels)))
    labels.insert(place, data.draw(decorated(name, reference)))
    units.insert(place, "uV")
    with pytest.raises(MontageError, match=f"are both electrode {name}:"):
        match_montage(labels, units, HEAD)


@given(st.data(), st.lists(st.sampled_from(HEAD.channels), min_size=5, max_size=12, unique=True))
def test_differences_between_electrodes_are_refused_as_such(data, present):
    """A chain: each electrode against the next, as clinical montages have it."""
    labels = [
        f"{data.draw(decorated(one)).strip(' .')}-{next_one}" for one, next_one in pairwise(present)
    ]
    with pytest.raises(MontageError, match="bipolar montage"):
        match_montage(labels, ["uV"] * len(labels), HEAD)


@given(st.permutations(HEAD.channels), st.integers(0, MIN_ELECTRODES - 1))
def test_too_few_electrodes_are_refused_whichever_are_missing(order, n):
    with pytest.raises(MontageError, match=f"{n} electrodes of known places"):
        match_montage(order[:n], ["uV"] * n, HEAD)


def test_no_ear_is_an_electrode_of_the_table():
    assert not EARS & set(BY_UPPER)
