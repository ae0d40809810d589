"""Channel labels: what holds for every label, not for the few that somebody thought of."""

from __future__ import annotations

import re

import numpy as np
import pytest
from convdip.errors import MontageError
from convdip.live.montage import ALIASES, MIN_ELECTRODES, electrode_name, match_montage
from hypothesis import given
from hypothesis import strategies as st

ELECTRODES = [
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "FT9", "FC5", "FC1", "FC2", "FC6", "FT10", "T7",
    "C3", "Cz", "C4", "T8", "TP9", "CP5", "CP1", "CP2", "CP6", "TP10", "P7", "P3", "Pz", "P4", "P8",
    "O1", "O2",
]  # fmt: skip
REFERENCES = ["REF", "LE", "AR", "AVG", "CAR", "A1", "A2", "M1", "M2"]
VOLTS = {"volts": 1.0, "mV": 1e-3, "uV": 1e-6, "microvolts": 1e-6, "-9": 1e-9}

# Every name that means an electrode: its own, and the older one.
names = st.sampled_from(ELECTRODES + sorted(ALIASES))


def meaning(name: str) -> str:
    return ALIASES.get(name, name)


@st.composite
def decorated(draw: st.DrawFn, name: str, reference: str = "") -> str:
    """Write a name as some device might."""
    cases = draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    name = "".join(c.swapcase() if is_other else c for c, is_other in zip(name, cases, strict=True))
    front = draw(st.sampled_from(["", "EEG ", "eeg_", "EEG-", "Eeg  "]))
    padding = st.text(" .", max_size=3)
    behind = f"-{reference}" if reference else ""
    return f"{draw(padding)}{front}{name}{behind}{draw(padding)}"


@given(st.data(), names, st.sampled_from(["", *REFERENCES]))
def test_a_decorated_name_means_its_electrode(data, name, reference):
    assert electrode_name(data.draw(decorated(name, reference)), ELECTRODES) == meaning(name)


@given(st.text() | st.text("EGTFCPOZ01379z.- _", max_size=12))
def test_any_text_is_an_electrode_or_none(label):
    found = electrode_name(label, ELECTRODES)
    assert found is None or found in ELECTRODES
    if found is not None:
        # It is named in the label, and nothing but decoration stands around the name.
        rest = re.sub(rf"^\W*(EEG[ _-]+)?|-({'|'.join(REFERENCES)})\W*$|\W*$", "", label.upper())
        assert ALIASES.get(rest, rest) == found.upper()


@given(st.data(), names, names)
def test_a_bipolar_channel_is_no_electrode(data, name, other):
    assert electrode_name(f"{data.draw(decorated(name)).rstrip(' .')}-{other}", ELECTRODES) is None


@given(st.data(), names, st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=4))
def test_a_name_with_more_behind_it_is_another_name(data, name, more):
    assert electrode_name(name + more, ELECTRODES) is None


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[str], list[str], list[str]]:
    """Some of the electrodes and other channels in any order: labels, units, meanings."""
    n = draw(st.integers(MIN_ELECTRODES, len(ELECTRODES)))
    present = draw(st.permutations(ELECTRODES))[:n]
    others = draw(st.lists(st.sampled_from(["ECG", "TRG", "AUX 7", "", "HEOG"]), max_size=4))
    reference = draw(st.sampled_from(["", *REFERENCES]))
    labels = [draw(decorated(name, reference)) for name in present] + others
    units = [draw(st.sampled_from(sorted(VOLTS))) for _ in present] + [""] * len(others)
    order = draw(st.permutations(range(len(labels))))
    means = present + [""] * len(others)
    return [labels[i] for i in order], [units[i] for i in order], [means[i] for i in order]


@given(streams(), st.integers(0, 2**32 - 1))
def test_every_channel_goes_to_its_electrode_in_volts(stream, seed):
    labels, units, means = stream
    montage = match_montage(labels, units, ELECTRODES)
    samples = np.random.default_rng(seed).standard_normal(len(labels))
    expected = dict.fromkeys(ELECTRODES, 0.0)
    for name, unit, value in zip(means, units, samples, strict=True):
        if name:
            expected[name] = value * VOLTS[unit]
    np.testing.assert_array_equal(montage.to_volts @ samples, list(expected.values()))
    assert montage.missing == tuple(name for name in ELECTRODES if name not in means)
    assert montage.unused == tuple(
        label for label, name in zip(labels, means, strict=True) if not name
    )
    assert montage.used.tolist() == [i for i, name in enumerate(means) if name]


@given(st.data(), streams())
def test_a_second_channel_for_an_electrode_is_refused(data, stream):
    labels, units, means = stream
    name = data.draw(st.sampled_from([name for name in means if name]))
    place = data.draw(st.integers(0, len(labels)))
    labels.insert(place, data.draw(decorated(name)))
    units.insert(place, "uV")
    with pytest.raises(MontageError, match=f"are both electrode {name}:"):
        match_montage(labels, units, ELECTRODES)


@given(st.permutations(ELECTRODES), st.integers(0, MIN_ELECTRODES - 1))
def test_too_few_electrodes_are_refused_whichever_are_missing(order, n):
    with pytest.raises(MontageError, match=f"{n} of the model's 31 electrodes"):
        match_montage(order[:n], ["uV"] * n, ELECTRODES)
